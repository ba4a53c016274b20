#include "cli/execution_filters.hpp"

#include <CLI/App.hpp>
#include <algorithm>
#include <array>
#include <charconv>
#include <map>
#include <optional>
#include <utility>

#include "dsl/names.hpp"

namespace evermill::cli {
namespace {

using std::chrono::microseconds;

constexpr microseconds longest_ago = std::chrono::hours(24) * 365 * 200;

const std::map<std::string, execution_status, std::less<>>& status_names() {
  static const std::map<std::string, execution_status, std::less<>> names = {
      {"running", execution_status::running},       {"completed", execution_status::completed},
      {"failed", execution_status::failed},         {"canceled", execution_status::canceled},
      {"terminated", execution_status::terminated}, {"timed_out", execution_status::timed_out}};
  return names;
}

std::string check_status(const std::string& name) {
  if (status_names().contains(name)) return {};
  std::string known;
  for (const auto& [each, status] : status_names()) known += (known.empty() ? "" : ", ") + each;
  return "\"" + name + "\" is no status; give one of " + known;
}

std::string check_time(const std::string& text) {
  if (parse_time(text, time_point(longest_ago))) return {};
  return "\"" + text + "\" is no time; give one as 2026-05-01T12:00:00Z, or how long ago, as 90s, 15m, 1h30m, 7d or 2w";
}

/// Takes a number off the front.
std::optional<std::int64_t> take_digits(std::string_view& text, std::size_t most) {
  std::int64_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + std::min(text.size(), most), number);
  const auto taken = static_cast<std::size_t>(end - text.data());
  if (error != std::errc() || taken == 0 || text.front() == '-') return std::nullopt;
  text.remove_prefix(taken);
  return number;
}

std::optional<microseconds> parse_ago(std::string_view text) {
  constexpr std::array<std::pair<std::string_view, microseconds>, 6> units = {{{"w", std::chrono::hours(24 * 7)},
                                                                              {"d", std::chrono::hours(24)},
                                                                              {"h", std::chrono::hours(1)},
                                                                              {"m", std::chrono::minutes(1)},
                                                                              {"s", std::chrono::seconds(1)},
                                                                              {"ms", std::chrono::milliseconds(1)}}};
  microseconds ago{0};
  std::size_t next = 0;  // of the units: each smaller than the one before
  while (!text.empty()) {
    const auto number = take_digits(text, 9);
    if (!number) return std::nullopt;
    const std::size_t letters = std::min(text.find_first_of("0123456789"), text.size());
    const std::string_view name = text.substr(0, letters);
    while (next < units.size() && units[next].first != name) ++next;
    if (next == units.size() || *number > longest_ago / units[next].second) return std::nullopt;
    ago += *number * units[next++].second;
    text.remove_prefix(letters);
  }
  return ago <= longest_ago ? std::optional(ago) : std::nullopt;
}

/// Of a text that is one.
time_point date_time(std::string_view text) {
  const auto number = [&](std::size_t from, std::size_t digits) {
    int value = 0;
    std::from_chars(text.data() + from, text.data() + from + digits, value);
    return value;
  };
  time_point at = std::chrono::sys_days(std::chrono::year(number(0, 4)) / number(5, 2) / number(8, 2));
  at += std::chrono::hours(number(11, 2)) + std::chrono::minutes(number(14, 2)) + std::chrono::seconds(number(17, 2));
  std::size_t rest = 19;
  if (text[rest] == '.') {
    microseconds place(100'000);
    for (++rest; text[rest] >= '0' && text[rest] <= '9'; ++rest, place /= 10) at += (text[rest] - '0') * place;
  }
  if (text[rest] != '+' && text[rest] != '-') return at;
  const auto offset = std::chrono::hours(number(rest + 1, 2)) + std::chrono::minutes(number(rest + 4, 2));
  return text[rest] == '+' ? at - offset : at + offset;
}

}  // namespace

std::optional<time_point> parse_time(std::string_view text, time_point now) {
  if (text.empty()) return std::nullopt;
  const std::string midnight = std::string(text) + "T00:00:00Z";
  std::optional<time_point> found;
  if (dsl::is_date_time(midnight)) {
    found = date_time(midnight);
  } else if (dsl::is_date_time(text)) {
    found = date_time(text);
  } else if (const auto ago = parse_ago(text)) {
    found = now - *ago;
  }
  if (found && *found <= time_point{}) return std::nullopt;
  return found;
}

std::shared_ptr<filter_options> add_filter_options(CLI::App& command) {
  auto options = std::make_shared<filter_options>();
  command.add_option("--status", options->statuses, "Only those with one of these: running, completed, failed, canceled, terminated, timed_out")
      ->type_name("STATUS")
      ->delimiter(',')
      ->check(check_status, "");
  command.add_flag("--blocked", options->blocked, "Only those that run but take no turns: stuck, unserved or turn_timeout");
  command.add_option("--type", options->type, "Only those of this workflow")->type_name("NAME");
  command.add_option("--since", options->since, "Only those started then or later: a time (RFC 3339), or how long ago, as 90s, 1h30m, 7d")
      ->type_name("TIME")
      ->check(check_time, "");
  command.add_option("--before", options->before, "Only those started before")->type_name("TIME")->check(check_time, "");
  command.add_option("--prefix", options->prefix, "Only those whose workflow id begins so")->type_name("TEXT");
  return options;
}

execution_filter filter_of(const filter_options& options, time_point now) {
  execution_filter filter;
  for (const std::string& each : options.statuses) filter.statuses.push_back(status_names().find(each)->second);
  if (options.blocked) filter.blocked = true;
  filter.workflow_type = options.type;
  if (!options.since.empty()) filter.started_from = parse_time(options.since, now).value_or(time_point{});
  if (!options.before.empty()) filter.started_before = parse_time(options.before, now).value_or(time_point{});
  filter.workflow_id_prefix = options.prefix;
  return filter;
}

bool is_filtered(const filter_options& options) {
  return !options.statuses.empty() || options.blocked || !options.type.empty() || !options.since.empty() || !options.before.empty() || !options.prefix.empty();
}

}  // namespace evermill::cli
