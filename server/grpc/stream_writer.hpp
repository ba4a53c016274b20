// How a stream that both sides use is written: one message at a time, with all that has come while the last one was on its way.
#pragma once

#include <grpcpp/support/server_callback.h>
#include <grpcpp/support/status.h>

#include <mutex>
#include <optional>

namespace evermill::server {

/// Thread-safe. What is gathered is bounded by what the other side has granted, not here.
template <class Request, class Response>
class stream_writer {
 public:
  using reactor = grpc::ServerBidiReactor<Request, Response>;

  explicit stream_writer(reactor& stream) : stream_(&stream) {}
  virtual ~stream_writer() = default;
  stream_writer(const stream_writer&) = delete;
  stream_writer& operator=(const stream_writer&) = delete;

  /// Nothing more is written than what was to be.
  void end(const grpc::Status& status) {
    const std::lock_guard lock(mutex_);
    if (!end_) end_ = status;
    write();
  }
  /// The last message is on its way.
  void written(bool ok) {
    const std::lock_guard lock(mutex_);
    writing_ = false;
    if (!ok) {
      failed_ = true;
      if (!end_) end_ = grpc::Status::CANCELLED;
    }
    write();
  }
  /// The stream is over.
  void detach() {
    const std::lock_guard lock(mutex_);
    stream_ = nullptr;
  }

 protected:
  /// The next message, with the lock; `into` is empty. False: there is none now.
  virtual bool take(Response& into) {
    if (next_.ByteSizeLong() == 0) return false;
    into.Swap(&next_);
    return true;
  }

  void write() {  // with the lock
    if (stream_ == nullptr || writing_ || finished_) return;
    current_.Clear();
    if (!failed_ && take(current_)) {
      writing_ = true;
      stream_->StartWrite(&current_);
    } else if (end_) {
      finished_ = true;
      stream_->Finish(*end_);
    }
  }

  std::mutex mutex_;
  Response next_;  // with the lock: what is to be written

 private:
  reactor* stream_;
  Response current_;
  bool writing_ = false;
  bool failed_ = false;
  bool finished_ = false;
  std::optional<grpc::Status> end_;
};

}  // namespace evermill::server
