// A partition's commit log as one process sees it: followed into the process's store, and written to after a claim.
//
//   broker ─▶ poll ─▶ judge ─▶ store ─▶ what it meant: owned, committed, lost
//
// The log is the truth, the store a view of it that can be made again: what the judge lets hold is applied together with the place
// where it lies, so that a store that was killed goes on from there. An owner decides nothing before it has read its own claim, and
// nothing that it commits has an effect before the judge has let it hold.
//
// Plain code without threads: one caller at a time. What the broker calls on its own threads comes by way of a post_function.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/ids.hpp"
#include "base/log.hpp"
#include "base/random.hpp"
#include "evermill/broker.hpp"
#include "storage/key_value_store.hpp"
#include "storage/log_judge.hpp"

namespace evermill::cluster {

class partition_log_ports {
 public:
  virtual ~partition_log_ports() = default;

  /// This process's claim holds, and all that was committed before it is applied. `epoch` was never given before.
  virtual void on_owned(std::uint64_t epoch) = 0;
  /// What was submitted holds and is applied.
  virtual void on_committed() = 0;
  /// This process does not own the partition, or not any more: another claim holds, its claim came too late, or it is not known
  /// whether what it has written is there. What was submitted and not reported may or may not hold: the store will tell. When it is
  /// called, nothing that another owner has committed is in the store yet.
  virtual void on_lost(const std::string& why) = 0;
  /// The log can't be followed any further, by anybody or by this process; nothing follows this call. What is in the log is wrong
  /// (corrupt), gone (missing), from a later version (newer_format), or the store has failed (io, no_space).
  virtual void on_stopped(const storage::storage_error& why) = 0;
};

/// Has `what` called later, on the thread of the log, unless the log is gone by then. Called on any thread, also when the log is
/// gone; copies stay with the broker for as long as it has something to answer.
using post_function = std::function<void(std::function<void()> what)>;

struct partition_log_options {
  partition_id id;
  std::string stream;       ///< whose partition of the same number is the log
  std::string member;       ///< this process, for people
  std::string cluster_id;   ///< for a log that has no description yet
  std::uint32_t partition_count = 1;
  std::size_t poll_limit = 256;
};

class partition_log {
 public:
  /// Everything outlives the log. `store` holds what was followed before, and need not be durable.
  partition_log(partition_log_options options, storage::key_value_store& store, queue::broker& broker, random_source& random,
                partition_log_ports& ports, post_function post, log lines);

  /// Begins to follow, where the store is. Blocks for an answer of the broker. Errors: as in on_stopped; `io`: the broker can't be
  /// reached now; `mismatch`: the log belongs to a cluster with another number of partitions.
  storage::storage_result<void> start();

  /// Writes a claim: on_owned or on_lost follows. Only while the partition is neither owned nor being claimed. Where the log can't be
  /// read now, nothing happens: `claiming` says so.
  void claim();
  /// Appends a commit: on_committed, on_lost or on_stopped follows. Only the owner, one at a time.
  void submit(storage::write_batch&& batch);
  /// Gives the partition up: on_lost follows. Only the owner, with nothing submitted.
  void release();

  /// To be called now and then, by whoever follows or owns. An owner reads the log only where it can't know what lies there: one that
  /// commits nothing would not learn that another one has claimed the partition; on_lost follows then. And where the broker could not
  /// be reached when the log was to be read, it is asked again: until then nothing is lost, and nothing follows. False: it can't be
  /// reached now. Blocks for an answer of the broker.
  bool look();

  bool owned() const noexcept { return owned_; }
  bool claiming() const noexcept { return claiming_; }
  /// How many bytes of commits it has read or written.
  std::uint64_t bytes() const noexcept { return bytes_; }
  /// Is a commit on its way?
  bool submitting() const noexcept { return submitted_.has_value(); }
  /// Has it read all that was there when it started?
  bool caught_up() const noexcept { return judge_.last_seen() >= end_at_start_; }
  /// The place of the last record that it has read or written.
  queue::position last_seen() const noexcept { return judge_.last_seen(); }
  const messages::LogPosition& position() const noexcept { return judge_.position(); }

 private:
  struct submission {
    std::uint64_t number = 0;
    std::vector<messages::LogRecord> records;
  };
  struct meaning {
    storage::log_verdict::kind what;
    messages::Ownership by;  // of a claim, a commit or a release
  };

  queue::broker_result<void> open_reader();
  bool read_on();
  void can_not_read(const queue::broker_error& error);
  std::function<void()> poll_of(std::uint64_t reader);
  void describe();
  void poll();
  void judge(std::uint64_t at, messages::LogRecord&& record);
  bool apply();
  void tell();
  bool append(const std::vector<messages::LogRecord>& records,
              std::function<void(queue::broker_result<queue::position>)> done);
  void on_submitted(std::uint64_t number, const queue::broker_result<queue::position>& last);
  void lose(const std::string& why);
  void stop(storage::storage_error why);
  std::vector<messages::LogRecord> parts_of(const storage::write_batch& batch, std::uint64_t number) const;
  log_subject about() const { return {options_.id, {}, {}}; }

  const partition_log_options options_;
  storage::key_value_store& store_;
  queue::broker& broker_;
  random_source& random_;
  partition_log_ports& ports_;
  const post_function post_;
  const log log_;

  storage::log_judge judge_;
  std::unique_ptr<queue::stream_reader> reader_;  ///< null: the owner knows what lies in the log, or the broker is away
  bool waits_for_broker_ = false;
  std::vector<queue::stored_record> polled_;
  std::uint64_t reader_number_ = 0;

  messages::Ownership self_;   ///< of this process's last claim; epoch 0: none
  bool claiming_ = false;
  bool owned_ = false;
  bool stopped_ = false;
  queue::position end_at_start_ = 0;
  std::uint64_t bytes_ = 0;
  std::optional<submission> submitted_;

  storage::write_batch batch_;  ///< what holds and is not applied yet
  std::vector<meaning> meanings_;
};

}  // namespace evermill::cluster
