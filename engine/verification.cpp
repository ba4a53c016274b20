#include "engine/verification.hpp"

#include <algorithm>
#include <memory>
#include <utility>

#include "actors/node.hpp"
#include "engine/advice.hpp"
#include "engine/verifier.hpp"
#include "engine/verifier_walk.hpp"
#include "workflow/lock_keeper.hpp"

namespace evermill::verification {
namespace {

constexpr std::string_view lane_prefix = "lane/";
constexpr std::uint32_t max_partitions = 4096;

}  // namespace

verify_report verify_store(const storage::key_value_store& store, const sink& found) {
  return verifier(store, found).run();
}

verify_report verifier::run() {
  if (auto files = store_.check_files(); !files) problem({}, files.error().message, advice::restore);
  if (!check_description()) return report_;
  check_log_positions();
  check_partitions();
  check_outbox();
  check_lanes();
  check_inbox();
  check_requests();
  check_headers();
  check_journals();
  check_open_work();
  check_timers();
  check_human_tasks();
  check_published();
  check_executions();
  return report_;
}

void verifier::problem(const place& where, std::string what, std::string_view advice) {
  ++report_.problems;
  if (!found_) return;
  found_({where.workflow_id, where.run.value, where.event.value, where.row, std::move(what), std::string(advice)});
}

bool verifier::known_partition(partition_id partition, const place& where) {
  if (partition.value < partitions_) return true;
  problem(where, "partition " + std::to_string(partition.value) + " of a store that has " + std::to_string(partitions_), advice::restore);
  return false;
}

const messages::PartitionState& verifier::state(partition_id partition) const { return states_[partition.value]; }

/// New stores hold nothing at all.
bool verifier::check_description() {
  auto found = storage::find_description(store_);
  if (!found) {
    const bool newer = found.error().code == storage::storage_errc::newer_format;
    problem({}, found.error().message, newer ? advice::newer : advice::restore);
    return false;
  }
  if (!*found) return false;
  walk(family::description, [](const storage::stored_row&, const place&) {});
  const std::uint32_t count = (*found)->partition_count();
  if (count == 0 || count > max_partitions) {
    problem({}, "the description of the store names " + std::to_string(count) + " partitions", advice::restore);
    return false;
  }
  partitions_ = static_cast<std::uint16_t>(count);
  boots_.assign(count, (*found)->boot_number());
  states_.resize(count);
  return true;
}

void verifier::check_log_positions() {
  walk(family::log_positions, [&](storage::stored_row& any, const place& where) {
    const auto& row = std::get<storage::log_position_row>(any);
    if (known_partition(row.partition, where)) boots_[row.partition.value] = row.position.owner().epoch();
  });
}

void verifier::check_partitions() {
  walk(family::partitions, [&](storage::stored_row& any, const place& where) {
    auto& row = std::get<storage::partition_row>(any);
    if (!known_partition(row.partition, where)) return;
    for (const messages::ConsumedPositions& consumed : row.state.consumed()) {
      std::uint64_t last = consumed.low_water() + 1;  // the position after the low-water mark is missing, or it would be higher
      bool ordered = consumed.handled_ranges_size() % 2 == 0;
      for (int i = 0; i < consumed.handled_ranges_size(); ++i) {
        const std::uint64_t position = consumed.handled_ranges(i);
        ordered = ordered && (i % 2 == 0 ? position > last : position >= last);
        last = position;
      }
      if (!ordered) problem(where, "the consumed positions of \"" + consumed.source() + "\" are out of order", advice::restore);
    }
    states_[row.partition.value] = std::move(row.state);
  });
}

/// How far the receiver has handled the lane, without gaps.
std::uint64_t verifier::handled_from(partition_id receiver, partition_id source) const {
  const std::string lane = std::string(lane_prefix) + std::to_string(source.value);
  for (const messages::ConsumedPositions& consumed : state(receiver).consumed()) {
    if (consumed.source() == lane) return consumed.low_water();
  }
  return 0;
}

/// A message between executions that its receiver has not taken yet.
void verifier::note_message(partition_id to, const messages::DecisionEvent& message) {
  const messages::Event& event = message.event();
  note_lock_message(to, message);
  if (event.has_workflow_execution_started()) {
    const auto& started = event.workflow_execution_started();
    if (!started.has_parent()) return;
    const auto partition = actors::partition_of(started.parent().workflow_id(), partitions_);
    starts_on_their_way_.insert({partition.value, started.parent().run_number(), started.parent().initiated_seq()});
  } else if (const auto about = reference_of(event); about && about->what == event_reference::kind::child) {
    ends_on_their_way_.insert({to.value, message.run_number(), about->seq});
  }
}

void verifier::check_outbound(const storage::outbound_row& row, const place& where) {
  const auto& lane = row.event.lane();
  if (lane.source_partition() != row.source.value || lane.number() != row.number) {
    problem(where, "the message says that it is number " + std::to_string(lane.number()) + " of partition " +
                       std::to_string(lane.source_partition()), advice::restore);
  }
  if (actors::partition_of(row.event.workflow_id(), partitions_) != row.destination) {
    problem(where, "the message is for an execution of another partition", advice::restore);
  }
}

void verifier::check_outbox() {
  std::optional<std::pair<partition_id, partition_id>> lane;
  std::uint64_t expected = 0;
  const auto end_lane = [&] {
    if (lane) check_lane_end(lane->first, lane->second, expected);
  };
  walk(family::outbox, [&](storage::stored_row& any, place where) {
    const auto& row = std::get<storage::outbound_row>(any);
    where.workflow_id = row.event.workflow_id();
    if (!known_partition(row.source, where) || !known_partition(row.destination, where)) return;
    if (lane != std::pair(row.source, row.destination)) {
      end_lane();
      lane.emplace(row.source, row.destination);
      expected = 0;
      for (const auto& out : state(row.source).outbound()) {
        if (out.destination_partition() == row.destination.value) expected = out.acknowledged() + 1;
      }
      if (expected == 0) problem(where, "a message on a lane that its partition does not know of", advice::restore);
    }
    if (row.number != expected && expected != 0) {
      problem(where, row.number < expected ? "a message that was acknowledged is still there"
                                           : "messages " + std::to_string(expected) + " to " + std::to_string(row.number - 1) +
                                                 " of the lane are missing", advice::restore);
    }
    expected = row.number + 1;
    check_outbound(row, where);
    if (row.number > handled_from(row.destination, row.source)) note_message(row.destination, row.event);
  });
  end_lane();
}

void verifier::check_lane_end(partition_id source, partition_id destination, std::uint64_t expected) {
  for (auto& out : *states_[source.value].mutable_outbound()) {
    if (out.destination_partition() != destination.value) continue;
    if (out.last_number() + 1 != expected) {
      problem({}, "the lane from partition " + std::to_string(source.value) + " to " + std::to_string(destination.value) +
                      " ends with message " + std::to_string(expected - 1) + ", not " + std::to_string(out.last_number()), advice::restore);
    }
    out.set_acknowledged(out.last_number());  // for check_lanes: this lane's rows were looked at
  }
}

void verifier::check_lanes() {
  for (std::uint16_t source = 0; source < partitions_; ++source) {
    for (const auto& out : states_[source].outbound()) {
      const std::string lane = "the lane from partition " + std::to_string(source) + " to " + std::to_string(out.destination_partition());
      if (out.destination_partition() >= partitions_) {
        problem({}, lane + " leads nowhere", advice::restore);
        continue;
      }
      if (out.acknowledged() != out.last_number()) {
        problem({}, lane + ": messages " + std::to_string(out.acknowledged() + 1) + " to " + std::to_string(out.last_number()) +
                        " are missing", advice::restore);
      }
      const std::uint64_t handled = handled_from(partition_id(static_cast<std::uint16_t>(out.destination_partition())),
                                                 partition_id(source));
      if (handled > out.last_number()) {
        problem({}, lane + ": message " + std::to_string(handled) + " was handled, but the last one sent is " +
                        std::to_string(out.last_number()), advice::restore);
      }
    }
  }
}

std::optional<messages::InstanceHeader> verifier::open_header(partition_id partition, const place& where,
                                                              std::string_view what) {
  auto header = storage::find_header(store_, partition, where.workflow_id);
  if (!header) return std::nullopt;  // check_headers tells
  if (!*header) {
    problem(where, std::string(what) + " of an execution that does not exist", advice::restore);
    return std::nullopt;
  }
  if ((*header)->run_number() != where.run.value || (*header)->status() != messages::RUNNING) {
    problem(where, std::string(what) + " of a run that has ended", advice::rebuild);
    return std::nullopt;
  }
  return std::move(*header);
}

void verifier::check_inbox() {
  walk(family::inbox, [&](storage::stored_row& any, place where) {
    const auto& row = std::get<storage::parked_row>(any);
    where.workflow_id = row.event.workflow_id();
    where.run = row.run;
    if (!known_partition(row.partition, where)) return;
    if (row.event.run_number() != row.run.value) problem(where, "the parked event is for another run", advice::restore);
    open_header(row.partition, where, "a parked event");
    note_message(row.partition, row.event);
  });
}

void verifier::check_requests() {
  walk(family::requests, [&](storage::stored_row& any, place where) {
    const auto& row = std::get<storage::request_row>(any);
    where.workflow_id = row.workflow_id;
    known_partition(row.partition, where);
  });
}

void verifier::check_headers() {
  walk(family::instances, [&](storage::stored_row& any, place where) {
    const auto& row = std::get<storage::header_row>(any);
    const messages::InstanceHeader& header = row.header;
    where.workflow_id = row.workflow_id;
    where.run = run_number(header.run_number());
    const bool open = header.status() == messages::RUNNING;
    if (!workflow::locks::is_reserved(row.workflow_id)) {
      ++report_.instances;
      if (open) ++report_.open;
    }
    if (!known_partition(row.partition, where)) return;
    if (actors::partition_of(row.workflow_id, partitions_) != row.partition) {
      problem(where, "the header lies in partition " + std::to_string(row.partition.value) + ", where nobody looks for it",
              advice::restore);
    }
    if (!messages::ExecutionStatus_IsValid(header.status()) || header.status() == messages::EXECUTION_STATUS_UNSPECIFIED) {
      problem(where, "the header has an unknown status, " + std::to_string(static_cast<std::uint64_t>(header.status())), advice::newer);
    }
    check_listed(row, where);
    if (!open && header.has_blocked()) problem(where, "the header of an ended execution says that it is blocked", advice::restore);
    if (has_journal(row.partition, where.run)) return;
    if (!open || !has_parked(row.partition, where.run)) problem(where, "its journal is missing", advice::restore);
    // No journal, but a parked start: it waits for its code.
    const auto work = storage::find_open_work(store_, row.partition, where.run);
    if (open && work && !*work) problem(where, "its open-work row is missing, so that nothing would start it", advice::rebuild);
  });
}

void verifier::check_journals() {
  std::unique_ptr<journal_walk> current;
  const auto end = [&] {
    if (current) end_run(*current);
    current.reset();
  };
  walk(family::journal, [&](storage::stored_row& any, place where) {
    const auto& row = std::get<storage::turn_row>(any);
    where.run = row.run;
    where.event = row.first;
    if (!known_partition(row.partition, where)) return;
    if (!current || current->partition != row.partition || current->run != row.run) {
      end();
      current = std::make_unique<journal_walk>();
      begin_run(*current, row);
    }
    current->row = where.row;
    current->check->add(row.first, row.record);
    report_.events += static_cast<std::uint64_t>(row.record.events_size());
  });
  end();
}

void verifier::check_open_work() {
  std::optional<std::pair<partition_id, run_number>> last;
  std::string workflow_id;
  walk(family::open_work, [&](storage::stored_row& any, place where) {
    if (const auto* work = std::get_if<storage::open_work_row>(&any)) {
      last.emplace(work->partition, work->run);
      workflow_id = where.workflow_id = work->work.workflow_id();
      where.run = work->run;
      if (!known_partition(work->partition, where) || !open_header(work->partition, where, "open work")) return;
      if (work->run.value < state(work->partition).open_work_watermark()) {
        problem(where, "open work below the watermark from which recovery reads", advice::rebuild);
      }
      if (!has_journal(work->partition, work->run) && work->work.through_seq() != 0) {
        problem(where, "open work of a run whose journal is missing", advice::restore);
      }
      return;
    }
    const auto& activity = std::get<storage::open_activity_row>(any);
    where.run = activity.run;
    where.event = activity.scheduled;
    if (!known_partition(activity.partition, where)) return;
    if (last != std::pair(activity.partition, activity.run)) {
      return problem(where, "the state of an attempt, but the run's open-work row is missing", advice::rebuild);
    }
    where.workflow_id = workflow_id;
    if (activity.activity.attempt() == 0) problem(where, "an attempt without a number", advice::restore);
    const std::uint64_t last_boot = boots_[activity.partition.value];
    if (activity.activity.dispatch_boot() > last_boot) {
      problem(where, "an attempt of boot " + std::to_string(activity.activity.dispatch_boot()) + ", but the last one was " +
                         std::to_string(last_boot), advice::restore);
    }
  });
}

void verifier::check_timers() {
  std::uint64_t there = 0;
  walk(family::timers, [&](storage::stored_row& any, place where) {
    const auto& row = std::get<storage::stored_timer_row>(any);
    where.workflow_id = row.workflow_id;
    where.run = row.run;
    where.event = row.started;
    if (!known_partition(row.partition, where) || !open_header(row.partition, where, "a timer")) return;
    if (to_micros(row.fire_at) < state(row.partition).timer_watermark_us()) {
      problem(where, "a timer before the watermark from which recovery reads", advice::rebuild);
    }
    ++there;
  });
  if (there != timers_asked_for_) find_timers_without_journal();
}

/// There are more rows than journals ask for: reads the journal of each.
void verifier::find_timers_without_journal() {
  walk_again(family::timers, [&](storage::stored_row& any, place where) {
    const auto& row = std::get<storage::stored_timer_row>(any);
    where.workflow_id = row.workflow_id;
    where.run = row.run;
    where.event = row.started;
    const auto open = open_of(row.partition, row.workflow_id, row.run);
    if (!open) return;
    const auto timer = open->timers.find(row.started);
    if (timer == open->timers.end()) {
      problem(where, "a timer that the journal does not ask for", advice::rebuild);
    } else if (std::max<std::int64_t>(to_micros(timer->second), 0) != to_micros(row.fire_at)) {
      problem(where, "a timer at another time than the journal asks for", advice::rebuild);
    }
  });
}

}  // namespace evermill::verification
