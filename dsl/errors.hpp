// Errors: raising, catching, trying again (RFC 7807, Problem Details).
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "dsl/duration.hpp"
#include "dsl/value_template.hpp"

namespace evermill::dsl {

/// The types of the errors that a runtime raises itself.
namespace error_type {
inline constexpr std::string_view configuration = "https://serverlessworkflow.io/spec/1.0.0/errors/configuration";
inline constexpr std::string_view validation = "https://serverlessworkflow.io/spec/1.0.0/errors/validation";
inline constexpr std::string_view expression = "https://serverlessworkflow.io/spec/1.0.0/errors/expression";
inline constexpr std::string_view authentication = "https://serverlessworkflow.io/spec/1.0.0/errors/authentication";
inline constexpr std::string_view authorization = "https://serverlessworkflow.io/spec/1.0.0/errors/authorization";
inline constexpr std::string_view timeout = "https://serverlessworkflow.io/spec/1.0.0/errors/timeout";
inline constexpr std::string_view communication = "https://serverlessworkflow.io/spec/1.0.0/errors/communication";
inline constexpr std::string_view runtime = "https://serverlessworkflow.io/spec/1.0.0/errors/runtime";
}  // namespace error_type

struct error_definition {
  value_template type;  ///< a URI, or an expression that gives one
  std::int64_t status = 0;
  std::optional<value_template> instance;  ///< a JSON Pointer; none: of the task that raises it
  std::optional<value_template> title;
  std::optional<value_template> detail;
};
using error_pointer = std::shared_ptr<const error_definition>;

/// An error fits where all that is given is equal.
struct error_filter {
  std::optional<value_template> type;
  std::optional<std::int64_t> status;
  std::optional<value_template> instance;
  std::optional<value_template> title;
  std::optional<value_template> details;
};

struct retry_policy {
  /// How the delay grows from one attempt to the next: not; by the delay itself; twice.
  enum class backoff : std::uint8_t { constant, linear, exponential };
  struct jitter_range {
    duration_value from;
    duration_value to;
  };

  std::optional<expression> when;
  std::optional<expression> except_when;
  std::optional<duration_value> delay;
  backoff growth = backoff::constant;
  nlohmann::json growth_options = nlohmann::json::object();  ///< what stands in `backoff.exponential` and the like: free
  std::optional<std::int64_t> attempt_limit;                 ///< limit.attempt.count
  std::optional<duration_value> attempt_duration;            ///< limit.attempt.duration: of each attempt
  std::optional<duration_value> total_duration;              ///< limit.duration: of all together
  std::optional<jitter_range> jitter;
};
using retry_pointer = std::shared_ptr<const retry_policy>;

}  // namespace evermill::dsl
