// refused: the function of activity<R(A)> takes
#include "evermill/registry.hpp"

namespace {
using namespace evermill;
struct order {
  std::string id;
  int cents = 0;
};
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE(order, id, cents)
constexpr activity<int(order)> pay{.name = "pay"};

void use(registry& r) {
  r.add(pay, [](const order& o) { return o.id; });
}
}  // namespace
