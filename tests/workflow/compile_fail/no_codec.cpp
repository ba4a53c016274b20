// refused: evermill can't encode this type
#include "evermill/registry.hpp"

namespace {
using namespace evermill;
struct order {
  std::string id;
  int cents = 0;
};
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE(order, id, cents)
constexpr activity<int(order)> pay{.name = "pay"};

struct opaque {
  int* p = nullptr;
};
payload bad(const opaque& o) { return codec<opaque>::encode(o); }
}  // namespace
