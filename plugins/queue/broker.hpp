// What evermill needs of a message broker: streams that keep their order and what was written, and who else is there.
//
//   streams       decision events, commits of partitions, messages to processes, published events
//   membership    which processes are alive, and which one of them decides for all: a hint, never what correctness rests on
//
// Everything above a broker assumes little: a record may come twice (an append whose answer was lost is made again by its
// caller), an append may lie in the stream although it was answered `unavailable`, and a process that has lost its membership
// may go on writing for a while. What a reader makes of that is decided by what the records say and where they lie.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "base/clock.hpp"
#include "base/result.hpp"

namespace evermill::queue {

/// A place in one partition of a stream. Grows along it, by one or more. 0: before the first record.
using position = std::uint64_t;

enum class broker_errc {
  unavailable,  ///< the server can't be reached, or has not answered in time: the outcome of a write is unknown
  overloaded,   ///< too much waits to be written: nothing was done, try again later
  too_large,    ///< a record is larger than `max_record_bytes`: nothing was done
  trimmed,      ///< what was to be read is not kept any more
  regressed,    ///< the stream ends before the place that was asked for: it is not what it was
  not_found,    ///< there is no such stream or partition
  refused,      ///< the server forbids it: authentication, permission, a setting that differs
  invalid,      ///< an address or an option is wrong
  closed,       ///< `close` was called
};

struct broker_error {
  broker_errc code{};
  std::string message;  ///< what, where, and what to do; holds no secret
};

template <class T>
using broker_result = result<T, broker_error>;

using record_header = std::pair<std::string, std::string>;

struct record {
  std::string key;  ///< "": none. The partition is always named by the caller; a key is for others who read the stream
  std::string value;
  std::vector<record_header> headers{};
};

struct stored_record {
  position at{};
  timestamp written;  ///< by the clock of whoever wrote it, or of the server
  record what;
};

struct stream_partition {
  std::string stream;
  std::uint32_t partition = 0;
  friend auto operator<=>(const stream_partition&, const stream_partition&) = default;
};

struct stream_bounds {
  position first{};  ///< of the oldest record that is kept; where there is none, the one that the next record can't be below
  position last{};   ///< of the newest record there ever was; 0: none
};

/// The reading end of one partition of a stream. Used by one thread at a time. Destroying it ends its callbacks: none runs
/// after return.
class stream_reader {
 public:
  virtual ~stream_reader() = default;

  /// Appends up to `limit` records that follow the last one polled; says how many. 0: nothing now, and `on_readable` will be
  /// called once. A server that is away is no error: reading goes on where it was when it is back. An error (trimmed,
  /// regressed, refused, closed) ends the reader.
  virtual broker_result<std::size_t> poll(std::vector<stored_record>& out, std::size_t limit) = 0;
};

struct reader_options {
  position after = 0;                          ///< the first record read is the next one
  std::size_t prefetch_bytes = 8 * 1024 * 1024;  ///< what is read ahead, at most, but for one record
};

struct member {
  std::string id;           ///< of one life of a process: unique, never used again
  std::string description;  ///< what it says of itself: up to 64 KiB
};

/// Who is alive, as this process knows it.
struct membership_view {
  std::uint64_t generation = 0;  ///< grows with every change that this process sees
  bool joined = false;           ///< does this process count as alive? False before the first answer, and once it was given up
  std::vector<member> members;   ///< ordered by id; with this process while `joined`
  std::string coordinator;       ///< the member that decides for all; "": nobody just now. At times two believe that they are
};

/// Thread-safe. Destroying it leaves the group at once.
class membership {
 public:
  virtual ~membership() = default;
  virtual membership_view view() const = 0;
  virtual void describe(std::string description) = 0;  ///< replaces what this process says of itself
};

struct membership_options {
  std::string group;
  std::string member_id;
  std::string description;
  std::chrono::milliseconds session_timeout{10'000};  ///< who is not heard of for this long is gone
};

/// Can a record that was answered be lost?
struct broker_durability {
  bool survives_power_cut = false;
  std::string reason;  ///< the settings that say so, as the server gave them, for people
};

/// Thread-safe. Callbacks run on the broker's threads; they must be short, must not throw, and may call `append` only.
class broker {
 public:
  using append_callback = std::function<void(broker_result<position>)>;

  virtual ~broker() = default;

  /// Where it is, without secrets: "kafka://localhost:9092".
  virtual std::string address() const = 0;

  /// Creates the stream with so many partitions where there is none; says how many it has, which may differ. Blocks.
  virtual broker_result<std::uint32_t> ensure_stream(const std::string& stream, std::uint32_t partitions) = 0;
  /// Its partitions. not_found: there is none. Blocks.
  virtual broker_result<std::uint32_t> find_stream(const std::string& stream) = 0;
  /// Deletes it with all it holds. not_found: there was none. Blocks.
  virtual broker_result<void> delete_stream(const std::string& stream) = 0;

  /// Writes the records behind all that this broker object was given for the partition before: in this order, and next to
  /// each other as far as other writers allow. `done`, which may be empty, is told the position of the last one once all of
  /// them are as durable as `durability` says. An error that is returned (overloaded, too_large, closed) means that nothing
  /// was or will be done and `done` is not called; one that `done` is given, that some or all may be there or still come.
  /// `fence`: a broker that can refuses what comes with a lower one than this partition has seen before; others ignore it.
  virtual broker_result<void> append(const stream_partition& to, std::vector<record> records, append_callback done,
                                     std::uint64_t fence = 0) = 0;

  /// The largest record that it takes: key, value and headers together.
  virtual std::size_t max_record_bytes() const = 0;

  /// Starts reading. `on_readable` is called at most once between two polls that gave 0, and once at first, when there may be
  /// something to poll. not_found; trimmed: records behind `after` are gone; regressed: the stream ends before `after`.
  virtual broker_result<std::unique_ptr<stream_reader>> read(const stream_partition& from, const reader_options& options,
                                                             std::function<void()> on_readable) = 0;

  /// Blocks.
  virtual broker_result<stream_bounds> bounds(const stream_partition& of) = 0;

  /// Gives up the records up to `through`. The server may keep them for longer, and reading them gives either them or
  /// `trimmed`. Blocks.
  virtual broker_result<void> trim(const stream_partition& of, position through) = 0;

  /// Joins the group. `on_change` is called whenever the view has changed, and then not again before it was looked at.
  virtual broker_result<std::unique_ptr<membership>> join(const membership_options& options,
                                                          std::function<void()> on_change) = 0;

  /// Asks the server. Blocks.
  virtual broker_result<broker_durability> durability() = 0;

  /// Waits until what was given to `append` is answered, at most for `limit`. Returns whether it is.
  virtual bool flush(std::chrono::milliseconds limit) = 0;

  /// Ends everything: appends that are not answered are told `closed`, readers end, memberships are given up. After return no
  /// callback runs or will run. Readers and memberships may be destroyed later.
  virtual void close() = 0;
};

}  // namespace evermill::queue
