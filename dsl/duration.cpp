#include "dsl/duration.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>

namespace evermill::dsl {
namespace {

struct duration_unit {
  char letter;
  double microseconds;
};

constexpr double of_second = 1e6;
constexpr double of_day = 24 * 3600 * of_second;
constexpr std::array date_units{duration_unit{'Y', 365 * of_day}, duration_unit{'M', 30 * of_day},
                                duration_unit{'W', 7 * of_day}, duration_unit{'D', of_day}};
constexpr std::array time_units{duration_unit{'H', 3600 * of_second}, duration_unit{'M', 60 * of_second},
                                duration_unit{'S', of_second}};

struct named_unit {
  std::string_view name;
  std::int64_t microseconds;
};
constexpr std::array named_units{named_unit{"days", 86'400'000'000}, named_unit{"hours", 3'600'000'000},
                                 named_unit{"minutes", 60'000'000}, named_unit{"seconds", 1'000'000},
                                 named_unit{"milliseconds", 1'000}};

std::string too_long() { return "it is longer than 1,000 years"; }

/// Takes a number off the front, digits with at most one point between them.
std::optional<double> take_number(std::string_view& text) {
  const std::size_t end = std::min(text.find_first_not_of("0123456789."), text.size());
  const std::string_view digits = text.substr(0, end);
  const std::size_t point = digits.find('.');
  const bool whole = point == std::string_view::npos;
  if (digits.empty() || point == 0 || (!whole && (point + 1 == digits.size() || digits.find('.', point + 1) != digits.npos))) {
    return std::nullopt;
  }
  double value = 0;
  if (std::from_chars(digits.data(), digits.data() + digits.size(), value).ec != std::errc()) return std::nullopt;
  text.remove_prefix(end);
  return value;
}

/// Takes numbers with the units' letters, each at most once and in order.
template <std::size_t N>
bool take_units(std::string_view& text, const std::array<duration_unit, N>& units, double& microseconds) {
  std::size_t next = 0;
  while (!text.empty() && text.front() != 'T') {
    const auto number = take_number(text);
    if (!number || text.empty()) return false;
    while (next < N && units[next].letter != text.front()) ++next;
    if (next == N) return false;
    microseconds += *number * units[next++].microseconds;
    text.remove_prefix(1);
  }
  return true;
}

}  // namespace

result<duration, std::string> parse_duration(std::string_view text) {
  const std::string expected = "expected an ISO 8601 duration such as \"PT30S\", \"PT1H30M\" or \"P2D\"";
  if (!text.starts_with('P') || text.size() < 2) return unexpected(expected);
  std::string_view rest = text.substr(1);
  double microseconds = 0;
  if (!take_units(rest, date_units, microseconds)) return unexpected(expected);
  if (!rest.empty()) {
    rest.remove_prefix(1);
    if (rest.empty() || !take_units(rest, time_units, microseconds) || !rest.empty()) return unexpected(expected);
  }
  if (microseconds > static_cast<double>(longest_duration.count())) return unexpected(too_long());
  return duration(static_cast<std::int64_t>(std::floor(microseconds + 1e-6)));
}

result<duration, std::string> to_duration(const nlohmann::json& value) {
  if (value.is_string()) return parse_duration(value.get_ref<const std::string&>());
  if (!value.is_object() || value.empty()) {
    return unexpected(
        std::string("expected an ISO 8601 duration, or an object of days, hours, minutes, seconds and milliseconds"));
  }
  double sum = 0;
  std::int64_t exact = 0;
  for (const auto& [name, count] : value.items()) {
    const std::string unit_name = name;
    const auto* unit =
        std::find_if(named_units.begin(), named_units.end(), [&](const named_unit& u) { return u.name == unit_name; });
    if (unit == named_units.end())
      return unexpected("it has no " + in_quotes(name) + ", but days, hours, minutes, seconds, milliseconds");
    if (!count.is_number_integer()) return unexpected("`" + name + "` must be an integer");
    if (count < 0) return unexpected("`" + name + "` must not be negative");
    sum += count.get<double>() * static_cast<double>(unit->microseconds);
    if (sum > static_cast<double>(longest_duration.count())) return unexpected(too_long());
    exact += count.get<std::int64_t>() * unit->microseconds;
  }
  return duration(exact);
}

std::optional<duration> duration_value::known() const noexcept {
  const auto* value = std::get_if<duration>(&content_);
  return value == nullptr ? std::nullopt : std::optional(*value);
}

result<duration, expression_error> duration_value::evaluate(const nlohmann::json& input, const variables& with) const {
  if (const auto value = known()) return *value;
  const expression& asked = *computed();
  auto value = asked.evaluate(input, with);
  if (!value) return unexpected(std::move(value.error()));
  auto given = to_duration(*value);
  if (given) return *given;
  return unexpected(
      expression_error{jq::evaluation_error::kind::failed, asked.at(), asked.source(), "no duration: " + given.error()});
}

}  // namespace evermill::dsl
