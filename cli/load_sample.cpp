#include "cli/load_sample.hpp"

#include <algorithm>
#include <cstdio>
#include <nlohmann/json.hpp>
#include <sstream>

namespace evermill::cli {
namespace {

using ordered = nlohmann::ordered_json;

constexpr std::size_t probe_rows = 200;
constexpr int most_probes = 60;      // each halves what is left of the time
constexpr int count_share = 20;      // of the time, counting may take this part

double per_second(std::uint64_t before, std::uint64_t now, double seconds) {
  return now > before ? static_cast<double>(now - before) / seconds : 0.0;
}

load_rates rates_between(const engine_statistics& before, const engine_statistics& now, double seconds) {
  return {per_second(before.turns, now.turns, seconds), per_second(before.activities_completed, now.activities_completed, seconds),
          per_second(before.commits, now.commits, seconds), per_second(before.bytes_written, now.bytes_written, seconds)};
}

double rounded(double value) { return static_cast<double>(static_cast<std::int64_t>(value * 10 + 0.5)) / 10; }

std::string rate_text(double value) {
  char text[32];
  std::snprintf(text, sizeof text, value < 100 ? "%.1f" : "%.0f", value);
  return text;
}

std::string bytes_text(double bytes) {
  constexpr const char* units[] = {"B", "kB", "MB", "GB", "TB"};
  std::size_t unit = 0;
  for (; bytes >= 1000 && unit < 4; ++unit) bytes /= 1000;
  char text[32];
  std::snprintf(text, sizeof text, unit == 0 || bytes >= 100 ? "%.0f %s" : "%.1f %s", bytes, units[unit]);
  return text;
}

void add_table(std::vector<screen_line>& lines, std::vector<std::vector<std::string>> table, std::size_t width) {
  std::ostringstream text;
  print_table(text, std::move(table), width);
  std::istringstream rows(text.str());
  bool is_header = true;
  for (std::string row; std::getline(rows, row); is_header = false) {
    lines.push_back({fit(row, width), is_header ? screen_line::tone::strong : screen_line::tone::plain});
  }
}

std::string executions_text(const execution_counts& counts) {
  std::string text = "executions";
  for (const auto& [status, count] : counts.by_status) {
    text += "   " + std::string(to_string(status)) + " " + std::to_string(count);
    if (status == execution_status::running && counts.blocked > 0) text += " (" + std::to_string(counts.blocked) + " blocked)";
  }
  return counts.by_status.empty() ? text + "   none" : text;
}

std::string rates_text(const load_sample& sample) {
  if (!sample.rates) return "per second   …";
  return "per second   turns " + rate_text(sample.rates->turns) + "   activities " + rate_text(sample.rates->activities) + "   commits " +
         rate_text(sample.rates->commits) + "   written " + bytes_text(sample.rates->bytes_written);
}

}  // namespace

load_sample load_sampler::take(server::control& control, time_point now) {
  load_sample made;
  made.at = now;
  made.status = control.status();
  const auto asked = steady::now();
  if (before_ && before_->status.process_id == made.status.process_id) {
    const double seconds = std::chrono::duration<double>(asked - before_at_).count();
    if (seconds > 0) made.rates = rates_between(before_->status.counters, made.status.counters, seconds);
  }
  made.queues = control.task_queues();
  made.oldest = find_oldest(control, now);
  if (before_ && asked < count_again_) {
    made.executions = before_->executions;
  } else {
    const auto began = steady::now();
    made.executions = control.counts({});
    const auto ended = steady::now();
    count_again_ = ended + (ended - began) * count_share;
  }
  before_ = made;
  before_at_ = asked;
  return made;
}

/// Lists begin with the newest: so a moment is looked for before which few enough were started that they fit a page.
std::vector<listed_execution> load_sampler::find_oldest(server::control& control, time_point now) {
  execution_filter running{.statuses = {execution_status::running}};
  std::vector<listed_execution> found;
  if (most_ == 0) return found;
  time_point few = none_before_;
  time_point many = now + std::chrono::hours(1);  // of a server whose clock is ahead
  const time_point all = many;
  running.started_before = last_probe_.value_or(all);
  for (int i = 0; i < most_probes; ++i) {
    const execution_page page = control.list(running, "", probe_rows);
    const bool complete = page.next_page_token.empty();
    if (complete && (page.executions.size() >= most_ || running.started_before == all || many - few <= std::chrono::milliseconds(1))) {
      found = page.executions;
      if (running.started_before == all) {
        last_probe_.reset();
      } else {
        last_probe_ = running.started_before;
      }
      break;
    }
    if (complete) {
      if (page.executions.empty()) none_before_ = running.started_before;
      few = running.started_before;
    } else {
      many = running.started_before;
      if (!page.executions.empty() && page.executions.back().execution_started_at < many) many = page.executions.back().execution_started_at;
      found = page.executions;
    }
    running.started_before = few + (many - few) / 2;
  }
  std::reverse(found.begin(), found.end());
  if (found.size() > most_) found.resize(most_);
  return found;
}

std::string to_json(const load_sample& sample) {
  ordered object = {{"time", iso_time(sample.at)},
                    {"version", sample.status.version},
                    {"process_id", sample.status.process_id},
                    {"ready", sample.status.not_ready.empty()},
                    {"durability", sample.status.counters.durability},
                    {"live_instances", sample.status.counters.live_instances},
                    {"bytes_on_disk", sample.status.counters.bytes_on_disk}};
  object["rates"] = nullptr;
  if (sample.rates) {
    object["rates"] = {{"turns_per_second", rounded(sample.rates->turns)},
                       {"activities_per_second", rounded(sample.rates->activities)},
                       {"commits_per_second", rounded(sample.rates->commits)},
                       {"written_bytes_per_second", rounded(sample.rates->bytes_written)}};
  }
  object["executions"] = ordered::parse(to_json(sample.executions));
  object["task_queues"] = ordered::array();
  for (const auto& each : sample.queues) object["task_queues"].push_back(ordered::parse(to_json(each)));
  object["oldest"] = ordered::array();
  for (const auto& each : sample.oldest) object["oldest"].push_back(ordered::parse(to_json(each)));
  return object.dump(-1, ' ', false, ordered::error_handler_t::replace);
}

std::vector<screen_line> lines_of(const load_sample& sample, const screen_size& size) {
  using tone = screen_line::tone;
  const std::size_t width = std::max<std::size_t>(size.width, 1);
  std::vector<screen_line> lines;
  const auto& status = sample.status;
  lines.push_back({fit("evermill " + status.version + ", process " + std::to_string(status.process_id) + ", " +
                           status.counters.durability + "   " + short_time(sample.at) + " UTC",
                       width),
                   tone::strong});
  if (!status.not_ready.empty()) lines.push_back({fit("not ready: " + status.not_ready, width), tone::bad});
  lines.push_back({fit(executions_text(sample.executions), width), tone::plain});
  lines.push_back({fit(rates_text(sample) + "   in memory " + std::to_string(status.counters.live_instances), width), tone::plain});
  lines.push_back({});
  std::vector<screen_line> queues;
  add_table(queues, queue_table(sample.queues), width);
  std::vector<std::vector<std::string>> table{{"OLDEST THAT RUN", "WORKFLOW", "STATE", "AGE", "STARTED (UTC)"}};
  for (const auto& each : sample.oldest) {
    table.push_back({each.workflow_id, each.workflow_type, state_of(each.status, each.blocked),
                     duration_text(sample.at - each.execution_started_at), short_time(each.execution_started_at)});
  }
  std::vector<screen_line> oldest;
  add_table(oldest, std::move(table), width);
  const std::size_t room = size.height == 0 ? static_cast<std::size_t>(-1) : std::max<std::size_t>(size.height, 1) - 1;
  const std::size_t left = room > lines.size() ? room - lines.size() : 0;
  const std::size_t of_queues = std::min(queues.size(), std::max(left / 2, left > oldest.size() + 1 ? left - oldest.size() - 1 : 0));
  lines.insert(lines.end(), queues.begin(), queues.begin() + static_cast<std::ptrdiff_t>(of_queues));
  if (sample.oldest.empty()) oldest.clear();
  if (!oldest.empty()) lines.push_back({});
  lines.insert(lines.end(), oldest.begin(), oldest.end());
  if (lines.size() > room) lines.resize(room);
  return lines;
}

}  // namespace evermill::cli
