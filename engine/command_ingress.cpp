#include "engine/command_ingress.hpp"

#include <algorithm>
#include <deque>
#include <utility>
#include <vector>

#include "cluster/streams.hpp"
#include "engine/command_message.hpp"
#include "engine/requests.hpp"

namespace evermill::commands {

/// On the loop, but for what the broker and requests call, which is posted there.
class ingress::partition_reader final : public std::enable_shared_from_this<partition_reader> {
 public:
  partition_reader(ingress& of, std::uint32_t partition) : of_(of), partition_(partition) {}

 private:
  /// Called on any thread; the reader may be gone by then.
  template <class Does>
  auto later(Does does) {
    return [post = of_.loop_.poster(), me = weak_from_this(), does](auto... what) {
      post([me, does, ... kept = std::move(what)] {
        if (const auto alive = me.lock()) does(kept...);
      });
    };
  }

 public:
  /// False: the broker can't be reached now.
  bool open() {
    const auto told = cluster::read_last(*of_.broker_, {read_stream_name, partition_});
    if (!told) return false;
    read_through_ = told_ = told->what.value.empty() ? 0 : std::strtoull(told->what.value.c_str(), nullptr, 10);
    return read_on();
  }

  void tick() {
    if (!reader_ && !read_on()) return;
    for (const std::uint64_t each : std::exchange(again_, {})) send(each);
    for (const std::uint64_t each : std::exchange(reject_again_, {})) reject(each);
    poll();
    tell();
  }

  void tell() {
    const timestamp now = of_.time_.now();
    if (read_through_ != told_ && now - told_at_ >= of_.options_.tell_interval) {
      told_ = read_through_;
      told_at_ = now;
      static_cast<void>(of_.broker_->append({read_stream_name, partition_}, {{.key = "", .value = std::to_string(told_)}},
                                            later([this, through = told_](const queue::broker_result<queue::position>& at) {
                                              if (at) durable_ = {through, *at};
                                            })));
    }
    if (durable_.first == 0 || now - trimmed_at_ < of_.options_.trim_interval) return;
    trimmed_at_ = now;
    static_cast<void>(of_.broker_->trim({stream_name, partition_}, durable_.first));
    if (durable_.second > 1) static_cast<void>(of_.broker_->trim({read_stream_name, partition_}, durable_.second - 1));
  }

 private:
  static constexpr int tries = 2;

  struct command {
    queue::stored_record record;
    messages::DecisionEvent request;
    std::string refusal;  ///< why it is rejected
    bool done = false;
  };

  queue::position last_seen() const { return commands_.empty() ? read_through_ : commands_.back().record.at; }

  /// From behind the last one that was read. False: the broker can't be reached now.
  bool read_on() {
    for (int i = 0; i < tries; ++i) {
      auto opened = of_.broker_->read({stream_name, partition_}, {.after = last_seen()}, later([this] { poll(); }));
      if (opened) {
        reader_ = std::move(*opened);
        return true;
      }
      if (!skip_what_is_gone(opened.error())) return false;
    }
    return false;
  }

  /// Commands that are gone were read, as far as this process trims; otherwise they have expired. False: none are.
  bool skip_what_is_gone(const queue::broker_error& why) {
    reader_.reset();
    const bool gone = why.code == queue::broker_errc::trimmed;
    if (!gone && why.code != queue::broker_errc::regressed) return false;
    queue::position next = 1;
    if (gone) {
      const auto bounds = of_.broker_->bounds({stream_name, partition_});
      if (!bounds) return false;
      next = std::max(bounds->first, queue::position{1});
    }
    of_.log_.warn({}, "of the commands of partition {} those behind {} are not there any more: {}. The next one is {}", partition_,
                  last_seen(), why.message, next);
    read_through_ = next - 1;
    first_ += commands_.size();
    commands_.clear();
    busy_.clear();
    again_.clear();
    reject_again_.clear();
    return true;
  }

  void poll() {
    while (reader_ && commands_.size() < of_.options_.window) {
      std::vector<queue::stored_record> records;
      const auto count = reader_->poll(records, of_.options_.window - commands_.size());
      if (!count) {
        skip_what_is_gone(count.error());  // and reads on with the next tick
        return;
      }
      if (*count == 0) return;
      for (queue::stored_record& each : records) take(std::move(each));
    }
  }

  void take(queue::stored_record&& record) {
    const std::uint64_t number = first_ + commands_.size();
    command& made = commands_.emplace_back();
    made.record = std::move(record);
    try {
      made.request = parse_command(made.record, partition_, of_.options_.token, of_.random_);
    } catch (const engine_error& error) {
      made.refusal = error.what();
      return reject(number);
    }
    // What is for one execution is done in the order in which it lies here.
    std::deque<std::uint64_t>& of_execution = busy_[made.request.workflow_id()];
    of_execution.push_back(number);
    if (of_execution.size() == 1) send(number);
  }

  command* find(std::uint64_t number) { return number < first_ ? nullptr : &commands_[number - first_]; }

  void send(std::uint64_t number) {
    of_.request_(messages::DecisionEvent(find(number)->request),
                 [answered = later([this, number](const std::optional<engine_error>& error, const actors::answer& what) {
                    on_answer(number, error, what);
                  })](std::optional<engine_error> error, actors::answer&& what) { answered(std::move(error), std::move(what)); });
  }

  void on_answer(std::uint64_t number, std::optional<engine_error> error, const actors::answer& what) {
    command* const its = find(number);
    if (its == nullptr) return;
    if (!error && what.what != actors::answer::outcome::accepted) error = requests::error_of(what);
    if (error && (error->code() == engine_errc::unavailable || error->code() == engine_errc::overloaded)) {
      again_.push_back(number);
      return;
    }
    const std::string id = its->request.workflow_id();
    if (error) {
      its->refusal = error->what();
      reject(number);
    } else {
      of_.counts_.accepted.add();
      finish(number);
    }
    const auto of_execution = busy_.find(id);
    of_execution->second.pop_front();
    if (of_execution->second.empty()) {
      busy_.erase(of_execution);
    } else {
      send(of_execution->second.front());
    }
  }

  /// It is done with when it is durable that it was rejected.
  void reject(std::uint64_t number) {
    const command& its = *find(number);
    queue::record out = its.record.what;
    std::erase_if(out.headers, [](const queue::record_header& each) { return each.first == "authorization"; });
    out.headers.emplace_back("reason", its.refusal);
    out.headers.emplace_back("place", std::to_string(partition_) + "/" + std::to_string(its.record.at));
    const auto taken = of_.broker_->append({rejected_stream_name, 0}, {std::move(out)},
                                           later([this, number](const queue::broker_result<queue::position>& at) {
                                             if (find(number) == nullptr) return;
                                             if (!at) return reject_again_.push_back(number);
                                             rejected(number);
                                           }));
    if (taken) return;
    if (taken.error().code == queue::broker_errc::too_large) return rejected(number);  // with headers it fits no more
    reject_again_.push_back(number);
  }

  void rejected(std::uint64_t number) {
    const command& its = *find(number);
    of_.log_.warn({{}, its.request.workflow_id(), {}}, "the command at {} of partition {} is rejected: {}", its.record.at, partition_,
                  its.refusal);
    of_.counts_.rejected.add();
    finish(number);
  }

  void finish(std::uint64_t number) {
    find(number)->done = true;
    while (!commands_.empty() && commands_.front().done) {
      read_through_ = commands_.front().record.at;
      commands_.pop_front();
      ++first_;
    }
    of_.loop_.post([me = weak_from_this()] {
      if (const auto alive = me.lock()) alive->poll();
    });
  }

  ingress& of_;
  const std::uint32_t partition_;
  std::unique_ptr<queue::stream_reader> reader_;
  std::deque<command> commands_;  ///< that were read and are not all done
  std::uint64_t first_ = 0;       ///< number of the first of them
  std::map<std::string, std::deque<std::uint64_t>> busy_;  ///< by execution: the one that is under way, and those that follow it
  std::vector<std::uint64_t> again_;
  std::vector<std::uint64_t> reject_again_;
  queue::position read_through_ = 0;
  queue::position told_ = 0;
  std::pair<queue::position, queue::position> durable_{};  ///< read through; where that lies
  timestamp told_at_{};
  timestamp trimmed_at_{};
};

ingress::ingress(ingress_options options, std::unique_ptr<queue::broker> broker, clock& time, random_source& random,
                 std::function<bool(partition_id)> owns, std::function<void(messages::DecisionEvent&&, on_request_done)> request,
                 ingress_metrics& counts, log lines)
    : options_(std::move(options)),
      broker_(std::move(broker)),
      time_(time),
      random_(random),
      owns_(std::move(owns)),
      request_(std::move(request)),
      counts_(counts),
      log_(std::move(lines)) {
  loop_.post([this] { tick(); });
}

ingress::~ingress() {
  loop_.run([this] {
    ending_ = true;
    if (alarm_) time_.cancel_alarm(*alarm_);
    readers_.clear();
  });
  loop_.end();
  broker_->close();
}

void ingress::tick() {
  if (ending_) return;
  if (stream_partitions_ != 0 || open_streams()) choose_partitions();
  const auto all = readers_;
  for (const auto& [partition, reader] : all) reader->tick();
  alarm_ = time_.set_alarm(time_.now() + options_.tick, [post = loop_.poster(), this] { post([this] { tick(); }); });
}

bool ingress::open_streams() {
  const auto commands = broker_->ensure_stream(stream_name, options_.partitions);
  const auto read = commands ? broker_->ensure_stream(read_stream_name, *commands) : commands;
  const auto rejected = read ? broker_->ensure_stream(rejected_stream_name, 1) : read;
  if (!rejected) {
    if (!std::exchange(away_, true)) log_.warn({}, "commands can't be read now: {}", rejected.error().message);
    return false;
  }
  away_ = false;
  stream_partitions_ = std::min(*commands, *read);
  return true;
}

/// The stream may have been made by somebody else, with another number of partitions than the cluster has.
void ingress::choose_partitions() {
  for (std::uint32_t partition = 0; partition < stream_partitions_; ++partition) {
    const bool mine = owns_(partition_id(static_cast<std::uint16_t>(partition % options_.partitions)));
    if (!mine) {
      readers_.erase(partition);
    } else if (!readers_.contains(partition)) {
      auto made = std::make_shared<partition_reader>(*this, partition);
      if (made->open()) readers_.emplace(partition, std::move(made));
    }
  }
}

}  // namespace evermill::commands
