#include "plugins/queue/memory/memory_broker.hpp"

#include <algorithm>
#include <condition_variable>
#include <deque>
#include <iterator>
#include <map>
#include <mutex>
#include <optional>
#include <utility>

#include "base/check.hpp"
#include "plugins/queue/broker_limits.hpp"

namespace evermill::queue {
namespace {

unexpected<broker_error> error(broker_errc code, std::string message) {
  return unexpected(broker_error{code, std::move(message)});
}

unexpected<broker_error> closed() { return error(broker_errc::closed, "memory broker: it was closed"); }
unexpected<broker_error> unavailable() {
  return error(broker_errc::unavailable, "memory broker: the server is set to be unavailable");
}
unexpected<broker_error> not_found(const std::string& stream) {
  return error(broker_errc::not_found, "memory broker: there is no stream '" + stream + "': create it with ensure_stream");
}

/// Calls to be made without a lock. Those that come while this thread makes some are made by it afterwards, so that callbacks
/// which append never nest.
class calls {
 public:
  void add(std::function<void()> call) { due_.push_back(std::move(call)); }

  void make() {
    if (current != nullptr) {
      std::move(due_.begin(), due_.end(), std::back_inserter(*current));
      due_.clear();
      return;
    }
    current = &due_;
    while (!due_.empty()) {
      const auto call = std::move(due_.front());
      due_.pop_front();
      call();
    }
    current = nullptr;
  }

 private:
  static thread_local std::deque<std::function<void()>>* current;
  std::deque<std::function<void()>> due_;
};

thread_local std::deque<std::function<void()>>* calls::current = nullptr;

/// Somebody's callback. Guarded by the server's mutex.
struct listener {
  std::function<void()> callback;  // empty: gone
  unsigned running = 0;
};

struct broker_state {
  std::size_t held_bytes = 0;
  std::size_t unanswered = 0;  // appends whose `done` has not returned
  bool closed = false;
};

struct reader_state {
  std::shared_ptr<broker_state> of;
  stream_partition from;
  std::uint64_t incarnation = 0;
  position next = 1;
  bool wants_call = true;
  std::optional<broker_error> ended;
  std::shared_ptr<listener> told = std::make_shared<listener>();
};

struct member_state {
  std::shared_ptr<broker_state> of;
  std::string group;
  member self;
  std::uint64_t generation = 0;
  bool looked_at = true;
  std::shared_ptr<listener> told = std::make_shared<listener>();
};

struct lane {
  std::deque<stored_record> kept;
  position first = 1;  // of `kept`
  std::uint64_t fence = 0;
  position last() const { return first + kept.size() - 1; }
};

struct stream {
  std::uint64_t incarnation = 0;
  std::vector<lane> lanes;
};

struct held_append {
  std::shared_ptr<broker_state> of;
  stream_partition to;
  std::vector<record> records;
  broker::append_callback done;
  std::uint64_t fence = 0;
  std::size_t bytes = 0;
};

class server final : public memory_server {
 public:
  explicit server(const clock* time) : time_(time) {}

  void set_available(bool available) override {
    calls due;
    {
      std::lock_guard lock(mutex);
      this->available = available;
      if (available) come_back(due);
    }
    due.make();
  }

  bool expel(const std::string& group, const std::string& member_id) override {
    calls due;
    {
      std::lock_guard lock(mutex);
      const auto found = find_member(group, member_id);
      if (found == nullptr) return false;
      leave(found, due);
      expelled.push_back(found);
    }
    due.make();
    return true;
  }
  bool readmit(const std::string& group, const std::string& member_id) override {
    calls due;
    {
      std::lock_guard lock(mutex);
      const auto found = std::find_if(expelled.begin(), expelled.end(), [&](const std::shared_ptr<member_state>& each) {
        return each->group == group && each->self.id == member_id;
      });
      if (found == expelled.end()) return false;
      const std::shared_ptr<member_state> who = std::move(*found);
      expelled.erase(found);
      enter(who, due);
    }
    due.make();
    return true;
  }

  // All of the following with the lock.

  lane* find(const stream_partition& of) {
    const auto found = streams.find(of.stream);
    if (found == streams.end() || of.partition >= found->second.lanes.size()) return nullptr;
    return &found->second.lanes[of.partition];
  }

  /// Its `done` is called in any case.
  void write(held_append&& given, calls& due) {
    lane* const to = find(given.to);
    broker_result<position> outcome = position{0};
    if (to == nullptr) {
      outcome = not_found(given.to.stream);
    } else if (given.fence != 0 && given.fence < to->fence) {
      outcome = error(broker_errc::refused, "memory broker: fence " + std::to_string(given.fence) + " is below " +
                                                std::to_string(to->fence) + ", which '" + given.to.stream +
                                                "' has seen: somebody else writes now");
    } else {
      to->fence = std::max(to->fence, given.fence);
      const timestamp now = time_ != nullptr ? time_->now() : timestamp{};
      for (record& each : given.records) to->kept.push_back({to->last() + 1, now, std::move(each)});
      outcome = to->last();
    }
    answer(std::move(given.of), std::move(given.done), std::move(outcome), due);
    if (to != nullptr) tell_readers(given.to, due);
  }

  void answer(std::shared_ptr<broker_state> of, broker::append_callback done, broker_result<position> outcome, calls& due) {
    due.add([this, of = std::move(of), done = std::move(done), outcome = std::move(outcome)] {
      if (done) done(outcome);
      std::lock_guard lock(mutex);
      if (--of->unanswered == 0) quiet.notify_all();
    });
  }

  void call(const std::shared_ptr<listener>& who, calls& due) {
    due.add([this, who] {
      std::unique_lock lock(mutex);
      if (!who->callback) return;
      const auto callback = who->callback;
      ++who->running;
      lock.unlock();
      callback();
      lock.lock();
      if (--who->running == 0) quiet.notify_all();
    });
  }

  /// No callback of it runs after return.
  void silence(listener& who, std::unique_lock<std::mutex>& lock) {
    who.callback = nullptr;
    quiet.wait(lock, [&] { return who.running == 0; });
  }

  /// Why the reader can't go on, where it can't.
  void look(reader_state& reader) {
    if (reader.ended) return;
    const auto found = streams.find(reader.from.stream);
    const std::string where = "memory broker: stream '" + reader.from.stream + "' ";
    if (found == streams.end() || found->second.incarnation != reader.incarnation) {
      reader.ended = broker_error{broker_errc::regressed, where + "was deleted while it was read"};
    } else if (reader.next < found->second.lanes[reader.from.partition].first) {
      reader.ended = broker_error{broker_errc::trimmed, where + "was trimmed behind what was read of it"};
    }
  }

  void tell(const std::shared_ptr<reader_state>& reader, calls& due) {
    if (!reader->wants_call || !available) return;
    look(*reader);
    if (!reader->ended && reader->next > find(reader->from)->last()) return;
    reader->wants_call = false;
    call(reader->told, due);
  }

  void tell_readers(const stream_partition& of, calls& due) {
    for (const auto& reader : readers) {
      if (reader->from == of) tell(reader, due);
    }
  }

  void tell_readers(const std::string& stream, calls& due) {
    for (const auto& reader : readers) {
      if (reader->from.stream == stream) tell(reader, due);
    }
  }

  std::shared_ptr<member_state> find_member(const std::string& group, const std::string& id) {
    for (const auto& each : groups[group]) {
      if (each->self.id == id) return each;
    }
    return nullptr;
  }

  bool is_joined(const std::shared_ptr<member_state>& who) {
    const auto& members = groups[who->group];
    return std::find(members.begin(), members.end(), who) != members.end();
  }

  void enter(std::shared_ptr<member_state> who, calls& due) {
    groups[who->group].push_back(who);
    changed(who->group, due);
  }

  void leave(const std::shared_ptr<member_state>& who, calls& due) {
    std::erase(waiting, who);
    std::erase(expelled, who);
    if (std::erase(groups[who->group], who) == 0) return;
    changed(*who, due);
    changed(who->group, due);
  }

  void changed(member_state& seen_by, calls& due) {
    ++seen_by.generation;
    if (std::exchange(seen_by.looked_at, false)) call(seen_by.told, due);
  }
  void changed(const std::string& group, calls& due) {
    for (const auto& each : groups[group]) changed(*each, due);
  }

  std::mutex mutex;
  std::condition_variable quiet;
  bool available = true;
  std::uint64_t last_incarnation = 0;
  std::map<std::string, stream> streams;
  std::deque<held_append> held;
  std::vector<std::shared_ptr<reader_state>> readers;
  std::map<std::string, std::vector<std::shared_ptr<member_state>>> groups;  // the longest-joined member first
  std::vector<std::shared_ptr<member_state>> waiting;                        // to join
  std::vector<std::shared_ptr<member_state>> expelled;                       // and still there

 private:
  void come_back(calls& due) {
    for (auto& who : std::exchange(waiting, {})) enter(std::move(who), due);
    for (held_append& each : std::exchange(held, {})) {
      each.of->held_bytes -= each.bytes;
      write(std::move(each), due);
    }
    for (const auto& reader : readers) tell(reader, due);
  }

  const clock* const time_;
};

class memory_reader final : public stream_reader {
 public:
  memory_reader(std::shared_ptr<server> at, std::shared_ptr<reader_state> state)
      : at_(std::move(at)), state_(std::move(state)) {}

  ~memory_reader() override {
    std::unique_lock lock(at_->mutex);
    std::erase(at_->readers, state_);
    at_->silence(*state_->told, lock);
  }

  broker_result<std::size_t> poll(std::vector<stored_record>& out, std::size_t limit) override {
    EVERMILL_CHECK(limit > 0, "a poll for nothing would look like the end of the stream");
    std::lock_guard lock(at_->mutex);
    if (state_->of->closed) return closed();
    if (at_->available) at_->look(*state_);
    if (state_->ended) return unexpected(*state_->ended);
    std::size_t count = 0;
    if (at_->available) {
      const lane& from = *at_->find(state_->from);
      for (; count < limit && state_->next <= from.last(); ++count) out.push_back(from.kept[state_->next++ - from.first]);
    }
    if (count == 0) state_->wants_call = true;
    return count;
  }

 private:
  const std::shared_ptr<server> at_;
  const std::shared_ptr<reader_state> state_;
};

class memory_membership final : public membership {
 public:
  memory_membership(std::shared_ptr<server> at, std::shared_ptr<member_state> state)
      : at_(std::move(at)), state_(std::move(state)) {}

  ~memory_membership() override {
    calls due;
    {
      std::unique_lock lock(at_->mutex);
      at_->leave(state_, due);
      at_->silence(*state_->told, lock);
    }
    due.make();
  }

  membership_view view() const override {
    std::lock_guard lock(at_->mutex);
    state_->looked_at = true;
    membership_view seen;
    seen.generation = state_->generation;
    seen.joined = at_->is_joined(state_);
    const auto& members = at_->groups[state_->group];
    for (const auto& each : members) seen.members.push_back(each->self);
    std::sort(seen.members.begin(), seen.members.end(), [](const member& a, const member& b) { return a.id < b.id; });
    if (!members.empty()) seen.coordinator = members.front()->self.id;
    return seen;
  }

  void describe(std::string description) override {
    calls due;
    {
      std::lock_guard lock(at_->mutex);
      state_->self.description = std::move(description);
      if (at_->is_joined(state_)) at_->changed(state_->group, due);
    }
    due.make();
  }

 private:
  const std::shared_ptr<server> at_;
  const std::shared_ptr<member_state> state_;
};

class memory_broker final : public broker {
 public:
  memory_broker(std::shared_ptr<server> at, const memory_broker_options& options) : at_(std::move(at)), options_(options) {}
  ~memory_broker() override { memory_broker::close(); }

  std::string address() const override { return "memory://"; }

  broker_result<std::uint32_t> ensure_stream(const std::string& name, std::uint32_t partitions) override {
    if (!is_stream_name(name) || partitions == 0) {
      return error(broker_errc::invalid, "memory broker: '" + name + "' with " + std::to_string(partitions) +
                                             " partitions is no stream: name it of a-z, A-Z, 0-9, '.', '_' and '-'");
    }
    std::lock_guard lock(at_->mutex);
    if (const auto reason = why_not()) return unexpected(*reason);
    const auto [found, created] = at_->streams.try_emplace(name);
    if (created) {
      found->second.incarnation = ++at_->last_incarnation;
      found->second.lanes.resize(partitions);
    }
    return static_cast<std::uint32_t>(found->second.lanes.size());
  }

  broker_result<std::uint32_t> find_stream(const std::string& name) override {
    std::lock_guard lock(at_->mutex);
    if (const auto reason = why_not()) return unexpected(*reason);
    const auto found = at_->streams.find(name);
    if (found == at_->streams.end()) return not_found(name);
    return static_cast<std::uint32_t>(found->second.lanes.size());
  }

  broker_result<void> delete_stream(const std::string& name) override {
    calls due;
    {
      std::lock_guard lock(at_->mutex);
      if (const auto reason = why_not()) return unexpected(*reason);
      if (at_->streams.erase(name) == 0) return not_found(name);
      at_->tell_readers(name, due);
    }
    due.make();
    return {};
  }

  broker_result<void> append(const stream_partition& to, std::vector<record> records, append_callback done,
                             std::uint64_t fence) override {
    EVERMILL_CHECK(!records.empty(), "an append has records");
    std::size_t bytes = 0;
    for (const record& each : records) {
      const std::size_t size = record_bytes(each);
      bytes += size;
      if (size > options_.max_record_bytes) {
        return error(broker_errc::too_large, "memory broker: a record for '" + to.stream + "' has " + std::to_string(size) +
                                                 " bytes; it may have " + std::to_string(options_.max_record_bytes));
      }
    }
    held_append given{self_, to, std::move(records), std::move(done), fence, bytes};
    calls due;
    {
      std::lock_guard lock(at_->mutex);
      if (self_->closed) return closed();
      if (at_->available) {
        ++self_->unanswered;
        at_->write(std::move(given), due);
      } else {
        if (self_->held_bytes != 0 && self_->held_bytes + bytes > options_.max_pending_bytes) {
          return error(broker_errc::overloaded, "memory broker: " + std::to_string(self_->held_bytes) +
                                                    " bytes wait to be written: try again when the server is available");
        }
        ++self_->unanswered;
        self_->held_bytes += bytes;
        at_->held.push_back(std::move(given));
      }
    }
    due.make();
    return {};
  }

  std::size_t max_record_bytes() const override { return options_.max_record_bytes; }

  broker_result<std::unique_ptr<stream_reader>> read(const stream_partition& from, const reader_options& options,
                                                     std::function<void()> on_readable) override {
    auto state = std::make_shared<reader_state>();
    calls due;
    {
      std::lock_guard lock(at_->mutex);
      if (const auto reason = why_not()) return unexpected(*reason);
      const lane* const found = at_->find(from);
      if (found == nullptr) return not_found(from.stream);
      if (options.after > found->last()) {
        return error(broker_errc::regressed, "memory broker: stream '" + from.stream + "' ends at " +
                                                 std::to_string(found->last()) + ", before " + std::to_string(options.after));
      }
      state->of = self_;
      state->from = from;
      state->incarnation = at_->streams[from.stream].incarnation;
      state->next = options.after + 1;
      state->told->callback = std::move(on_readable);
      at_->look(*state);
      if (state->ended) return unexpected(*state->ended);
      at_->readers.push_back(state);
      at_->tell(state, due);
    }
    due.make();
    return std::make_unique<memory_reader>(at_, std::move(state));
  }

  broker_result<stream_bounds> bounds(const stream_partition& of) override {
    std::lock_guard lock(at_->mutex);
    if (const auto reason = why_not()) return unexpected(*reason);
    const lane* const found = at_->find(of);
    if (found == nullptr) return not_found(of.stream);
    return stream_bounds{found->first, found->last()};
  }

  broker_result<void> trim(const stream_partition& of, position through) override {
    std::deque<stored_record> gone;  // destroyed without the lock
    calls due;
    {
      std::lock_guard lock(at_->mutex);
      if (const auto reason = why_not()) return unexpected(*reason);
      lane* const found = at_->find(of);
      if (found == nullptr) return not_found(of.stream);
      for (; found->first <= through && !found->kept.empty(); ++found->first) {
        gone.push_back(std::move(found->kept.front()));
        found->kept.pop_front();
      }
      at_->tell_readers(of, due);
    }
    due.make();
    return {};
  }

  broker_result<std::unique_ptr<membership>> join(const membership_options& options,
                                                  std::function<void()> on_change) override {
    auto state = std::make_shared<member_state>();
    state->of = self_;
    state->group = options.group;
    state->self = {options.member_id, options.description};
    state->told->callback = std::move(on_change);
    calls due;
    {
      std::lock_guard lock(at_->mutex);
      if (self_->closed) return closed();
      if (at_->find_member(options.group, options.member_id) != nullptr) {
        return error(broker_errc::invalid, "memory broker: group '" + options.group + "' has a member '" + options.member_id +
                                               "' already: ids are of one life of a process");
      }
      if (at_->available) {
        at_->enter(state, due);
      } else {
        at_->waiting.push_back(state);
      }
    }
    due.make();
    return std::make_unique<memory_membership>(at_, std::move(state));
  }

  broker_result<broker_durability> durability() override {
    std::lock_guard lock(at_->mutex);
    if (const auto reason = why_not()) return unexpected(*reason);
    return broker_durability{false, "in memory: nothing survives the process"};
  }

  bool flush(std::chrono::milliseconds limit) override {
    std::unique_lock lock(at_->mutex);
    return at_->quiet.wait_for(lock, limit, [&] { return self_->unanswered == 0; });
  }

  void close() override {
    calls due;
    {
      std::unique_lock lock(at_->mutex);
      if (std::exchange(self_->closed, true)) return;
      for (auto each = at_->held.begin(); each != at_->held.end();) {
        if (each->of != self_) {
          ++each;
          continue;
        }
        at_->answer(self_, std::move(each->done), closed(), due);
        each = at_->held.erase(each);
      }
      for (const auto& reader : std::vector(at_->readers)) {
        if (reader->of == self_) at_->silence(*reader->told, lock);
      }
      give_up_memberships(lock, due);
    }
    due.make();
    std::unique_lock lock(at_->mutex);
    at_->quiet.wait(lock, [&] { return self_->unanswered == 0; });
  }

 private:
  std::optional<broker_error> why_not() const {
    if (self_->closed) return closed().value();
    if (!at_->available) return unavailable().value();
    return std::nullopt;
  }

  void give_up_memberships(std::unique_lock<std::mutex>& lock, calls& due) {
    std::vector<std::shared_ptr<member_state>> mine;
    const auto is_mine = [&](const std::shared_ptr<member_state>& who) { return who->of == self_; };
    std::copy_if(at_->waiting.begin(), at_->waiting.end(), std::back_inserter(mine), is_mine);
    for (const auto& [name, members] : at_->groups) {
      std::copy_if(members.begin(), members.end(), std::back_inserter(mine), is_mine);
    }
    for (const auto& each : mine) {
      at_->silence(*each->told, lock);
      at_->leave(each, due);
    }
  }

  const std::shared_ptr<server> at_;
  const memory_broker_options options_;
  const std::shared_ptr<broker_state> self_ = std::make_shared<broker_state>();
};

}  // namespace

std::shared_ptr<memory_server> make_memory_server(const clock* time) { return std::make_shared<server>(time); }

std::unique_ptr<broker> make_memory_broker(std::shared_ptr<memory_server> at, const memory_broker_options& options) {
  auto known = std::dynamic_pointer_cast<server>(std::move(at));
  EVERMILL_CHECK(known != nullptr, "a server that make_memory_server made");
  return std::make_unique<memory_broker>(std::move(known), options);
}

}  // namespace evermill::queue
