#include "plugins/task/output_tails.hpp"

#include <algorithm>
#include <iterator>
#include <utility>

#include "base/namespaces.hpp"

namespace evermill::tasks {
namespace {

/// A program that draws a bar over and over goes back to the line's beginning: what was drawn last counts.
std::string_view as_last_drawn(std::string_view line) {
  while (line.ends_with('\r')) line.remove_suffix(1);
  const std::size_t drawn_over = line.rfind('\r');
  return drawn_over == std::string_view::npos ? line : line.substr(drawn_over + 1);
}

std::vector<std::string> last_lines_of(std::string_view text, bool cut, std::size_t count) {
  std::vector<std::string> lines;
  if (text.ends_with('\n')) text.remove_suffix(1);
  while (lines.size() < count && !text.empty()) {
    const std::size_t end = text.rfind('\n');
    if (end == std::string_view::npos && cut && !lines.empty()) break;  // a part of a line
    lines.emplace_back(as_last_drawn(end == std::string_view::npos ? text : text.substr(end + 1)));
    text = end == std::string_view::npos ? std::string_view() : text.substr(0, end);
  }
  std::reverse(lines.begin(), lines.end());
  return lines;
}

}  // namespace

std::unique_ptr<output_tails::writer> output_tails::open(const messages::ActivityTask& task,
                                                         std::function<void(std::string&)> hide) {
  const std::lock_guard lock(mutex_);
  entry& made = entries_.emplace_back();
  made.workflow_id = namespaces::qualified(task.name_space(), task.workflow_id());
  made.scheduled_seq = task.scheduled_seq();
  made.attempt = task.attempt();
  made.hide = std::move(hide);
  return std::make_unique<writer>(*this, std::prev(entries_.end()));
}

std::vector<output_tail> output_tails::of(std::string_view workflow_id, std::size_t lines) const {
  std::vector<output_tail> found;
  const std::lock_guard lock(mutex_);
  for (const entry& each : entries_) {
    if (each.workflow_id != workflow_id) continue;
    std::string text;
    bool cut = false;
    {
      const std::lock_guard reading(each.mutex);
      text = each.text;
      cut = each.cut;
    }
    if (text.empty()) continue;
    each.hide(text);
    found.push_back({each.scheduled_seq, each.attempt, last_lines_of(text, cut, lines)});
  }
  return found;
}

output_tails::writer::~writer() {
  const std::lock_guard lock(all_.mutex_);
  all_.entries_.erase(at_);
}

void output_tails::writer::add(std::string_view piece) {
  const std::lock_guard lock(at_->mutex);
  std::string& text = at_->text;
  if (piece.size() >= kept_bytes) {
    at_->cut = at_->cut || !text.empty() || piece.size() > kept_bytes;
    text = piece.substr(piece.size() - kept_bytes);
    return;
  }
  text.append(piece);
  if (text.size() <= 2 * kept_bytes) return;
  text.erase(0, text.size() - kept_bytes);
  at_->cut = true;
}

}  // namespace evermill::tasks
