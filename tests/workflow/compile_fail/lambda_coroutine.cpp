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

task<int> bad(context ctx) {
  auto part = [](context inner) -> task<int> {
    co_await inner.sleep(std::chrono::seconds(1));
    co_return 1;
  };
  co_return co_await part(ctx);
}
}  // namespace
