// refused: a step's result is a stored value
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
  auto name = [] { return std::string_view("o-1"); };
  co_await ctx.step("name", name);
}
}  // namespace
