// compiles
#include "evermill/registry.hpp"

namespace {
using namespace evermill;
struct order {
  std::string id;
  int cents = 0;
};
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE(order, id, cents)
constexpr activity<int(order)> pay{.name = "pay"};

task<int> good(context ctx, order o) {
  const std::string captured = o.id;
  auto length = [captured] { return captured.size(); };
  co_await ctx.step("length", length);
  co_await ctx.call(pay, o);
  co_return co_await ctx.call(pay, "o-1", 5);
}
void use(registry& r) { r.add("good", good); }
}  // namespace
