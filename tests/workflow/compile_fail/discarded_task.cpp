// refused: a task runs when it is awaited
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
  part(ctx);
  co_return;
}
}  // namespace
