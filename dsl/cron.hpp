// Cron expressions of five fields: minute, hour, day of month, month, day of week. Times are UTC.
#pragma once

#include <bitset>
#include <chrono>
#include <optional>
#include <string>
#include <string_view>

#include "evermill/result.hpp"

namespace evermill::dsl {

/// As crontab(5) has it: `*`, numbers, ranges `a-b`, steps `/n` after `*` or a range, lists with commas, names of months and
/// days of the week (three letters, any case), 7 as Sunday; `@hourly`, `@daily`, `@midnight`, `@weekly`, `@monthly`, `@yearly`,
/// `@annually`. Where both a day of the month and a day of the week are given, one of them is enough.
class cron {
 public:
  using time = std::chrono::sys_time<std::chrono::minutes>;

  /// Or what is wrong. An expression that no day of any year fits is wrong too.
  static result<cron, std::string> parse(std::string_view text);

  /// The first time after `after` that fits: there is one within eight years and a leap day.
  time next(std::chrono::sys_seconds after) const;

 private:
  bool fits_day(std::chrono::year_month_day day) const;

  std::bitset<60> minutes_;
  std::bitset<24> hours_;
  std::bitset<32> days_;
  std::bitset<13> months_;
  std::bitset<7> weekdays_;
  bool any_day_ = false;  // the day of the month begins with *
  bool any_weekday_ = false;
};

}  // namespace evermill::dsl
