// refused: only futures can be waited for together
#include "evermill/registry.hpp"

namespace {
using namespace evermill;
struct order {
  std::string id;
  int cents = 0;
};
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE(order, id, cents)
constexpr activity<int(order)> pay{.name = "pay"};

task<> part(context) { co_return; }
task<> bad(context ctx) {
  auto one = part(ctx);
  co_await race(one);
}
}  // namespace
