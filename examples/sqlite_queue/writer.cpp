#include "writer.hpp"

#include <algorithm>
#include <future>
#include <iterator>

namespace sqlite_queue {
namespace {

constexpr std::size_t max_together = 1'000;
constexpr std::size_t max_bytes_together = 4 * 1024 * 1024;  // other processes wait for so long
constexpr milliseconds pause_after_failure{20};

}  // namespace

writer::writer(std::shared_ptr<queue_file> file, std::function<void()> on_commit)
    : file_(std::move(file)), on_commit_(std::move(on_commit)), thread_([this] { run_thread(); }) {}

broker_result<void> writer::add(writing what) {
  {
    const std::lock_guard lock(mutex_);
    if (file_->closed) return closed();
    if (what.bytes != 0 && pending_bytes_ != 0 && pending_bytes_ + what.bytes > file_->address.max_pending_bytes) {
      const std::string waits = std::to_string(pending_bytes_) + " bytes wait to be written";
      return evermill::unexpected(broker_error{broker_errc::overloaded, "sqlite broker: " + waits + ": try again later"});
    }
    pending_bytes_ += what.bytes;
    if (what.bytes != 0) ++unanswered_appends_;
    waiting_.push_back(std::move(what));
  }
  changed_.notify_all();
  return {};
}

broker_result<std::uint64_t> writer::run(std::function<broker_result<std::uint64_t>(connection& by)> make) {
  std::promise<broker_result<std::uint64_t>> told;
  const auto taken = add({std::move(make), [&](const auto& outcome) { told.set_value(outcome); }});
  if (!taken) return evermill::unexpected(taken.error());
  return told.get_future().get();
}

bool writer::flush(milliseconds limit) {
  std::unique_lock lock(mutex_);
  return changed_.wait_for(lock, limit, [&] { return unanswered_appends_ == 0; });
}

void writer::close() {
  {
    const std::lock_guard lock(mutex_);  // so that the thread waits, or has not looked yet
  }
  changed_.notify_all();
  if (thread_.joinable()) thread_.join();
}

void writer::run_thread() {
  for (;;) {
    {
      std::unique_lock lock(mutex_);
      changed_.wait(lock, [&] { return file_->closed || !waiting_.empty(); });
      if (file_->closed) break;
    }
    write_together(take_batch());
  }
  for (writing& each : take_batch()) answer(each, closed());
}

writer::batch writer::take_batch() {
  const std::lock_guard lock(mutex_);
  batch taken;
  std::size_t bytes = 0;
  while (!waiting_.empty() && (file_->closed || (bytes < max_bytes_together && taken.size() < max_together))) {
    bytes += waiting_.front().bytes;
    taken.push_back(std::move(waiting_.front()));
    waiting_.pop_front();
  }
  return taken;
}

void writer::write_together(batch what) {
  std::vector<broker_result<std::uint64_t>> outcomes;
  bool committing = false;
  const auto written = attempt([&]() -> broker_result<void> {
    transaction all(file_->writing, "BEGIN IMMEDIATE");
    for (const writing& each : what) outcomes.push_back(each.make(file_->writing));
    committing = true;
    all.commit();
    return {};
  });
  if (written) {
    if (std::exchange(failing_, false)) {
      file_->say(evermill::log_level::info, "sqlite " + file_->address.path + " can be written again");
    }
    on_commit_();
    for (std::size_t i = 0; i < what.size(); ++i) answer(what[i], outcomes[i]);
    return;
  }
  if (!std::exchange(failing_, true)) file_->say(evermill::log_level::warning, written.error().message);
  // What was not committed is not there, and may be tried again. Of a commit that failed nobody knows: it may come back when
  // the file is opened after a crash.
  if (!committing && written.error().code == broker_errc::unavailable) return postpone(std::move(what), written.error());
  for (writing& each : what) answer(each, evermill::unexpected(written.error()));
}

void writer::postpone(batch what, const broker_error& why) {
  const auto now = steady_clock::now();
  batch over;
  {
    std::unique_lock lock(mutex_);
    waiting_.insert(waiting_.begin(), std::make_move_iterator(what.begin()), std::make_move_iterator(what.end()));
    const auto is_kept = [&](const writing& each) { return each.tried_again_until > now; };
    const auto rest = std::stable_partition(waiting_.begin(), waiting_.end(), is_kept);
    over.assign(std::make_move_iterator(rest), std::make_move_iterator(waiting_.end()));
    waiting_.erase(rest, waiting_.end());
  }
  for (writing& each : over) answer(each, evermill::unexpected(why));
  std::unique_lock lock(mutex_);
  changed_.wait_for(lock, pause_after_failure, [&] { return file_->closed.load(); });
}

void writer::answer(writing& what, const broker_result<std::uint64_t>& outcome) {
  if (what.done) what.done(outcome);
  {
    const std::lock_guard lock(mutex_);
    pending_bytes_ -= what.bytes;
    if (what.bytes != 0) --unanswered_appends_;
  }
  changed_.notify_all();
}

}  // namespace sqlite_queue
