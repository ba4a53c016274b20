// Durations: ISO 8601 text ("PT1H30M") and objects ({ hours: 1, minutes: 30 }).
#pragma once

#include <chrono>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <variant>

#include "dsl/expression.hpp"
#include "evermill/result.hpp"

namespace evermill::dsl {

using duration = std::chrono::microseconds;

/// No longer than this: about a thousand years, so that it can be added to any time.
inline constexpr duration longest_duration = std::chrono::hours(24) * 365'000;

/// ISO 8601: P[nY][nM][nW][nD][T[nH][nM][nS]], decimal fractions with a point at any place. A year counts as 365 days and a
/// month as 30, as a duration has no calendar. What is shorter than a microsecond is cut off. Or what is wrong.
result<duration, std::string> parse_duration(std::string_view text);

/// Text as above, or an object of integers: days, hours, minutes, seconds, milliseconds; at least one. What an expression in
/// place of a duration has to give. Or what is wrong.
result<duration, std::string> to_duration(const nlohmann::json& value);

/// A duration that is known, or an expression that gives one.
class duration_value {
 public:
  explicit duration_value(duration known) : content_(known) {}
  explicit duration_value(expression computed) : content_(std::move(computed)) {}

  std::optional<duration> known() const noexcept;
  const expression* computed() const noexcept { return std::get_if<expression>(&content_); }
  /// An expression whose value is no duration is an error of kind failed.
  result<duration, expression_error> evaluate(const nlohmann::json& input, const variables& with) const;

 private:
  std::variant<duration, expression> content_;
};

}  // namespace evermill::dsl
