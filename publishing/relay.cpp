#include "publishing/relay.hpp"

#include <algorithm>
#include <utility>

#include "messages/history_json.hpp"
#include "storage/journal.hpp"

namespace evermill::publishing {
namespace {

constexpr std::size_t rows_at_once = 64;

bool takes(const std::set<std::string>& filter, const std::string& name) { return filter.empty() || filter.contains(name); }

tl::unexpected<storage::storage_error> missing(partition_id of, std::uint64_t number) {
  return unexpected(storage::storage_error{storage::storage_errc::corrupt,
                                           "turns to be published of partition " + std::to_string(of.value) + ", number " +
                                               std::to_string(number) + ": missing"});
}

}  // namespace

relay::relay(relay_options options, const storage::key_value_store& store, std::unique_ptr<sink> to,
             published_callback published, const clock& time, log lines)
    : options_(std::move(options)),
      store_(store),
      sink_(std::move(to)),
      published_(std::move(published)),
      time_(time),
      log_(std::move(lines)) {}

void relay::offer(partition_id of, std::uint64_t after, std::uint64_t through) {
  const std::lock_guard lock(guard_);
  const auto [it, is_new] = partitions_.try_emplace(of);
  source_partition& to = it->second;
  if (is_new) {
    to.done.row = after;
    to.life = ++last_life_;
  }
  to.through = std::max(to.through, through);
  to.unreadable = false;
}

void relay::withdraw(partition_id of) {
  const std::lock_guard lock(guard_);
  partitions_.erase(of);
}

relay_statistics relay::statistics() const {
  const std::lock_guard lock(guard_);
  return statistics_;
}

std::map<partition_id, relay::source_partition> relay::waiting() const {
  const std::lock_guard lock(guard_);
  std::map<partition_id, source_partition> found;
  for (const auto& [id, each] : partitions_) {
    if (each.done.row < each.through && !each.unreadable) found.emplace(id, each);
  }
  return found;
}

bool relay::is_full(const batch& into) const {
  return into.events.size() >= options_.batch_events || into.bytes >= options_.batch_bytes;
}

relay::outcome relay::send_next(std::stop_token stop) {
  std::map<partition_id, source_partition> work = waiting();
  if (work.empty()) return outcome::nothing;
  batch next;
  auto first = work.lower_bound(next_);
  if (first == work.end()) first = work.begin();
  auto it = first;
  do {
    auto& [id, from] = *it;
    if (const auto read = gather(next, id, from); !read) on_unreadable(id, from, read.error());
    next.reached.emplace(id, from);
    if (++it == work.end()) it = work.begin();
  } while (it != first && !is_full(next));
  next_ = it->first;
  if (next.events.empty()) {
    confirm(next);
    return outcome::sent;
  }
  const std::size_t events = next.events.size();
  const auto sent = sink_->send(std::move(next.events), stop);
  if (!sent) {
    if (!stop.stop_requested() && !std::exchange(sink_failed_, true)) {
      log_.error({}, "{}; tried again until it can be, nothing is lost meanwhile", sent.error().message);
    }
    const std::lock_guard lock(guard_);
    ++statistics_.failures;
    return outcome::failed;
  }
  if (std::exchange(sink_failed_, false)) log_.info({}, "events are published to {} again", sink_->address());
  {
    const std::lock_guard lock(guard_);
    statistics_.published += events;
    statistics_.lost += next.lost;
  }
  confirm(next);
  return outcome::sent;
}

/// Where another process publishes for the partition now, it may have erased the rows.
void relay::on_unreadable(partition_id of, const source_partition& from, const storage::storage_error& why) {
  {
    const std::lock_guard lock(guard_);
    const auto known = partitions_.find(of);
    if (known == partitions_.end() || known->second.life != from.life) return;
    if (known->second.through == from.through) known->second.unreadable = true;
  }
  log_.error({of, {}, {}}, "what is to be published can't be read, and waits: {}; verify tells what is wrong", why.message);
}

/// Moves `from.done` to behind what it has gathered, also when it ends with an error.
storage::storage_result<void> relay::gather(batch& into, partition_id of, source_partition& from) {
  while (from.done.row < from.through && !is_full(into)) {
    const auto rows = storage::scan_published(store_, of, from.done.row, rows_at_once);
    if (!rows) return unexpected(rows.error());
    if (rows->empty()) return missing(of, from.done.row + 1);
    for (const storage::numbered_turns& row : *rows) {
      if (row.number > from.through || is_full(into)) return {};
      const bool is_loss = row.turns.lost_events() > 0;
      if (row.number != from.done.row + 1) {
        if (!is_loss) return missing(of, from.done.row + 1);
        from.done = {row.number - 1, 0};
      }
      if (is_loss) gather_loss(into, of, row);
      for (; from.done.turns < row.turns.turns_size(); ++from.done.turns) {
        if (is_full(into)) return {};
        if (auto read = gather_turn(into, of, row.turns.turns(from.done.turns)); !read) return read;
      }
      from.done = {row.number, 0};
    }
  }
  return {};
}

storage::storage_result<void> relay::gather_turn(batch& into, partition_id of, const messages::CommittedTurns::Turn& turn) {
  if (!takes(options_.workflow_types, turn.workflow_type())) return {};
  const auto stored = storage::read_turn(store_, of, run_number(turn.run_number()), event_seq(turn.first_seq()));
  if (!stored) return unexpected(stored.error());
  event_origin origin{options_.source, of, run_number(turn.run_number()), stored->first, from_micros(stored->record.time_us()),
                      turn.workflow_id(), turn.workflow_type()};
  for (const messages::Event& event : stored->record.events()) {
    if (options_.types.empty() || options_.types.contains(event_type(event))) {
      into.events.push_back(make_event(origin, event, options_.format));
      into.bytes += into.events.back().data.size();
    }
    origin.seq = origin.seq.next();
  }
  return {};
}

void relay::gather_loss(batch& into, partition_id of, const storage::numbered_turns& row) {
  const std::uint64_t events = row.turns.lost_events();
  log_.warn({of, {}, {}}, "it is published that {} events were given up", events);
  into.events.push_back(make_loss(options_.source, of, row.turns.lost_since(), row.number, events, time_.now()));
  into.lost += events;
}

void relay::confirm(const batch& sent) {
  std::vector<std::pair<partition_id, std::uint64_t>> published;
  {
    const std::lock_guard lock(guard_);
    for (const auto& [id, reached] : sent.reached) {
      const auto known = partitions_.find(id);
      if (known == partitions_.end() || known->second.life != reached.life) continue;  // withdrawn meanwhile
      const bool is_further = reached.done.row > known->second.done.row;
      known->second.done = reached.done;
      if (is_further) published.emplace_back(id, reached.done.row);
    }
  }
  for (const auto& [id, through] : published) published_(id, through);
}

}  // namespace evermill::publishing
