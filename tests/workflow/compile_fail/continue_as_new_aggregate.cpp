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

task<> bad(context ctx) { co_await ctx.continue_as_new(order{"o-1", 5}); }
}  // namespace
