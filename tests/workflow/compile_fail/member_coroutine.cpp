// refused: workflow coroutines are free functions that take values
#include "evermill/registry.hpp"

namespace {
using namespace evermill;
struct order {
  std::string id;
  int cents = 0;
};
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE(order, id, cents)
constexpr activity<int(order)> pay{.name = "pay"};

struct holder {
  int n = 0;
  task<int> bad(context ctx) {
    co_await ctx.sleep(std::chrono::seconds(1));
    co_return n;
  }
};
}  // namespace
