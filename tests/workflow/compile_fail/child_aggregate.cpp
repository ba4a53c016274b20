// refused: pass the fields, or a named value
#include "evermill/registry.hpp"

namespace {
using namespace evermill;
struct order {
  std::string id;
  int cents = 0;
};
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE(order, id, cents)
constexpr activity<int(order)> pay{.name = "pay"};

task<int> child(context, order o) { co_return o.cents; }
task<int> bad(context ctx) { co_return co_await ctx.start_as("c", child, order{"o-1", 5}); }
}  // namespace
