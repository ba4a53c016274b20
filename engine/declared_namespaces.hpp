// The namespaces of an engine, and what each may ask of it.
#pragma once

#include <functional>
#include <map>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

#include "actors/partition.hpp"
#include "base/clock.hpp"
#include "evermill/engine.hpp"
#include "messages/decision.pb.h"

namespace evermill {

/// Thread-safe.
class declared_namespaces {
 public:
  /// Throws engine_error (invalid_argument) for what can't be.
  explicit declared_namespaces(const std::vector<namespace_options>& options);
  declared_namespaces(const declared_namespaces&) = delete;
  declared_namespaces& operator=(const declared_namespaces&) = delete;

  bool has(std::string_view name_space) const;
  /// Throws engine_error: invalid_argument where the request's namespace is not declared, or takes no payloads of that size; overloaded
  /// where it has too many starts just now, with when to come again.
  void admit(const messages::DecisionEvent& request, timestamp now);

  /// Counted by the partitions; null: nothing is to be.
  actors::open_executions* open() noexcept { return open_.empty() ? nullptr : &open_; }
  std::vector<actors::retention_rule> retention() const;

 private:
  struct declared {
    namespace_options limits;
    timestamp next_start{};  ///< of starts with a rate: when their bucket is full again
  };
  void admit_start(declared& of, timestamp now);

  std::mutex mutex_;  // for the times
  std::map<std::string, declared, std::less<>> all_;
  actors::open_executions open_;
};

}  // namespace evermill
