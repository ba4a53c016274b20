// compiles
#include "evermill/registry.hpp"

namespace {
using namespace evermill;
struct order {
  std::string id;
  int cents = 0;
};
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE(order, id, cents)
constexpr activity<int(order)> pay{.name = "pay"};

constexpr child_workflow<int(order)> elsewhere{.name = "elsewhere"};
constexpr child_workflow<void()> nobody{.name = "nobody"};
constexpr signal<> go{.name = "go"};

task<int> part(context ctx, order o, const int cents) {
  co_await ctx.sleep(std::chrono::seconds(1));
  co_return o.cents + cents;
}

task<> gathers(context ctx, order o) {
  auto paid = ctx.call(pay, o);
  auto slept = ctx.sleep(std::chrono::seconds(1));
  auto went = ctx.wait(go, std::chrono::seconds(1));
  const std::size_t first = co_await race(paid, slept, went);
  auto [cents, nothing, came] = co_await all(paid, slept, went);
  std::vector<future<void>> rest;
  rest.push_back(ctx.start_as("n", nobody));
  co_await all(rest);
  co_await race(rest);
  ctx.log(log_level::debug, "done");
  if (came && first == 0) co_await ctx.continue_as_new(o);
  co_await ctx.continue_as_new("o-2");
}

task<int> good(context ctx, order o) {
  const std::string captured = o.id;
  auto length = [captured] { return captured.size(); };
  co_await ctx.step("length", length);
  co_await ctx.call(pay, o);
  co_await ctx.start_as("e", elsewhere, "o-1", 5);
  co_await part(ctx, o, 5);
  co_return co_await ctx.call(pay, "o-1", 5);
}
void use(registry& r) {
  r.add("good", good);
  r.add("gathers", gathers);
  r.add(elsewhere, good);
  r.add(pay, [](activity_context&, const order& o) { return o.cents; });
}
}  // namespace
