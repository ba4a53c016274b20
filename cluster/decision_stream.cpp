#include "cluster/decision_stream.hpp"

#include <algorithm>
#include <mutex>
#include <optional>
#include <utility>

namespace evermill::cluster {

namespace {

using opened_stream = queue::broker_result<std::unique_ptr<queue::stream_reader>>;

/// Will it never be read again? Otherwise the broker may give it later.
bool is_over(const queue::broker_error& why) {
  return why.code == queue::broker_errc::trimmed || why.code == queue::broker_errc::regressed ||
         why.code == queue::broker_errc::closed;
}

}  // namespace

/// One partition's reading end. While the broker can't be reached it is opened elsewhere, by way of what it shares with that.
class decision_stream::reader final : public queue::consumer {
 public:
  reader(decision_stream& from, partition_id id, queue::position after, std::function<void()> on_readable)
      : from_(from),
        id_(id),
        gatherer_(from.options_.stream),
        seen_(after),
        trimmed_(after),
        shared_(std::make_shared<attempt_to_open>(std::move(on_readable))) {
    take(from_.broker_.read(of(), {.after = seen_}, shared_->on_readable));
    const std::lock_guard lock(from_.readers_guard_);
    from_.readers_.insert(this);
  }
  ~reader() override {
    {
      const std::lock_guard lock(from_.readers_guard_);
      from_.readers_.erase(this);
    }
    const std::lock_guard lock(shared_->mutex);
    shared_->wanted = false;
  }

  /// On any thread: where it waits for the broker, that is asked again.
  void look() {
    {
      const std::lock_guard lock(shared_->mutex);
      if (!shared_->waiting || shared_->made || std::exchange(shared_->opening, true)) return;
    }
    from_.blocking_([shared = shared_, broker = &from_.broker_, from = of(), after = shared_->after] {
      opened_stream opened = broker->read(from, {.after = after}, shared->on_readable);
      const std::lock_guard lock(shared->mutex);
      shared->opening = false;
      if (!shared->wanted) return;
      shared->made = std::move(opened);
      shared->on_readable();
    });
  }

  std::size_t poll(std::vector<queue::item>& out, std::size_t limit) override {
    const std::size_t before = out.size();
    take_what_was_opened();
    while (reader_ && out.size() == before) {
      polled_.clear();
      const auto count = reader_->poll(polled_, limit);
      if (!count) {
        take(unexpected(count.error()));
        break;
      }
      for (queue::stored_record& each : polled_) {
        seen_ = each.at;
        if (auto wrong = gatherer_.add(std::move(each))) set_aside(std::move(*wrong));
      }
      while (auto next = gatherer_.next()) give(std::move(*next), out);
      if (*count == 0) break;
    }
    return out.size() - before;
  }

  std::optional<std::string> failure() const override { return failure_; }

  void acknowledge(queue::position through) override {
    if (through < trimmed_ + from_.options_.trim_interval) return;
    trimmed_ = through;
    from_.blocking_([broker = &from_.broker_, partition = of(), through] { static_cast<void>(broker->trim(partition, through)); });
  }

 private:
  struct attempt_to_open {
    explicit attempt_to_open(std::function<void()> readable) : on_readable(std::move(readable)) {}
    const std::function<void()> on_readable;
    std::mutex mutex;
    bool wanted = true;    ///< the reader is there
    bool waiting = false;  ///< it has no stream
    bool opening = false;
    queue::position after = 0;
    std::optional<opened_stream> made;
  };

  queue::stream_partition of() const { return {from_.options_.stream, id_.value}; }

  void take_what_was_opened() {
    if (reader_ || failure_) return;
    std::optional<opened_stream> made;
    {
      const std::lock_guard lock(shared_->mutex);
      made = std::exchange(shared_->made, std::nullopt);
    }
    if (made) take(std::move(*made));
  }

  void take(opened_stream&& opened) {
    reader_.reset();
    if (opened) {
      reader_ = std::move(*opened);
    } else if (is_over(opened.error())) {
      failure_ = from_.options_.stream + ": " + opened.error().message;
    }
    const std::lock_guard lock(shared_->mutex);
    const bool waits = !reader_ && !failure_;
    if (waits && !shared_->waiting) {
      from_.log_.warn({id_, {}, {}}, "{} can't be read now: {}", from_.options_.stream, opened.error().message);
    }
    shared_->waiting = waits;
    shared_->after = seen_;
  }

  void give(record_gatherer::gathered&& next, std::vector<queue::item>& out) {
    if (!next.what.has_decision()) {
      queue::record record;
      record.value = next.what.SerializeAsString();
      return set_aside({next.at, std::move(record), "it is no decision event"});
    }
    auto event = std::make_shared<messages::DecisionEvent>(std::move(*next.what.mutable_decision()));
    if (event->reply_token() != 0 && !event->reply_to().empty()) {
      event->set_reply_token(from_.addresses_(id_, event->reply_to(), event->reply_token()));
    }
    out.push_back({next.at, std::move(event)});
  }

  void set_aside(record_gatherer::rejected&& wrong) {
    from_.log_.error({id_, {}, {}}, "a record of {} at {} was set aside: {}", from_.options_.stream, wrong.at, wrong.reason);
    wrong.what.headers.emplace_back("reason", wrong.reason);
    wrong.what.headers.emplace_back("from", from_.options_.stream + "/" + std::to_string(id_.value) + "/" + std::to_string(wrong.at));
    static_cast<void>(from_.broker_.append({from_.options_.rejected, 0}, {std::move(wrong.what)}, nullptr));
  }

  decision_stream& from_;
  const partition_id id_;
  record_gatherer gatherer_;
  std::unique_ptr<queue::stream_reader> reader_;
  std::vector<queue::stored_record> polled_;
  std::optional<std::string> failure_;
  queue::position seen_;  ///< the last one that was read, of a part or of a whole event
  queue::position trimmed_;
  const std::shared_ptr<attempt_to_open> shared_;
};

decision_stream::decision_stream(decision_stream_options options, queue::broker& broker, return_address addresses,
                                 run_blocking blocking, log lines)
    : options_(std::move(options)),
      broker_(broker),
      addresses_(std::move(addresses)),
      blocking_(std::move(blocking)),
      log_(std::move(lines)),
      source_("stream/" + options_.stream + "/" + options_.cluster_id) {}

bool decision_stream::publish(partition_id partition, event_ptr event) {
  return publish(partition, *event, nullptr).has_value();
}

bool decision_stream::publish(partition_id partition, std::span<const event_ptr> events) {
  return std::all_of(events.begin(), events.end(), [&](const event_ptr& each) { return publish(partition, each); });
}

queue::broker_result<void> decision_stream::publish(partition_id partition, const messages::DecisionEvent& event, on_written done) {
  if (closed_) return unexpected(queue::broker_error{queue::broker_errc::closed, "the process is stopping"});
  messages::StreamRecord record;
  *record.mutable_decision() = event;
  const part_name name{options_.member, ++last_number_};
  std::vector<queue::record> records = to_records(options_.stream, record, broker_.max_record_bytes(), name);
  for (queue::record& each : records) each.key = event.workflow_id();
  return broker_.append({options_.stream, partition.value}, std::move(records), std::move(done));
}

std::unique_ptr<queue::consumer> decision_stream::consume(partition_id partition, queue::position after,
                                                          std::function<void()> on_readable) {
  return std::make_unique<reader>(*this, partition, after, std::move(on_readable));
}

void decision_stream::look() {
  const std::lock_guard lock(readers_guard_);
  for (reader* const each : readers_) each->look();
}

}  // namespace evermill::cluster
