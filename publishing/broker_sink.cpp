#include "publishing/broker_sink.hpp"

#include <condition_variable>
#include <map>
#include <mutex>
#include <optional>
#include <utility>

#include "plugins/queue/broker_limits.hpp"

namespace evermill::publishing {
namespace {

/// The answers to the appends of one call, which may come after it was told to stop.
class append_answers {
 public:
  void expect() {
    const std::lock_guard lock(guard_);
    ++awaited_;
  }
  void take(std::optional<std::string> error) {
    {
      const std::lock_guard lock(guard_);
      --awaited_;
      if (error && !error_) error_ = std::move(error);
    }
    changed_.notify_all();
  }
  /// Nothing: all went well.
  std::optional<std::string> wait(std::stop_token stop) {
    std::unique_lock lock(guard_);
    if (!changed_.wait(lock, std::move(stop), [this] { return awaited_ == 0; })) return "told to stop";
    return error_;
  }

 private:
  std::mutex guard_;
  std::condition_variable_any changed_;
  std::size_t awaited_ = 0;
  std::optional<std::string> error_;
};

class broker_sink final : public sink {
 public:
  broker_sink(std::unique_ptr<queue::broker> broker, std::string stream, std::uint32_t partitions, log lines)
      : broker_(std::move(broker)), stream_(std::move(stream)), wanted_partitions_(partitions), log_(std::move(lines)) {}
  ~broker_sink() override { broker_->close(); }

  std::string address() const override { return broker_->address() + ", stream " + stream_; }

  result<void, sink_error> send(std::vector<cloud_event>&& events, std::stop_token stop) override {
    if (partitions_ == 0) {
      const auto there = broker_->ensure_stream(stream_, wanted_partitions_);
      if (!there) return unexpected(failed(there.error().message));
      partitions_ = *there;
    }
    std::map<std::uint32_t, std::vector<queue::record>> records;
    for (cloud_event& event : events) records[event.partition.value % partitions_].push_back(record_of(std::move(event)));
    const auto answers = std::make_shared<append_answers>();
    for (auto& [partition, of] : records) {
      answers->expect();
      const auto done = [answers](queue::broker_result<queue::position> at) {
        answers->take(at ? std::nullopt : std::optional(at.error().message));
      };
      const auto given = broker_->append({stream_, partition}, std::move(of), done);
      if (!given) answers->take(given.error().message);
    }
    const auto error = answers->wait(std::move(stop));
    if (!error) return {};
    partitions_ = 0;  // somebody may have deleted the stream, or made it anew
    return unexpected(failed(*error));
  }

 private:
  sink_error failed(const std::string& why) const { return {"events can't be published to " + address() + ": " + why}; }

  queue::record record_of(cloud_event&& event) {
    queue::record made = to_record(cloud_event(event));
    const std::size_t bytes = queue::record_bytes(made);
    if (bytes <= broker_->max_record_bytes()) return made;
    log_.warn({event.partition, event.key, {}}, "an event of {} bytes is published without its data, as {} takes {}", bytes,
              address(), broker_->max_record_bytes());
    omit_data(event);
    return to_record(std::move(event));
  }

  const std::unique_ptr<queue::broker> broker_;
  const std::string stream_;
  const std::uint32_t wanted_partitions_;
  const log log_;
  std::uint32_t partitions_ = 0;  ///< of the stream; 0: not known
};

}  // namespace

std::unique_ptr<sink> make_broker_sink(std::unique_ptr<queue::broker> broker, std::string stream, std::uint32_t partitions,
                                       log lines) {
  return std::make_unique<broker_sink>(std::move(broker), std::move(stream), partitions, std::move(lines));
}

}  // namespace evermill::publishing
