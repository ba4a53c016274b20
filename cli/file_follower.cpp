#include "cli/file_follower.hpp"

#include <algorithm>
#include <exception>
#include <ostream>
#include <utility>

#include "evermill/dsl.hpp"

namespace evermill::cli {
namespace {

constexpr std::chrono::milliseconds between_frames{100};
constexpr std::size_t lines_of_output = 5;
constexpr int label_share = 20;  // finding a label reads the journal: it may take this part of the time at most

screen_size size_of(const environment& env) {
  constexpr std::size_t widest = 500;
  return env.size ? env.size() : screen_size{std::min(env.width, widest), 24};
}

followed_file::time_point time_now() {
  return std::chrono::time_point_cast<std::chrono::microseconds>(std::chrono::system_clock::now());
}

}  // namespace

// --- looking

file_looks::file_looks(server::control& control, std::string workflow_id, bool shared)
    : control_(control),
      workflow_id_(std::move(workflow_id)),
      least_pause_(shared ? 500 : 100),
      longest_pause_(shared ? 2'000 : 500),
      thread_([this] { work(); }) {}

file_looks::~file_looks() { stop(false); }

std::deque<file_looks::look> file_looks::take() {
  const std::lock_guard lock(mutex_);
  return std::exchange(seen_, {});
}

void file_looks::stop(bool once_more) {
  if (!thread_.joinable()) return;
  {
    const std::lock_guard lock(mutex_);
    stops_ = true;
  }
  changed_.notify_all();
  thread_.join();
  if (!once_more) return;
  if (auto last = look_now(true)) seen_.push_back(*std::move(last));
}

void file_looks::work() {
  std::chrono::milliseconds pause = least_pause_;
  auto next = steady::now();
  for (std::unique_lock lock(mutex_); !stops_;) {
    lock.unlock();
    const bool ask = steady::now() >= next;
    const std::uint64_t before = upto_;
    std::optional<look> seen = look_now(ask);
    if (ask) {
      pause = upto_ != before ? least_pause_ : std::min(2 * pause, longest_pause_);
      next = steady::now() + pause;
    }
    lock.lock();
    if (seen) seen_.push_back(*std::move(seen));
    changed_.wait_for(lock, between_frames, [this] { return stops_; });
  }
}

/// Nothing where nobody answers now: whoever waits for the end of the execution is told of that.
std::optional<file_looks::look> file_looks::look_now(bool ask) try {
  look made;
  if (!has_definition_ && !(has_definition_ = find_definition(made))) return std::nullopt;
  find_outputs(made);
  if (ask || made.definition != nullptr) {
    const payload answer = control_.query(workflow_id_, "progress", json_payload(nlohmann::json{{"since", upto_}}.dump()));
    made.answer = nlohmann::json::parse(answer.data, nullptr, false);
    const auto upto = made.answer->is_object() ? made.answer->value("upto", std::uint64_t{0}) : 0;
    upto_ = upto < upto_ ? 0 : upto;  // as followed_file::apply
  }
  return made;
} catch (const std::exception&) {  // of the engine, or an answer that is none
  return std::nullopt;
}

/// It is what the execution was started with, whatever the file says by now.
bool file_looks::find_definition(look& into) {
  const auto first = control_.history(workflow_id_, 1, 1);
  if (first.empty()) return false;
  const auto event = nlohmann::json::parse(first.front().json, nullptr, false);
  if (!event.is_object() || !event.contains("input") || !event["input"].is_object()) return false;
  const nlohmann::json& input = event["input"];
  dsl::reading_options options;
  options.any_function = true;
  into.definition = dsl::read_definition(input.value("definition", ""), options).definition;
  if (into.definition == nullptr) return false;
  into.follows_schedule = into.definition->schedule && !input.value("once", false);
  return true;
}

void file_looks::find_outputs(look& into) {
  auto outputs = control_.running_outputs(workflow_id_, lines_of_output);
  std::map<std::uint64_t, std::string> labels;
  for (running_output& each : outputs) {
    const auto known = labels_.find(each.scheduled_seq);
    std::string label = known == labels_.end() ? std::string() : known->second;
    // Not at the first sight: most processes have ended when they could be looked at again.
    if (label.empty() && known != labels_.end()) label = label_of(each.scheduled_seq);
    if (!label.empty()) into.outputs[label] = std::move(each);
    labels.emplace(each.scheduled_seq, std::move(label));
  }
  labels_ = std::move(labels);
}

std::string file_looks::label_of(std::uint64_t scheduled_seq) {
  const auto began = steady::now();
  if (began < next_label_) return {};
  const auto events = control_.history(workflow_id_, scheduled_seq, 1);
  const auto ended = steady::now();
  next_label_ = ended + (ended - began) * label_share;
  if (events.empty()) return {};
  const auto event = nlohmann::json::parse(events.front().json, nullptr, false);
  return event.is_object() ? event.value("label", "") : std::string();
}

// --- showing

file_view::file_view(environment& env, server::control& control, std::string title, std::string workflow_id,
                     progress::style style)
    : env_(env),
      title_(std::move(title)),
      style_(style),
      looks_(control, std::move(workflow_id), !env.queue.empty()),
      screen_(env.err, env.color) {}

void file_view::take_looks() {
  for (file_looks::look& each : looks_.take()) {
    if (each.definition != nullptr) file_.emplace(title_, *each.definition, each.follows_schedule);
    if (!file_) continue;
    if (each.answer) file_->apply(*each.answer);
    file_->show_outputs(each.outputs);
  }
}

void file_view::show() {
  if (!file_) return;
  if (style_ == progress::style::terminal) {
    const screen_size size = size_of(env_);
    screen_.draw(lines_of(*file_, size, time_now()), size);
    return;
  }
  for (const std::string& line : changes_.of(*file_, time_now())) env_.err << line << '\n';
  env_.err << std::flush;
}

bool file_view::tick(std::chrono::steady_clock::time_point now) {
  if (now < next_draw_) return false;
  next_draw_ = now + between_frames;
  const std::uint64_t before = file_ ? file_->upto() : 0;
  take_looks();
  show();
  return file_ && file_->upto() != before;
}

void file_view::clear() { screen_.clear(size_of(env_)); }

void file_view::end(execution_status how, bool is_short) {
  looks_.stop(is_short);
  take_looks();
  if (file_) file_->end(how, time_now());
  show();
}

void file_view::leave() {
  looks_.stop(false);
  take_looks();
  show();
}

}  // namespace evermill::cli
