// refused: no matching
#include "evermill/registry.hpp"

namespace {
using namespace evermill;
struct order {
  std::string id;
  int cents = 0;
};
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE(order, id, cents)
constexpr activity<int(order)> pay{.name = "pay"};

constexpr child_workflow<int(order)> handle{.name = "child"};
task<std::string> bad(context, order o) { co_return o.id; }
void use(registry& r) { r.add(handle, bad); }
}  // namespace
