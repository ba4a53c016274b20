// refused: a reference, pointer or view can't be stored
#include "evermill/registry.hpp"

namespace {
using namespace evermill;
struct order {
  std::string id;
  int cents = 0;
};
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE(order, id, cents)
constexpr activity<int(order)> pay{.name = "pay"};

task<std::string_view> bad(context) { co_return "o-1"; }
void use(registry& r) { r.add("bad", bad); }
}  // namespace
