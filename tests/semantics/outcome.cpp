#include "outcome.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>

namespace evermill::semantics {
namespace {

/// One line per execution, without what differs between runs: random ids, times, the order of what went on at one time.
std::vector<std::string> told(const outcome& what) {
  std::vector<std::string> lines;
  for (const outcome::execution& each : what.executions) {
    std::string line = each.type + " " + std::string(to_string(each.end.status)) + " " + each.result();
    if (each.end.cause) line += each.end.cause->type + ": " + each.end.cause->message;
    std::map<std::string, std::size_t> counts;
    for (const history_event& event : each.events) ++counts[event.type];
    for (const auto& [type, count] : counts) line += ", " + std::to_string(count) + " " + type;
    lines.push_back(std::move(line));
  }
  std::ranges::sort(lines);
  return lines;
}

std::map<std::string, std::size_t> keys_of(const outcome& what) {
  std::map<std::string, std::size_t> found;
  for (const auto& [effect, keys] : what.effects) found[effect] = keys.size();
  return found;
}

}  // namespace

std::size_t outcome::execution::count(std::string_view event_type) const {
  return static_cast<std::size_t>(std::ranges::count(events, event_type, &history_event::type));
}

const outcome::execution& outcome::of(std::string_view id) const {
  static const execution nothing;
  const auto found = std::ranges::find(executions, id, &execution::id);
  if (found != executions.end()) return *found;
  ADD_FAILURE() << "there is no execution \"" << id << "\"";
  return nothing;
}

std::size_t outcome::keys(const std::string& effect) const {
  const auto found = effects.find(effect);
  return found == effects.end() ? 0 : found->second.size();
}

std::size_t outcome::most_often(const std::string& effect) const {
  std::size_t most = 0;
  if (const auto found = effects.find(effect); found != effects.end()) {
    for (const auto& [key, count] : found->second) most = std::max(most, count);
  }
  return most;
}

void expect_alike(const outcome& fresh, const outcome& crashed) {
  EXPECT_THAT(told(crashed), ::testing::ElementsAreArray(told(fresh)));
  EXPECT_EQ(keys_of(crashed), keys_of(fresh));
  for (const auto& [effect, keys] : fresh.effects) {
    EXPECT_LE(crashed.most_often(effect), fresh.most_often(effect) + 1) << effect;
  }
}

}  // namespace evermill::semantics
