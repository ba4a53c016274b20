// refused: co_await it, or keep it
#include "evermill/registry.hpp"

namespace {
using namespace evermill;
struct order {
  std::string id;
  int cents = 0;
};
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE(order, id, cents)
constexpr activity<int(order)> pay{.name = "pay"};

task<> bad(context ctx, order o) {
  ctx.call(pay, o);
  co_return;
}
}  // namespace
