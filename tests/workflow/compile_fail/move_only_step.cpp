// refused: a step's function must be copyable
#include "evermill/registry.hpp"

namespace {
using namespace evermill;
struct order {
  std::string id;
  int cents = 0;
};
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE(order, id, cents)
constexpr activity<int(order)> pay{.name = "pay"};

task<> bad(context ctx) {
  auto owned = [p = std::make_unique<int>(5)] { return *p; };
  co_await ctx.step("owned", std::as_const(owned));
}
}  // namespace
