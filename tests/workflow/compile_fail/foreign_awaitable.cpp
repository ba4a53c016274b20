// refused: a workflow can only co_await what evermill gives it
#include "evermill/registry.hpp"

namespace {
using namespace evermill;
struct order {
  std::string id;
  int cents = 0;
};
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE(order, id, cents)
constexpr activity<int(order)> pay{.name = "pay"};

task<int> bad(context) {
  co_await std::suspend_never{};
  co_return 1;
}
}  // namespace
