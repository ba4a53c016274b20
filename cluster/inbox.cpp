#include "cluster/inbox.hpp"

#include <utility>

#include "cluster/streams.hpp"

namespace evermill::cluster {
namespace {
constexpr std::size_t poll_limit = 256;
}

inbox::inbox(std::string member, queue::broker& broker, task_loop::post_function post, on_message deliver, log lines)
    : member_(std::move(member)),
      broker_(broker),
      post_(std::move(post)),
      deliver_(std::move(deliver)),
      log_(std::move(lines)),
      gatherer_(inbox_stream_name),
      opened_(open()) {}

queue::broker_result<void> inbox::open() {
  const queue::stream_partition place{inbox_stream_name, inbox_partition_of(member_)};
  const auto bounds = broker_.bounds(place);
  if (!bounds) return unexpected(bounds.error());
  const auto on_readable = [this, post = post_, alive = std::weak_ptr(alive_), reader = ++reader_number_] {
    post([this, alive, reader] {
      if (!alive.expired()) poll(reader);
    });
  };
  gatherer_ = record_gatherer(inbox_stream_name);
  auto made = broker_.read(place, {.after = bounds->last}, on_readable);
  if (!made) return unexpected(made.error());
  reader_ = std::move(*made);
  return {};
}

void inbox::poll(std::uint64_t reader) {
  while (reader == reader_number_ && reader_) {
    polled_.clear();
    const auto count = reader_->poll(polled_, poll_limit);
    if (!count) {
      log_.warn({}, "messages from other processes may have been missed: {}", count.error().message);
      reader_.reset();
      if (count.error().code != queue::broker_errc::closed) opened_ = open();
      return;
    }
    for (queue::stored_record& each : polled_) {
      if (const auto wrong = gatherer_.add(std::move(each))) log_.warn({}, "a message from another process can't be read: {}", wrong->reason);
    }
    while (auto next = gatherer_.next()) {
      if (next->what.has_message() && next->what.message().to() == member_) deliver_(std::move(*next->what.mutable_message()));
    }
    if (*count == 0) return;
  }
}

void inbox::look() {
  if (!reader_) opened_ = open();
}

void inbox::send(messages::ProcessMessage&& message) {
  message.set_from(member_);
  const std::string to = message.to();
  messages::StreamRecord record;
  *record.mutable_message() = std::move(message);
  auto records = to_records(inbox_stream_name, record, broker_.max_record_bytes(), {member_, ++last_number_});
  for (queue::record& each : records) each.key = to;
  const auto sent = broker_.append({inbox_stream_name, inbox_partition_of(to)}, std::move(records), nullptr);
  if (!sent) log_.warn({}, "a message to process {} was not sent: {}", to, sent.error().message);
}

}  // namespace evermill::cluster
