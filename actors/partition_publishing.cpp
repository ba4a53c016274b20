// What is to be published: a row per commit, until whoever publishes says that it is. docs/publishing.md.
#include <algorithm>

#include "actors/partition.hpp"
#include "base/planted.hpp"
#include "workflow/lock_keeper.hpp"

namespace evermill::actors {
namespace {

constexpr std::size_t published_scan_rows = 1000;
/// Rows are erased by the next commit. Where none comes, by one of their own: when there are so many, or after so long.
constexpr std::uint64_t erase_rows_at_once = 1000;
constexpr std::chrono::seconds erase_after{1};
constexpr std::chrono::minutes between_loss_reports{1};

std::uint32_t events_of(const messages::CommittedTurns& turns) {
  std::uint32_t events = 0;
  for (const auto& turn : turns.turns()) events += turn.events();
  return events;
}

}  // namespace

storage::storage_result<void> partition::recover_published(const messages::PartitionState& state) {
  outgoing& out = outgoing_;
  out.last = state.last_publish_number();
  out.watermark = out.confirmed = state.publish_watermark();
  if (options_.publishing == publishing_mode::on) out.limit = std::max<std::uint64_t>(options_.publish_limit, 1);
  if (options_.publishing == publishing_mode::as_before) out.limit = state.publish_limit();
  out.on = out.limit > 0;
  out.limit_changed = out.limit != state.publish_limit();  // the next process must know, however soon this one ends
  if (!out.on) return {};
  for (std::uint64_t at = out.watermark; at < out.last;) {
    const auto rows = storage::scan_published(store_, options_.id, at, published_scan_rows);
    if (!rows) return unexpected(rows.error());
    for (const storage::numbered_turns& row : *rows) {
      if (row.number != ++at) break;
      if (row.turns.lost_events() > 0) {
        out.lost = row.turns.lost_events();
        out.lost_since = row.turns.lost_since();
      }
      out.events.push_back(events_of(row.turns));
      out.waiting += out.events.back();
    }
    if (rows->empty() || rows->back().number != at) {
      return unexpected(storage::storage_error{storage::storage_errc::corrupt,
                                               "partition " + std::to_string(options_.id.value) +
                                                   ": turns that are to be published are missing after number " +
                                                   std::to_string(at)});
    }
  }
  gathering_.out.published = publishable_rows{planted(bug::forget_unpublished_turns) ? out.last : out.watermark, out.last};
  return {};
}

/// Locks are executions of the engine's own, which nobody else is shown.
void partition::note_published(const run& r, event_seq first, const messages::TurnRecord& record) {
  if (workflow::locks::is_reserved(r.workflow_id)) return;
  if (!gathering_.published) gathering_.published.emplace();
  messages::CommittedTurns::Turn& turn = *gathering_.published->add_turns();
  turn.set_run_number(r.number.value);
  turn.set_first_seq(first.value);
  turn.set_events(static_cast<std::uint32_t>(record.events_size()));
  turn.set_workflow_id(r.workflow_id);
  turn.set_workflow_type(r.header.workflow_type());
}

void partition::on_published(std::uint64_t through) {
  outgoing& out = outgoing_;
  if (failed_ || !out.on) return;
  out.confirmed = std::max(out.confirmed, std::min(through, out.last));
  if (out.confirmed <= out.watermark) return;
  if (must_commit_published()) return ports_.request_flush();
  if (out.erase_at) return;
  out.erase_at = ports_.now() + erase_after;
  set_tick();
}

/// Although nothing else is?
bool partition::must_commit_published() const {
  const outgoing& out = outgoing_;
  if (out.limit_changed) return true;
  if (out.confirmed <= out.watermark) return false;
  return draining_ || out.erase_now || out.confirmed - out.watermark >= erase_rows_at_once;
}

void partition::ring_published(timestamp now) {
  if (!outgoing_.erase_at || now < *outgoing_.erase_at) return;
  outgoing_.erase_at.reset();
  outgoing_.erase_now = true;
  ports_.request_flush();
}

void partition::put_published() {
  outgoing& out = outgoing_;
  if (planted(bug::erase_unpublished_turns)) out.confirmed = out.last;
  while (out.watermark < out.confirmed) erase_first_published();
  out.erase_at.reset();
  out.erase_now = false;
  if (!gathering_.published) return;
  storage::put_published(gathering_.batch, options_.id, ++out.last, *gathering_.published);
  out.events.push_back(events_of(*gathering_.published));
  out.waiting += out.events.back();
  if (out.waiting > out.limit) give_up_oldest();
  if (!gathering_.out.published) gathering_.out.published = publishable_rows{out.last - 1, 0};
  gathering_.out.published->through = out.last;
}

void partition::erase_first_published() {
  outgoing& out = outgoing_;
  storage::erase_published(gathering_.batch, options_.id, ++out.watermark);
  out.waiting -= out.events.front();
  out.events.pop_front();
  out.lost = 0;
}

/// Never the newest row. One takes the place of all that are given up, so that the loss is published where they would have
/// been; what is being published at this moment counts as lost all the same.
void partition::give_up_oldest() {
  outgoing& out = outgoing_;
  std::uint64_t lost = out.lost;
  const std::uint64_t since = lost > 0 ? out.lost_since : out.watermark + 1;
  const std::size_t kept_for_loss = lost > 0 ? 1 : 0;
  if (out.events.size() <= 1 + kept_for_loss) return;
  while (out.waiting > out.limit && out.events.size() > 1) {
    lost += out.events.front();
    counts_.events_lost.add(out.events.front());
    erase_first_published();
  }
  messages::CommittedTurns instead;
  instead.set_lost_events(lost);
  instead.set_lost_since(since);
  storage::put_published(gathering_.batch, options_.id, out.watermark, instead);
  out.events.push_front(0);
  --out.watermark;
  out.lost = lost;
  out.lost_since = since;
  const timestamp now = ports_.now();
  if (out.loss_told_at && now - *out.loss_told_at < between_loss_reports) return;
  out.loss_told_at = now;
  log_.error({options_.id, {}, {}},
             "{} events were given up that had not been published, {} since the process began, as more than {} wait: see "
             "whether the place that they are published to takes them, or raise the limit",
             lost, counts_.events_lost.value(), out.limit);
}

}  // namespace evermill::actors
