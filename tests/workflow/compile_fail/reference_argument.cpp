// refused: arguments and results are stored values
#include "evermill/registry.hpp"

namespace {
using namespace evermill;
struct order {
  std::string id;
  int cents = 0;
};
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE(order, id, cents)
constexpr activity<int(order)> pay{.name = "pay"};

constexpr child_workflow<int(const order&)> bad{.name = "bad"};
}  // namespace
