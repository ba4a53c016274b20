#include "cluster/partition_log.hpp"

#include <utility>

#include "base/check.hpp"
#include "base/planted.hpp"

namespace evermill::cluster {
namespace {

using storage::storage_errc;
using storage::storage_error;
using kind = storage::log_verdict::kind;

/// What a part's record needs besides its operations.
constexpr std::size_t part_overhead_bytes = 512;

/// Is what is to be read gone, or not what it was? Otherwise the broker may give it later.
bool is_final(const queue::broker_error& error) {
  return error.code == queue::broker_errc::trimmed || error.code == queue::broker_errc::regressed;
}

storage_error to_storage_error(const queue::broker_error& error, const std::string& log_name) {
  storage_errc code = storage_errc::io;
  std::string advice;
  if (error.code == queue::broker_errc::trimmed) {
    code = storage_errc::missing;
    advice = "; what this store lacks is kept no more: begin with an empty data directory, or a newer snapshot";
  }
  if (error.code == queue::broker_errc::regressed) {
    code = storage_errc::corrupt;
    advice = "; the log was recreated, or has lost records: find out which before anything else is written";
  }
  return {code, log_name + ": " + error.message + advice};
}

}  // namespace

partition_log::partition_log(partition_log_options options, storage::key_value_store& store, queue::broker& broker,
                             random_source& random, partition_log_ports& ports, post_function post, log lines)
    : options_(std::move(options)),
      store_(store),
      broker_(broker),
      random_(random),
      ports_(ports),
      post_(std::move(post)),
      log_(std::move(lines)),
      judge_(options_.id) {}

storage::storage_result<void> partition_log::start() {
  auto known = storage::load_log_position(store_, options_.id);
  if (!known) return unexpected(known.error());
  judge_ = storage::log_judge(options_.id, std::move(*known));
  const auto bounds = broker_.bounds({options_.stream, options_.id.value});
  if (!bounds) return unexpected(to_storage_error(bounds.error(), options_.stream));
  end_at_start_ = bounds->last;
  if (const auto opened = open_reader(); !opened) return unexpected(to_storage_error(opened.error(), options_.stream));
  if (bounds->last == 0 && judge_.position().cluster_id().empty()) describe();
  return {};
}

/// The first description holds; where there is one already, this one is ignored by everybody.
void partition_log::describe() {
  messages::LogRecord record;
  record.mutable_description()->set_cluster_id(options_.cluster_id);
  record.mutable_description()->set_partition_count(options_.partition_count);
  record.mutable_description()->set_partition(options_.id.value);
  append({std::move(record)}, nullptr);
}

queue::broker_result<void> partition_log::open_reader() {
  const auto on_readable = [post = post_, look = poll_of(++reader_number_)] { post(look); };
  auto opened = broker_.read({options_.stream, options_.id.value}, {.after = judge_.last_seen()}, on_readable);
  if (!opened) return unexpected(opened.error());
  reader_ = std::move(*opened);
  return {};
}

/// Reads from where the judge is, if it does not read yet. False: it can't now, or has stopped.
bool partition_log::read_on() {
  if (reader_) return true;
  const auto opened = open_reader();
  if (!opened) {
    can_not_read(opened.error());
    return false;
  }
  if (std::exchange(waits_for_broker_, false)) log_.info(about(), "{} is read again", options_.stream);
  return true;
}

void partition_log::can_not_read(const queue::broker_error& error) {
  if (is_final(error)) return stop(to_storage_error(error, options_.stream));
  reader_.reset();
  ++reader_number_;
  if (!std::exchange(waits_for_broker_, true)) log_.warn(about(), "{} can't be read now: {}", options_.stream, error.message);
}

/// Does nothing once that reader was replaced.
std::function<void()> partition_log::poll_of(std::uint64_t reader) {
  return [this, reader] {
    if (reader == reader_number_ && reader_) poll();
  };
}

void partition_log::poll() {
  if (stopped_) return;
  polled_.clear();
  const auto count = reader_->poll(polled_, options_.poll_limit);
  if (!count) return can_not_read(count.error());
  for (queue::stored_record& each : polled_) {
    auto record = storage::parse_log_record(options_.id, each.what.value);
    if (!record) return stop({record.error().code, record.error().message + ", at " + std::to_string(each.at)});
    judge(each.at, std::move(*record));
    if (stopped_) return;
    // Whoever runs the partition must not see in the store what its next owner has committed.
    if (owned_ && meanings_.back().what == kind::claimed && !storage::same_ownership(meanings_.back().by, self_)) {
      if (!apply()) return;
      tell();
      if (stopped_) return;
    }
  }
  if (!apply()) return;
  tell();
  if (*count == 0 || stopped_ || !reader_) return;
  post_(poll_of(reader_number_));
}

void partition_log::judge(std::uint64_t at, messages::LogRecord&& record) {
  messages::Ownership by;
  if (record.has_claim()) by = record.claim().by();
  if (record.has_commit()) by = record.commit().by();
  if (record.has_release()) by = record.release().by();
  auto verdict = judge_.judge(at, std::move(record));
  switch (verdict.what) {
    case kind::corrupt:
      return stop({storage_errc::corrupt, options_.stream + ", at " + std::to_string(at) + ": " + verdict.reason});
    case kind::ignored: log_.debug(about(), "record {} of {} does not count: {}", at, options_.stream, verdict.reason); break;
    case kind::committed:
      bytes_ += verdict.batch.bytes();
      batch_.append(verdict.batch);
      break;
    default: break;
  }
  meanings_.push_back({verdict.what, std::move(by)});
}

/// One write for all that was judged since the last one.
bool partition_log::apply() {
  if (meanings_.empty()) return true;
  storage::put_log_position(batch_, options_.id, judge_.position());
  const auto written = store_.write(batch_);
  batch_.clear();
  if (written) return true;
  stop(written.error());
  return false;
}

/// What was applied, in the order in which it lies in the log.
void partition_log::tell() {
  for (const meaning& each : std::exchange(meanings_, {})) {
    if (stopped_) return;
    const bool own = storage::same_ownership(each.by, self_);
    switch (each.what) {
      case kind::described:
        if (judge_.position().partition_count() != options_.partition_count) {
          return stop({storage_errc::mismatch, options_.stream + " belongs to a cluster of " +
                                                   std::to_string(judge_.position().partition_count()) + " partitions, not " +
                                                   std::to_string(options_.partition_count) + "; their number is fixed"});
        }
        break;
      case kind::claimed:
        if (own && claiming_) {
          claiming_ = false;
          owned_ = true;
          reader_.reset();  // what comes now it writes itself; where something else lies between, it reads again
          if (!planted(bug::decide_before_claim_is_read)) ports_.on_owned(self_.epoch());
        } else if (owned_ || claiming_) {
          lose("another process has claimed the partition with epoch " + std::to_string(each.by.epoch()));
        }
        break;
      case kind::ignored:
        if (own && claiming_) lose("another claim came first");
        break;
      case kind::committed:
        if (own && submitted_) {
          submitted_.reset();
          ports_.on_committed();
        }
        break;
      case kind::released:
        if (own && owned_) lose("released");
        break;
      case kind::part:
      case kind::corrupt: break;
    }
  }
}

void partition_log::claim() {
  EVERMILL_CHECK(!owned_ && !claiming_, "a claim is made by who neither has nor claims the partition");
  if (stopped_ || !read_on()) return;
  claiming_ = true;
  self_.set_epoch(judge_.position().owner().epoch() + 1);
  self_.set_owner(make_uuid(random_));
  messages::LogRecord record;
  *record.mutable_claim()->mutable_by() = self_;
  record.mutable_claim()->set_number(judge_.position().number());
  record.mutable_claim()->set_member(options_.member);
  const auto done = [this, mine = self_.owner()](const queue::broker_result<queue::position>& at) {
    if (at || !claiming_ || self_.owner() != mine) return;
    lose("the claim could not be written: " + at.error().message);
  };
  if (!append({std::move(record)}, done)) return;
  if (planted(bug::decide_before_claim_is_read)) {
    claiming_ = false;
    owned_ = true;
    ports_.on_owned(self_.epoch());
  }
}

std::vector<messages::LogRecord> partition_log::parts_of(const storage::write_batch& batch, std::uint64_t number) const {
  const std::size_t part_bytes = broker_.max_record_bytes() - part_overhead_bytes;
  std::vector<messages::LogRecord> parts;
  std::string_view rest = batch.as_bytes();
  do {
    messages::CommitPart& part = *parts.emplace_back().mutable_commit();
    *part.mutable_by() = self_;
    part.set_number(number);
    part.set_part(static_cast<std::uint32_t>(parts.size() - 1));
    part.set_operations(std::string(rest.substr(0, part_bytes)));
    rest.remove_prefix(std::min(part_bytes, rest.size()));
    part.set_last(rest.empty());
  } while (!rest.empty());
  return parts;
}

void partition_log::submit(storage::write_batch&& batch) {
  EVERMILL_CHECK(!submitted_, "an owner has one commit on its way");
  if (stopped_ || !owned_) return;
  const std::uint64_t number = judge_.position().number() + 1;
  submitted_ = submission{number, parts_of(batch, number)};
  append(submitted_->records, [this, number](const queue::broker_result<queue::position>& last) { on_submitted(number, last); });
  if (planted(bug::believe_append)) {
    submitted_.reset();
    store_.write(batch);
    post_([this] { ports_.on_committed(); });
  }
}

/// Where nothing but this commit lies between the last record that was judged and its own last one, it is judged as if it had been
/// read; otherwise the log is read.
void partition_log::on_submitted(std::uint64_t number, const queue::broker_result<queue::position>& last) {
  if (stopped_ || !submitted_ || submitted_->number != number) return;
  if (!last) {
    const bool known = last.error().code == queue::broker_errc::refused;
    return lose((known ? "commit " + std::to_string(number) + " was refused: "
                       : "it is not known whether commit " + std::to_string(number) + " is in the log: ") +
                last.error().message);
  }
  const bool nothing_between = *last == judge_.last_seen() + submitted_->records.size();
  if (nothing_between || planted(bug::ignore_what_lies_between)) {
    reader_.reset();
    std::uint64_t at = judge_.last_seen();
    for (messages::LogRecord& each : std::exchange(submitted_->records, {})) {
      judge(++at, std::move(each));
      if (stopped_) return;
    }
    if (apply()) tell();
  } else {
    read_on();
  }
}

bool partition_log::look() { return stopped_ || read_on(); }

void partition_log::release() {
  EVERMILL_CHECK(owned_ && !submitted_, "a partition is released by its owner, once all is durable");
  if (stopped_) return;
  messages::LogRecord record;
  *record.mutable_release()->mutable_by() = self_;
  record.mutable_release()->set_number(judge_.position().number());
  append({std::move(record)}, [this, mine = self_.owner()](const queue::broker_result<queue::position>& at) {
    if (!at && owned_ && self_.owner() == mine) lose("the release could not be written: " + at.error().message);
  });
  read_on();
}

/// `done` is called on the log's thread.
bool partition_log::append(const std::vector<messages::LogRecord>& records,
                           std::function<void(queue::broker_result<queue::position>)> done) {
  std::vector<queue::record> written;
  written.reserve(records.size());
  for (const messages::LogRecord& each : records) {
    storage::append_log_record(written.emplace_back().value, options_.id, each);
  }
  const auto later = [post = post_, done](queue::broker_result<queue::position> at) {
    if (done) post([done, at = std::move(at)] { done(at); });
  };
  auto taken = broker_.append({options_.stream, options_.id.value}, std::move(written), later, self_.epoch());
  if (taken) return true;
  if (done) post_([done, error = taken.error()] { done(unexpected(error)); });
  return false;
}

void partition_log::lose(const std::string& why) {
  owned_ = claiming_ = false;
  submitted_.reset();
  self_.Clear();
  read_on();
  if (!stopped_) ports_.on_lost(why);
}

void partition_log::stop(storage::storage_error why) {
  if (std::exchange(stopped_, true)) return;
  owned_ = claiming_ = false;
  submitted_.reset();
  reader_.reset();
  ++reader_number_;
  ports_.on_stopped(why);
}

}  // namespace evermill::cluster
