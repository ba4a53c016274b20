// refused: nothing after continue_as_new may run
#include "evermill/registry.hpp"

namespace {
using namespace evermill;
struct order {
  std::string id;
  int cents = 0;
};
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE(order, id, cents)
constexpr activity<int(order)> pay{.name = "pay"};

task<> bad(context ctx, int n) {
  ctx.continue_as_new(n);
  co_return;
}
}  // namespace
