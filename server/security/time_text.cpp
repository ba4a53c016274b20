#include "server/security/time_text.hpp"

#include <array>
#include <charconv>
#include <cstdio>
#include <utility>

namespace evermill::server::security {
namespace {

template <class Number>
std::optional<Number> whole_number(std::string_view text) {
  Number value{};
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (text.empty() || text.front() == '-' || error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return value;
}

/// "", or ".5" to ".123456".
std::optional<std::int64_t> fraction_micros(std::string_view text) {
  if (text.empty()) return 0;
  if (text.front() != '.' || text.size() < 2 || text.size() > 7) return std::nullopt;
  std::string digits(text.substr(1));
  digits.resize(6, '0');
  return whole_number<std::int64_t>(digits);
}

}  // namespace

std::string utc_text(timestamp time) {
  const auto seconds = std::chrono::floor<std::chrono::seconds>(time);
  const auto day = std::chrono::floor<std::chrono::days>(seconds);
  const std::chrono::year_month_day date(day);
  const std::chrono::hh_mm_ss clock(seconds - day);
  std::array<char, 64> text{};
  std::snprintf(text.data(), text.size(), "%04d-%02u-%02uT%02d:%02d:%02dZ", static_cast<int>(date.year()),
                static_cast<unsigned>(date.month()), static_cast<unsigned>(date.day()), static_cast<int>(clock.hours().count()),
                static_cast<int>(clock.minutes().count()), static_cast<int>(clock.seconds().count()));
  return text.data();
}

std::optional<timestamp> read_utc(std::string_view text) {
  if (text.size() < 20 || text.back() != 'Z' || text[4] != '-' || text[7] != '-' || text[10] != 'T' || text[13] != ':' ||
      text[16] != ':') {
    return std::nullopt;
  }
  const auto year = whole_number<int>(text.substr(0, 4));
  const auto month = whole_number<unsigned>(text.substr(5, 2)), day = whole_number<unsigned>(text.substr(8, 2));
  const auto hour = whole_number<int>(text.substr(11, 2)), minute = whole_number<int>(text.substr(14, 2));
  const auto second = whole_number<int>(text.substr(17, 2));
  const auto micros = fraction_micros(text.substr(19, text.size() - 20));
  if (!year || !month || !day || !hour || !minute || !second || !micros) return std::nullopt;
  const std::chrono::year_month_day date{std::chrono::year(*year), std::chrono::month(*month), std::chrono::day(*day)};
  if (!date.ok() || *hour > 23 || *minute > 59 || *second > 59) return std::nullopt;
  return std::chrono::sys_days(date) + std::chrono::hours(*hour) + std::chrono::minutes(*minute) + std::chrono::seconds(*second) +
         std::chrono::microseconds(*micros);
}

std::optional<std::chrono::microseconds> read_duration(std::string_view text) {
  using namespace std::chrono;
  constexpr std::array<std::pair<std::string_view, microseconds>, 6> units{
      {{"ms", milliseconds(1)}, {"s", seconds(1)}, {"m", minutes(1)}, {"h", hours(1)}, {"d", days(1)}, {"w", weeks(1)}}};
  for (const auto& [unit, length] : units) {
    if (!text.ends_with(unit)) continue;
    const auto count = whole_number<std::int64_t>(text.substr(0, text.size() - unit.size()));
    if (!count) continue;  // "5ms" also ends with "s"
    if (*count > days(36'500) / length) return std::nullopt;
    return *count * length;
  }
  return std::nullopt;
}

}  // namespace evermill::server::security
