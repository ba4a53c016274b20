#include "cli/file_lines.hpp"

#include <algorithm>
#include <array>
#include <utility>

#include "cli/output.hpp"

namespace evermill::cli {
namespace {

using std::chrono::microseconds;
using tone = screen_line::tone;

constexpr std::size_t widest_lines = 120;  // on a wider terminal durations would be far from the names
constexpr std::size_t output_lines = 3;
constexpr std::chrono::milliseconds spinner_step{100};
constexpr std::chrono::seconds between_lines_of_a_task{1};

/// How much is left out, the least first.
enum class brevity : std::uint8_t { nothing, inside_done, inside_pending, rows_of_tasks, most_output, all_output };
constexpr std::array all_brevities{brevity::nothing,       brevity::inside_done, brevity::inside_pending,
                                   brevity::rows_of_tasks, brevity::most_output, brevity::all_output};

std::string sign_of(task_state is, time_point now) {
  static constexpr std::array spinner{"⠋", "⠙", "⠹", "⠸", "⠼", "⠴", "⠦", "⠧", "⠇", "⠏"};
  switch (is) {
    case task_state::pending: return "·";
    case task_state::running: {
      const auto step = static_cast<std::uint64_t>(now.time_since_epoch() / spinner_step);
      return spinner[step % spinner.size()];
    }
    case task_state::waiting: return "◷";
    case task_state::retrying: return "↻";
    case task_state::completed: return "✓";
    case task_state::skipped: return "-";
    case task_state::faulted: return "✗";
    case task_state::cancelled: return "⊘";
  }
  return "?";
}

tone tone_of(task_state is) {
  switch (is) {
    case task_state::running:
    case task_state::waiting: return tone::plain;
    case task_state::retrying: return tone::busy;
    case task_state::faulted: return tone::bad;
    case task_state::pending:
    case task_state::completed:
    case task_state::skipped:
    case task_state::cancelled: break;
  }
  return tone::faint;
}

void join(std::string& to, const std::string& part) {
  if (!part.empty()) to.append(to.empty() ? "" : ", ").append(part);
}

/// Of what goes on: milliseconds would only flicker.
std::string so_far(microseconds duration) {
  const auto tenths = std::max<std::int64_t>(duration / std::chrono::milliseconds(100), 0);
  return tenths < 10 ? "0." + std::to_string(tenths) + "s" : duration_text(duration);
}

std::string long_enough(microseconds duration) {
  return duration >= std::chrono::milliseconds(1) ? duration_text(duration) : std::string();
}

/// "attempt 2, 1.5s": what stands at the end of a task's line.
std::string progress_text(const followed_task& of, task_state is, time_point now) {
  std::string text;
  if (is == task_state::pending || is == task_state::skipped) return text;
  if (of.rounds > 0) join(text, "round " + std::to_string(of.round) + " of " + std::to_string(of.rounds));
  if (is == task_state::retrying) {
    join(text, "attempt " + std::to_string(of.attempt + 1) + (of.until > now ? " in " + so_far(of.until - now) : ""));
  } else if (of.attempt > 1) {
    join(text, "attempt " + std::to_string(of.attempt));
  }
  if (is == task_state::running && of.process > 1) join(text, "process " + std::to_string(of.process));
  join(text, is_open(is) ? so_far(now - of.since) : long_enough(of.until - of.since));
  return text;
}

/// Left and right in a line of this width; the left gives way.
std::string in_columns(const std::string& left, const std::string& right, std::size_t width) {
  if (right.empty()) return fit(left, width);
  const std::string end = fit(right, width);
  const std::size_t room = width - columns_of(end);
  if (room < 4) return end;
  std::string line = fit(left, room - 2);
  return line.append(room - columns_of(line), ' ').append(end);
}

/// A line of the tree: a task, a part of its output, or several tasks at once.
struct tree_line {
  std::size_t depth = 0;
  std::size_t task = followed_task::none;
  task_state is = task_state::pending;
  std::string text;           ///< of what is no task
  std::size_t inside = 0;     ///< of a task: how many tasks it has that are not shown
};

class tree {
 public:
  tree(const followed_file& file, brevity how) : file_(file), tasks_(file.tasks()), how_(how) { add(0, tasks_.size()); }

  std::vector<tree_line>& lines() { return lines_; }
  /// The first one that is being done, and has none within it that is; otherwise the last that was begun.
  std::size_t active() const {
    std::size_t found = 0;
    for (std::size_t i = 0; i < lines_.size(); ++i) {
      if (lines_[i].task == followed_task::none) continue;
      if (is_open(lines_[i].is)) {
        found = i;
        if (lines_[i].inside > 0 || !has_open(lines_[i].task)) return i;
      } else if (lines_[i].is != task_state::pending) {
        found = i;
      }
    }
    return found;
  }

 private:
  bool leaves_out(brevity what) const { return how_ >= what; }

  bool has_open(std::size_t task) const {
    for (std::size_t i = task + 1; i < tasks_[task].end; ++i) {
      if (is_open(file_.state_of(i))) return true;
    }
    return false;
  }

  bool is_hidden(std::size_t at, task_state is) const { return tasks_[at].catches && is == task_state::pending; }

  /// The tasks of one list, from `at` on, and all that is within them.
  void add(std::size_t at, std::size_t end) {
    while (at < end) {
      const task_state is = file_.state_of(at);
      if (is_hidden(at, is)) {
        at = tasks_[at].end;
        continue;
      }
      const std::size_t behind = leaves_out(brevity::rows_of_tasks) ? behind_alike(at, end, is) : tasks_[at].end;
      if (behind != tasks_[at].end) {
        add_alike(at, behind, is);
      } else {
        add_task(at, is);
      }
      at = behind;
    }
  }

  /// Behind the last of those that are done, or to come, like the one at this place.
  std::size_t behind_alike(std::size_t at, std::size_t end, task_state is) const {
    std::size_t behind = tasks_[at].end;
    if (!is_done(is) && is != task_state::pending) return behind;
    while (behind < end) {
      const task_state next = file_.state_of(behind);
      const bool alike = is_done(is) ? is_done(next) : next == is;
      if (!alike || is_hidden(behind, next)) break;
      behind = tasks_[behind].end;
    }
    return behind;
  }

  void add_alike(std::size_t at, std::size_t end, task_state is) {
    std::size_t count = 0;
    for (std::size_t i = at; i < end; i = tasks_[i].end) ++count;
    lines_.push_back({tasks_[at].depth, followed_task::none, is_done(is) ? task_state::completed : is,
                      std::to_string(count) + (is_done(is) ? " tasks done" : " tasks to come")});
  }

  void add_task(std::size_t at, task_state is) {
    const std::size_t inside = tasks_[at].end - at - 1;
    const bool closed = (is_done(is) && leaves_out(brevity::inside_done)) ||
                        (is == task_state::pending && leaves_out(brevity::inside_pending));
    lines_.push_back({tasks_[at].depth, at, is, {}, closed ? inside : 0});
    if (!closed && inside > 0) add(at + 1, tasks_[at].end);
    if (is != task_state::running || leaves_out(brevity::all_output)) return;
    const auto& output = tasks_[at].output;
    const std::size_t most = std::min(output.size(), leaves_out(brevity::most_output) ? 1 : output_lines);
    for (auto line = output.end() - static_cast<std::ptrdiff_t>(most); line != output.end(); ++line) {
      lines_.push_back({tasks_[at].depth + 1, followed_task::none, is, "│ " + *line});
    }
  }

  const followed_file& file_;
  const std::vector<followed_task>& tasks_;
  const brevity how_;
  std::vector<tree_line> lines_;
};

screen_line drawn(const followed_file& file, const tree_line& line, std::size_t width, time_point now) {
  const std::string indent(2 * line.depth, ' ');
  if (line.task == followed_task::none) {
    const bool output = line.is == task_state::running;
    return {fit(indent + (output ? "" : sign_of(line.is, now) + " ") + line.text, width), tone::faint};
  }
  const followed_task& task = file.tasks()[line.task];
  std::string left = indent + sign_of(line.is, now) + " " + task.name;
  const bool failed = line.is == task_state::faulted || line.is == task_state::retrying;
  if (failed && !task.error.empty()) {
    left += "  " + task.error;
  } else {
    left += "  " + task.kind + (task.detail.empty() ? "" : " " + task.detail);
  }
  if (line.inside > 0) left += " (" + std::to_string(line.inside) + (line.inside == 1 ? " task)" : " tasks)");
  return {in_columns(left, progress_text(task, line.is, now), width), tone_of(line.is)};
}

screen_line heading(const followed_file& file, std::size_t width, time_point now) {
  std::string right = file.phase();
  if (file.started() != time_point()) {
    const bool ended = file.ended() != time_point();
    right += " " + (ended ? duration_text(file.ended() - file.started()) : so_far(now - file.started()));
  }
  return {in_columns(file.title(), right, width), tone::strong};
}

/// What surrounds the line that matters, in this many lines.
std::vector<screen_line> cut_around(std::size_t active, std::vector<screen_line> all, std::size_t rows, std::size_t width) {
  if (all.size() <= rows) return all;
  const std::size_t first = std::min(active > rows / 2 ? active - rows / 2 : 0, all.size() - rows);
  const std::size_t below = all.size() - first - rows;
  std::vector<screen_line> kept(all.begin() + static_cast<std::ptrdiff_t>(first),
                                all.begin() + static_cast<std::ptrdiff_t>(first + rows));
  if (first > 0) kept.front() = {fit("… " + std::to_string(first + 1) + " lines above", width), tone::faint};
  if (below > 0) kept.back() = {fit("… " + std::to_string(below + 1) + " lines below", width), tone::faint};
  return kept;
}

}  // namespace

std::vector<screen_line> lines_of(const followed_file& file, const screen_size& size, time_point now) {
  const std::size_t width = std::clamp<std::size_t>(size.width, 2, widest_lines + 1) - 1;  // a full line might wrap
  const std::size_t rows = std::max<std::size_t>(size.height, 2) - 1;                      // the cursor's is below
  std::vector<screen_line> lines{heading(file, width, now)};
  if (!file.schedule().empty()) {
    lines.push_back({fit("  " + file.schedule() + ": " + std::to_string(file.scheduled()) + " started", width), tone::plain});
  }
  if (lines.size() >= rows) return lines;
  for (const brevity how : all_brevities) {
    tree drawing(file, how);
    const bool fits = lines.size() + drawing.lines().size() <= rows;
    if (!fits && how != all_brevities.back()) continue;
    std::vector<screen_line> below;
    for (const tree_line& each : drawing.lines()) below.push_back(drawn(file, each, width, now));
    below = cut_around(drawing.active(), std::move(below), rows - lines.size(), width);
    lines.insert(lines.end(), below.begin(), below.end());
    break;
  }
  return lines;
}

namespace {

/// Tasks that do nothing but wait for nothing are told of only where they fail.
bool takes_time(const followed_task& of) {
  return of.kind == "call" || of.kind == "run" || of.kind == "wait" || of.kind == "listen";
}

std::string change_line(const followed_task& of, task_state is, time_point now) {
  const std::string name = of.pointer + ": ";
  switch (is) {
    case task_state::running:
      if (takes_time(of)) return name + "running, " + of.kind + " " + of.detail;
      return of.attempt > 1 ? name + "attempt " + std::to_string(of.attempt) : std::string();
    case task_state::waiting: return name + "waiting, " + of.kind + " " + of.detail;
    case task_state::retrying:
      return name + "attempt " + std::to_string(of.attempt) + " failed, another follows" +
             (of.until > now ? " in " + duration_text(of.until - now) : "") + (of.error.empty() ? "" : ": " + of.error);
    case task_state::completed:
      if (!takes_time(of)) return {};
      return name + "completed, " + duration_text(of.until - of.since);
    case task_state::faulted: return name + "faulted" + (of.error.empty() ? "" : ": " + of.error);
    case task_state::cancelled: return takes_time(of) ? name + "cancelled" : std::string();
    case task_state::pending:
    case task_state::skipped: break;
  }
  return {};
}

}  // namespace

std::vector<std::string> change_lines::of(const followed_file& file, time_point now) {
  std::vector<std::string> lines;
  told_.resize(file.tasks().size());
  for (std::size_t i = 0; i < told_.size(); ++i) {
    const followed_task& task = file.tasks()[i];
    const task_state is = file.state_of(i);
    told& before = told_[i];
    if (is == task_state::pending) continue;
    if (before.is == is && before.times == task.times && before.attempt == task.attempt) continue;
    const bool repeats = before.times > 0 && (task.times > 1 || task.attempt > 1);
    const bool matters = is == task_state::faulted || file.ended() != time_point();
    if (repeats && !matters && now - before.at < between_lines_of_a_task) continue;
    before = {is, task.times, task.attempt, now};
    if (std::string line = change_line(task, is, now); !line.empty()) lines.push_back(fit(line, static_cast<std::size_t>(-1)));
  }
  return lines;
}

}  // namespace evermill::cli
