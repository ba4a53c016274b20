// What is left of a run of a scenario: every execution with its end and its journal, and the effects that were counted.
#pragma once

#include <cstddef>
#include <functional>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "evermill/engine.hpp"

namespace evermill::semantics {

/// How often each effect happened: by what it is, then by its key.
using effect_counts = std::map<std::string, std::map<std::string, std::size_t>>;

struct outcome {
  struct execution {
    std::string id;
    std::string type;
    execution_end end;
    std::vector<history_event> events;  ///< of the last run

    std::size_t count(std::string_view event_type) const;
    /// The result's JSON text; empty where there is none.
    std::string result() const { return end.result ? end.result->data : std::string(); }
  };

  std::vector<execution> executions;  ///< by id
  effect_counts effects;

  /// Fails the test and gives an empty one where there is none.
  const execution& of(std::string_view id) const;
  /// How many keys the effect happened for: how many activities or steps had it.
  std::size_t keys(const std::string& effect) const;
  /// The most often that it happened for one key.
  std::size_t most_often(const std::string& effect) const;
};

using list_page = std::function<std::vector<listed_execution>(const std::string& after)>;

/// Reads every execution, page by page.
template <class Engine>
outcome read_outcome(Engine& from, const list_page& list, effect_counts effects) {
  outcome found{{}, std::move(effects)};
  std::string after;
  for (auto page = list(after); !page.empty(); page = list(after)) {
    for (const listed_execution& each : page) {
      found.executions.push_back({each.workflow_id, each.workflow_type, from.wait(each.workflow_id), from.history(each.workflow_id)});
    }
    after = page.back().workflow_id;
  }
  return found;
}

/// Fails the test where a run that lost a process tells another story than the fresh one: the executions by type, end and
/// result, how many events of each type their journals have, and how many activities and steps had each effect. An effect
/// may have happened once more for a key than in the fresh run: its attempt was lost with the process.
void expect_alike(const outcome& fresh, const outcome& crashed);

}  // namespace evermill::semantics
