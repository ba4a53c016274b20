// refused: co_await the race
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
  auto paid = ctx.call(pay, o);
  race(paid, paid);
  co_return;
}
}  // namespace
