#include "client/history_stream.hpp"

#include <algorithm>
#include <utility>

#include "server/grpc/conversions.hpp"

namespace evermill {
namespace {

constexpr std::chrono::minutes longest_stream{10};  // then it is opened anew: a server may have vanished without a word

}  // namespace

history_stream::impl::impl(const api::api_connection& over, const std::string& workflow_id, std::uint64_t from_seq,
                           std::uint64_t run_number)
    : over_(over) {
  place_.set_namespace_(over.name_space());
  place_.set_workflow_id(workflow_id);
  place_.set_run_number(run_number);
  place_.set_from_seq(std::max<std::uint64_t>(from_seq, 1));
}

history_stream::impl::~impl() {
  stop();
  if (reader_) close();
}

bool history_stream::impl::open() {
  const std::lock_guard lock(mutex_);
  if (stopped_) return false;
  context_ = std::make_unique<grpc::ClientContext>();
  over_.prepare(*context_, api::api_connection::until(longest_stream));
  reader_ = over_.workflows->FollowHistory(context_.get(), place_);
  return true;
}

grpc::Status history_stream::impl::close() {
  grpc::Status status = reader_->Finish();
  reader_.reset();
  const std::lock_guard lock(mutex_);
  context_.reset();
  return status;
}

bool history_stream::impl::wait(api::milliseconds pause) {
  std::unique_lock lock(mutex_);
  return !stopping_.wait_for(lock, pause, [this] { return stopped_; });
}

std::optional<followed_event> history_stream::impl::next() {
  for (;;) {
    if (!reader_ && !open()) return std::nullopt;
    api::wire::FollowHistoryResponse response;
    if (reader_->Read(&response)) {
      between_.reset();
      place_.set_run_number(response.run_number());
      place_.set_from_seq(response.event().seq() + 1);
      return followed_event{response.run_number(), response.run_id(), server::from_wire(response.event())};
    }
    const grpc::Status status = close();
    if (status.ok()) {
      stop();
      return std::nullopt;
    }
    const api::verdict next = api::judge(status);
    if (!next.again) {
      const std::lock_guard lock(mutex_);
      if (stopped_) return std::nullopt;
      throw over_.error_of(status, false);
    }
    if (!wait(next.after.value_or(between_.next(over_.random())))) return std::nullopt;
  }
}

void history_stream::impl::stop() {
  const std::lock_guard lock(mutex_);
  stopped_ = true;
  if (context_) context_->TryCancel();
  stopping_.notify_all();
}

history_stream::history_stream(std::unique_ptr<impl> of) : impl_(std::move(of)) {}
history_stream::history_stream(history_stream&&) noexcept = default;
history_stream& history_stream::operator=(history_stream&&) noexcept = default;
history_stream::~history_stream() = default;
std::optional<followed_event> history_stream::next() { return impl_->next(); }
void history_stream::stop() { impl_->stop(); }

}  // namespace evermill
