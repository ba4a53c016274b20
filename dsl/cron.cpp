#include "dsl/cron.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <span>
#include <vector>

#include "base/check.hpp"
#include "dsl/problem.hpp"

namespace evermill::dsl {
namespace {

struct cron_field {
  std::string_view name;
  int low;
  int high;
  std::span<const std::string_view> words;  // for low, low + 1, …
};

constexpr std::array month_words =
    std::to_array<std::string_view>({"jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"});
constexpr std::array weekday_words = std::to_array<std::string_view>({"sun", "mon", "tue", "wed", "thu", "fri", "sat"});
constexpr std::array cron_fields{cron_field{"minute", 0, 59, {}}, cron_field{"hour", 0, 23, {}},
                                 cron_field{"day of month", 1, 31, {}}, cron_field{"month", 1, 12, month_words},
                                 cron_field{"day of week", 0, 7, weekday_words}};

constexpr std::array shorthands = std::to_array<std::pair<std::string_view, std::string_view>>({{"@hourly", "0 * * * *"},
                                                                                                {"@daily", "0 0 * * *"},
                                                                                                {"@midnight", "0 0 * * *"},
                                                                                                {"@weekly", "0 0 * * 0"},
                                                                                                {"@monthly", "0 0 1 * *"},
                                                                                                {"@yearly", "0 0 1 1 *"},
                                                                                                {"@annually", "0 0 1 1 *"}});

std::vector<std::string_view> split_words(std::string_view text, std::string_view separators, bool skip_empty) {
  std::vector<std::string_view> parts;
  while (true) {
    const std::size_t end = text.find_first_of(separators);
    const std::string_view part = text.substr(0, end);
    if (!skip_empty || !part.empty()) parts.push_back(part);
    if (end == std::string_view::npos) return parts;
    text.remove_prefix(end + 1);
  }
}

std::optional<int> cron_number(std::string_view text, const cron_field& field) {
  int value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error == std::errc() && end == text.data() + text.size() && !text.starts_with('-')) return value;
  std::string lower(text);
  for (char& c : lower) c = c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
  const auto word = std::find(field.words.begin(), field.words.end(), lower);
  if (word == field.words.end()) return std::nullopt;
  return field.low + static_cast<int>(word - field.words.begin());
}

std::string wrong_field(std::string_view text, const cron_field& field) {
  return in_quotes(text)
      .append(" is no ")
      .append(field.name)
      .append(" (")
      .append(std::to_string(field.low))
      .append(" to ")
      .append(std::to_string(field.high))
      .append(")");
}

/// One element of a list; calls `add` with each number.
template <class Add>
std::string cron_element(std::string_view text, const cron_field& field, Add add) {
  const std::size_t slash = text.find('/');
  const std::string_view range = text.substr(0, slash);
  std::optional<int> low, high, step = 1;
  if (range == "*") {
    low = field.low;
    high = field.high;
  } else {
    const std::size_t hyphen = range.find('-');
    low = cron_number(range.substr(0, hyphen), field);
    high = hyphen == std::string_view::npos ? low : cron_number(range.substr(hyphen + 1), field);
    if (hyphen == std::string_view::npos && slash != std::string_view::npos)
      return wrong_field(text, field) + "; a step follows * or a range";
  }
  if (slash != std::string_view::npos)
    step = cron_number(text.substr(slash + 1), {.name = {}, .low = 0, .high = 0, .words = {}});
  if (!low || !high || !step || *low < field.low || *high > field.high || *low > *high || *step < 1)
    return wrong_field(text, field);
  for (int value = *low; value <= *high; value += *step) add(static_cast<std::size_t>(value));
  return {};
}

template <class Add>
std::string cron_list(std::string_view text, const cron_field& field, Add add) {
  for (const std::string_view element : split_words(text, ",", false)) {
    if (std::string why = cron_element(element, field, add); !why.empty()) return why;
  }
  return {};
}

constexpr int leap_day_years = 9;  // 1896 to 1904, and 2096 to 2104

}  // namespace

result<cron, std::string> cron::parse(std::string_view text) {
  const auto shorthand = std::find_if(shorthands.begin(), shorthands.end(), [&](const auto& s) { return s.first == text; });
  if (shorthand != shorthands.end()) text = shorthand->second;
  const std::vector<std::string_view> given = split_words(text, " \t", true);
  if (given.size() != cron_fields.size()) {
    return unexpected("it has " + std::to_string(given.size()) +
                      " fields; expected 5: minute, hour, day of month, month, day of week");
  }
  cron made;
  const std::array<std::string, 5> whys{
      cron_list(given[0], cron_fields[0], [&](std::size_t value) { made.minutes_.set(value); }),
      cron_list(given[1], cron_fields[1], [&](std::size_t value) { made.hours_.set(value); }),
      cron_list(given[2], cron_fields[2], [&](std::size_t value) { made.days_.set(value); }),
      cron_list(given[3], cron_fields[3], [&](std::size_t value) { made.months_.set(value); }),
      cron_list(given[4], cron_fields[4], [&](std::size_t value) { made.weekdays_.set(value % 7); }),
  };
  for (const std::string& why : whys) {
    if (!why.empty()) return unexpected(why);
  }
  made.any_day_ = given[2].starts_with('*');
  made.any_weekday_ = given[4].starts_with('*');
  if (!made.any_day_ && made.any_weekday_ && made.weekdays_.all()) {
    constexpr std::size_t longest[] = {0, 31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    bool ever = false;
    for (std::size_t month = 1; month <= 12; ++month) {
      for (std::size_t day = 1; day <= longest[month]; ++day) ever = ever || (made.months_.test(month) && made.days_.test(day));
    }
    if (!ever) return unexpected(std::string("no day of any year fits"));
  }
  return made;
}

bool cron::fits_day(std::chrono::year_month_day day) const {
  if (!months_.test(static_cast<unsigned>(day.month()))) return false;
  const bool of_month = days_.test(static_cast<unsigned>(day.day()));
  const bool of_week = weekdays_.test(std::chrono::weekday(std::chrono::sys_days(day)).c_encoding());
  return any_day_ || any_weekday_ ? of_month && of_week : of_month || of_week;
}

cron::time cron::next(std::chrono::sys_seconds after) const {
  using namespace std::chrono;
  const time first = floor<minutes>(after) + minutes(1);
  sys_days day = floor<days>(first);
  for (const sys_days last = day + days(366 * leap_day_years); day <= last; day += days(1)) {
    if (!fits_day(day)) continue;
    for (std::size_t hour = 0; hour < hours_.size(); ++hour) {
      if (!hours_.test(hour)) continue;
      for (std::size_t minute = 0; minute < minutes_.size(); ++minute) {
        const time candidate = day + hours(hour) + minutes(minute);
        if (minutes_.test(minute) && candidate >= first) return candidate;
      }
    }
  }
  EVERMILL_CHECK(false, "an expression that parse() has accepted fits some day");
}

}  // namespace evermill::dsl
