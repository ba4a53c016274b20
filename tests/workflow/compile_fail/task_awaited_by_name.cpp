// refused: co_await takes a future or task over
#include "evermill/registry.hpp"

namespace {
using namespace evermill;
struct order {
  std::string id;
  int cents = 0;
};
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE(order, id, cents)
constexpr activity<int(order)> pay{.name = "pay"};

task<int> part(context) { co_return 1; }
task<int> bad(context ctx) {
  auto it = part(ctx);
  co_return co_await it;
}
}  // namespace
