// The shop: shop_server server --data DIR --listen 127.0.0.1:7466
#include <evermill/evermill.hpp>
#include <evermill/main.hpp>

#include <memory>

#include "shop.hpp"

namespace {

inline constexpr evermill::activity<std::string(std::vector<std::string>)> pack{.name = "pack"};

evermill::task<std::string> fulfil(evermill::context ctx, order wanted) {
  const auto state = std::make_shared<order>(wanted);
  ctx.on_query(items, [state] { return state->items; }).keep();
  const evermill::handler adding = ctx.on_update(add_item, [state](std::string item) {
    state->items.push_back(item);
    return static_cast<int>(state->items.size());
  });
  const std::string by = co_await ctx.wait(approval);
  const std::vector<std::string> all = state->items;
  const std::string parcel = co_await ctx.call(pack, all);
  co_return parcel + " for " + state->customer + ", approved by " + by;
}

std::string pack_items(const std::vector<std::string>& all) {
  std::string parcel;
  for (const std::string& each : all) parcel += "[" + each + "]";
  return parcel;
}

}  // namespace

int main(int argc, char** argv) {
  evermill::registry registry;
  registry.add(fulfil_order, fulfil);
  registry.add(pack, pack_items);
  return evermill::main(argc, argv, registry);
}
