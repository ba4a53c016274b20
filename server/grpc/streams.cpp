#include "server/grpc/streams.hpp"

#include <deque>
#include <mutex>
#include <optional>
#include <utility>

namespace evermill::server {
namespace {

constexpr std::size_t max_events_waiting = 4096;  // of a slow watcher

/// With what a stream was told to end, first.
class told_end {
 public:
  void set(const grpc::Status& why) {
    const std::lock_guard lock(mutex_);
    if (!why_) why_ = why;
  }
  std::optional<grpc::Status> get() const {
    const std::lock_guard lock(mutex_);
    return why_;
  }

 private:
  mutable std::mutex mutex_;
  std::optional<grpc::Status> why_;
};

/// Writes a chunk event by event, then asks for the next one. `OnDone` is the last that happens to it.
class history_stream final : public grpc::ServerWriteReactor<wire::FollowHistoryResponse> {
 public:
  history_stream(engine& engine, blocking_threads& threads, open_calls& open, std::string workflow_id, history_place from,
                 std::shared_ptr<admitted_call> held)
      : open_(open), follower_(history_follower::make(engine, threads, std::move(workflow_id), from)) {
    StartSendInitialMetadata();
    ticket_ = open_.entered(
        [follower = follower_, ended_as = ended_as_](const grpc::Status& why) {
          ended_as->set(why);
          follower->stop();
        },
        std::move(held));
    ask();
  }

  void OnWriteDone(bool ok) override { ok ? write_next() : end(grpc::Status::CANCELLED); }
  void OnCancel() override { follower_->stop(); }  // whoever waits for a chunk ends the call
  void OnDone() override {
    open_.left(ticket_);
    follower_->stop();
    delete this;
  }

 private:
  void ask() {
    follower_->next([this](std::optional<control_error> error, history_chunk chunk) {
      if (error) return end(ended_as_->get().value_or(to_status(*error)));
      if (chunk.ended) return end(grpc::Status::OK);
      chunk_ = std::move(chunk);
      next_ = 0;
      write_next();
    });
  }

  void write_next() {
    if (next_ == chunk_.events.size()) {
      chunk_.events = {};  // an idle stream holds none
      return ask();
    }
    current_.set_run_number(chunk_.run_number);
    current_.set_run_id(chunk_.run_id);
    to_wire(chunk_.events[next_++], *current_.mutable_event());
    StartWrite(&current_);
  }

  void end(const grpc::Status& status) { Finish(status); }

  open_calls& open_;
  const std::shared_ptr<told_end> ended_as_ = std::make_shared<told_end>();
  const std::shared_ptr<history_follower> follower_;
  std::uint64_t ticket_ = 0;
  // One of reading, writing and waiting happens at a time: these need no lock.
  history_chunk chunk_;
  std::size_t next_ = 0;
  wire::FollowHistoryResponse current_;
};

class event_stream final : public grpc::ServerWriteReactor<wire::WatchEventsResponse> {
 public:
  event_stream(local_control control, open_calls& open, const std::string& workflow_id, std::shared_ptr<admitted_call> held)
      : open_(open) {
    StartSendInitialMetadata();  // tells the caller that from now on nothing is missed
    follow_ = control.follow(workflow_id, [this](const execution_progress& progress) { push(progress); });
    ticket_ = open_.entered([this](const grpc::Status& why) { end(why); }, std::move(held));
  }

  void OnWriteDone(bool ok) override {
    std::unique_lock lock(mutex_);
    writing_ = false;
    if (!ok) ended_ = true;
    go_on(lock);
  }
  void OnCancel() override { end(stopping()); }
  void OnDone() override {
    open_.left(ticket_);
    delete this;
  }

 private:
  void end(const grpc::Status& why) {
    std::unique_lock lock(mutex_);
    if (!ended_) status_ = why;
    ended_ = true;
    go_on(lock);
  }

  void push(const execution_progress& progress) {
    std::unique_lock lock(mutex_);
    if (ended_) return;
    if (waiting_.size() >= max_events_waiting) {
      ++left_out_;
      return;
    }
    wire::WatchEventsResponse& response = waiting_.emplace_back();
    response.set_workflow_id(progress.workflow_id);
    to_wire(progress.event, *response.mutable_event());
    response.set_left_out(std::exchange(left_out_, 0));
    if (!writing_) write();
  }

  void write() {
    writing_ = true;
    current_ = std::move(waiting_.front());
    waiting_.pop_front();
    StartWrite(&current_);
  }

  /// Never called from push(): leaving the engine's followers inside their own call would wait for itself.
  void go_on(std::unique_lock<std::mutex>& lock) {
    if (writing_ || finished_) return;
    if (!ended_) {
      if (!waiting_.empty()) write();
      return;
    }
    finished_ = true;
    lock.unlock();
    follow_.reset();
    Finish(status_);
  }

  open_calls& open_;
  std::uint64_t ticket_ = 0;
  std::mutex mutex_;
  grpc::Status status_ = stopping();
  std::deque<wire::WatchEventsResponse> waiting_;
  wire::WatchEventsResponse current_;
  std::uint64_t left_out_ = 0;
  bool writing_ = false;
  bool ended_ = false;
  bool finished_ = false;
  std::shared_ptr<void> follow_;
};

}  // namespace

grpc::ServerWriteReactor<wire::FollowHistoryResponse>* follow_history(engine& engine, blocking_threads& threads, open_calls& open,
                                                                      std::string workflow_id, history_place from, std::shared_ptr<admitted_call> held) {
  return new history_stream(engine, threads, open, std::move(workflow_id), from, std::move(held));
}

grpc::ServerWriteReactor<wire::WatchEventsResponse>* watch_events(local_control control, open_calls& open, std::string workflow_id,
                                                                 std::shared_ptr<admitted_call> held) {
  return new event_stream(std::move(control), open, workflow_id, std::move(held));
}

}  // namespace evermill::server
