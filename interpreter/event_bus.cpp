#include "interpreter/event_bus.hpp"

#include <algorithm>
#include <optional>
#include <utility>

namespace evermill::interpreter {
namespace {

constexpr int messages_per_run = 64;  // its journal stays short

void apply(const context& ctx, event_bus_state& state, event_message told) {
  const auto same = [&](const event_message& each) {
    return each.workflow_id == told.workflow_id && each.signal_name == told.signal_name;
  };
  auto& all = state.subscriptions;
  if (told.kind == "subscribe") {
    if (std::none_of(all.begin(), all.end(), same)) all.push_back(std::move(told));
  } else if (told.kind == "unsubscribe") {
    std::erase_if(all, same);
  } else if (told.kind == "event") {
    for (const event_message& each : all) {
      ctx.send(each.workflow_id, signal<nlohmann::json>{.name = each.signal_name}, told.event);
    }
  }
}

}  // namespace

task<void> pass_events(context ctx, event_bus_state state) {
  for (int handled = 0; handled < messages_per_run; ++handled) {
    try {
      event_message told = co_await ctx.wait(event_bus_signal);
      apply(ctx, state, std::move(told));
    } catch (const payload_error& error) {
      ctx.log(log_level::warning, std::string("an event bus was told what it does not understand: ") + error.what());
    } catch (const std::invalid_argument& error) {
      ctx.log(log_level::warning, std::string("an event bus can't pass on: ") + error.what());
    }
  }
  co_await ctx.continue_as_new(state);
}

}  // namespace evermill::interpreter
