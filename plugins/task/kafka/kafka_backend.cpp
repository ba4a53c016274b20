#include "plugins/task/kafka/kafka_backend.hpp"

#include <algorithm>
#include <chrono>
#include <utility>
#include <vector>

#include "evermill/codec.hpp"
#include "evermill/exceptions.hpp"
#include "evermill/kafka.hpp"
#include "plugins/task/attempt_watch.hpp"
#include "plugins/task/kafka/kafka_link.hpp"
#include "plugins/task/kafka/kafka_message.hpp"
#include "workflow/conversions.hpp"

namespace evermill::tasks {
namespace {

constexpr unsigned least_receives = 10'000;  // at once: they need no descriptor, and may wait for ever

struct kafka_surroundings {
  kafka_surroundings(evermill::clock& clock, const log& lines) : time(clock), links(clock, lines) {}
  evermill::clock& time;
  kafka_links links;
};

template <class T>
outcome completed_as(const T& value) {
  completed done;
  workflow::to_message(codec<T>::encode(value), done.result.emplace());
  return done;
}

/// Null: the call has ended.
std::shared_ptr<kafka_link> link_of(kafka_surroundings& around, running_call& call, const kafka_server& server) {
  auto link = around.links.to(kafka_settings_of(server));
  if (link) return std::move(*link);
  call.end(kafka_failure(link.error()));
  return nullptr;
}

void begin_sending(kafka_surroundings& around, const std::shared_ptr<running_call>& call) {
  const kafka_message message = kafka_message_of(call->task());
  queue::record record = kafka_record_of(message, dispatch_id_of(call->task()));
  for_each_trace_header(call->task(), [&](const char* name, const std::string& value) {
    const auto is_it = [name](const auto& header) { return header.first == name; };
    if (std::none_of(record.headers.begin(), record.headers.end(), is_it)) record.headers.emplace_back(name, value);
  });
  const auto link = link_of(around, *call, message.server);
  if (!link) return;
  const auto placed = [call, link](const queue::broker_result<queue::position>& at, std::uint32_t partition) {
    if (!at) return call->end(kafka_failure(at.error()));
    const kafka_place place{static_cast<std::int64_t>(partition), static_cast<std::int64_t>(*at) - 1};
    call->end(completed_as(place));
  };
  call->on_stop([weak = std::weak_ptr(call)] {
    if (const auto running = weak.lock()) running->end(canceled{});
  });
  if (const auto sent = link->send(message.topic, std::move(record), placed); !sent) call->end(kafka_failure(sent.error()));
}

/// One receive.
class kafka_receiving : public std::enable_shared_from_this<kafka_receiving> {
 public:
  kafka_receiving(kafka_surroundings& around, std::shared_ptr<running_call> call)
      : around_(around), call_(std::move(call)), reading_(kafka_reading_of(call_->task())), wait_(kafka_wait_of(reading_)) {}

  void begin() {
    link_ = link_of(around_, *call_, reading_.server);
    if (!link_) return;
    call_->on_stop([self = shared_from_this()] {
      self->call_->end(canceled{});
      self->link_->drop(self->wait_);
    });
    beat(around_.time, weak_from_this());
    if (reading_.positions.empty()) {
      link_->ask_bounds(reading_.topic, [call = call_, reading = reading_](const auto& bounds) {
        call->end(bounds ? completed_as(kafka_beginning(reading, *bounds)) : outcome(kafka_failure(bounds.error())));
      });
    } else {
      wait_->done = [call = call_](const kafka_receive_wait& what, const queue::broker_error* why) {
        call->end(why == nullptr ? completed_as(kafka_batch_of(what)) : outcome(kafka_failure(*why)));
      };
      link_->receive(wait_);
    }
  }

 private:
  /// Nothing comes of its own while there is no message.
  static void beat(evermill::clock& time, const std::weak_ptr<kafka_receiving>& of) {
    const auto self = of.lock();
    if (!self) return;
    const std::chrono::microseconds timeout(self->call_->task().options().heartbeat_us());
    if (timeout.count() <= 0) return;
    time.set_alarm(time.now() + heartbeat_interval(timeout), [&time, of] { beat(time, of); });
    self->call_->heartbeat();
  }

  kafka_surroundings& around_;
  const std::shared_ptr<running_call> call_;
  const kafka_reading reading_;
  const kafka_wait wait_;
  std::shared_ptr<kafka_link> link_;
};

/// Sending and receiving are different kinds of calls on the same links.
class kafka_backend final : public task_backend {
 public:
  kafka_backend(const call_options& options, const log& lines, const on_attempt_end& report) {
    const auto around = std::make_shared<kafka_surroundings>(*options.time, lines);
    call_options sends = options;
    sends.name = kafka_send.name;
    sends_ = make_call_backend(
        sends, [to = around.get()](const std::shared_ptr<running_call>& call) { begin_sending(*to, call); }, report, around);
    call_options receives = options;
    receives.name = kafka_receive.name;
    receives.max_calls = std::max(options.max_calls, least_receives);
    receives.may_wait_for_ever = true;
    receives_ = make_call_backend(
        receives,
        [to = around.get()](const std::shared_ptr<running_call>& call) {
          std::make_shared<kafka_receiving>(*to, call)->begin();
        },
        report, around);
  }

  std::string_view name() const override { return "kafka"; }
  bool serves(std::string_view type) const override { return sends_->serves(type) || receives_->serves(type); }
  std::vector<std::string> activity_types() const override {
    std::vector<std::string> types = sends_->activity_types();
    for (std::string& each : receives_->activity_types()) types.push_back(std::move(each));
    return types;
  }
  void run(std::vector<std::shared_ptr<const messages::ActivityTask>> tasks) override {
    std::vector<std::shared_ptr<const messages::ActivityTask>> to_send, to_receive;
    for (auto& each : tasks) (sends_->serves(each->activity_type()) ? to_send : to_receive).push_back(std::move(each));
    if (!to_send.empty()) sends_->run(std::move(to_send));
    if (!to_receive.empty()) receives_->run(std::move(to_receive));
  }
  void cancel(const dispatch_id& id) override {
    sends_->cancel(id);
    receives_->cancel(id);
  }
  void request_stop(const dispatch_id& id) override {
    sends_->request_stop(id);
    receives_->request_stop(id);
  }
  void expire(const dispatch_id& id) override {
    sends_->expire(id);
    receives_->expire(id);
  }
  void stop(std::chrono::milliseconds grace) override {
    receives_->stop(grace);
    sends_->stop(grace);
  }

 private:
  std::unique_ptr<task_backend> sends_;
  std::unique_ptr<task_backend> receives_;
};

}  // namespace

std::unique_ptr<task_backend> make_kafka_backend(const call_options& options, const log& lines, const on_attempt_end& report) {
  return std::make_unique<kafka_backend>(options, lines, report);
}

}  // namespace evermill::tasks
