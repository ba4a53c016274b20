/// @file
/// What evermill needs of a message broker: streams that keep their order and what was written, and who else is there.
///
///   streams       decision events, commits of partitions, messages to processes, published events
///   membership    which processes are alive, and which one of them decides for all: a hint, never what correctness rests on
///
/// Everything above a broker assumes little: a record may come twice (an append whose answer was lost is made again by its
/// caller), an append may lie in the stream although it was answered `unavailable`, and a process that has lost its membership
/// may go on writing for a while. What a reader makes of that is decided by what the records say and where they lie.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "evermill/result.hpp"
#include "evermill/timestamp.hpp"

namespace evermill::queue {

/// A place in one partition of a stream. Grows along it, by one or more. 0: before the first record.
using position = std::uint64_t;

/// What kind of failure it was.
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

/// Why something could not be done.
struct broker_error {
  broker_errc code{};   ///< its kind
  std::string message;  ///< what, where, and what to do; holds no secret
};

/// What a broker gives, or why it does not.
template <class T>
using broker_result = result<T, broker_error>;

/// Name and value.
using record_header = std::pair<std::string, std::string>;

/// What is written.
struct record {
  std::string key;  ///< "": none. The partition is always named by the caller; a key is for others who read the stream
  std::string value;                      ///< any bytes
  std::vector<record_header> headers{};   ///< in the order in which they are read again; a name may come several times
};

/// What is read.
struct stored_record {
  position at{};      ///< grows from each record of the partition to the next
  timestamp written;  ///< by the clock of whoever wrote it, or of the server
  record what;        ///< as it was given
};

/// One of the ordered sequences of records that a stream consists of.
struct stream_partition {
  std::string stream;           ///< its name
  std::uint32_t partition = 0;  ///< from 0
  /// By stream, then by partition.
  friend auto operator<=>(const stream_partition&, const stream_partition&) = default;
};

/// What there is of a partition.
struct stream_bounds {
  position first{};  ///< of the oldest record that is kept; where there is none, the one that the next record can't be below
  position last{};   ///< of the newest record there ever was; 0: none
};

/// The reading end of one partition of a stream. Used by one thread at a time. Destroying it ends its callbacks: none runs
/// after return. It may outlive its broker.
class stream_reader {
 public:
  virtual ~stream_reader() = default;

  /// Appends up to `limit` records that follow the last one polled; says how many. 0: nothing now, and `on_readable` will be
  /// called once. A server that is away is no error: reading goes on where it was when it is back. An error (trimmed,
  /// regressed, refused, closed) ends the reader; a stream that was deleted has regressed, also where it was made anew, if the
  /// broker can tell. Does not wait for a server. `limit` is not 0.
  virtual broker_result<std::size_t> poll(std::vector<stored_record>& out, std::size_t limit) = 0;
};

/// How a partition is read.
struct reader_options {
  position after = 0;                          ///< the first record read is the next one
  std::size_t prefetch_bytes = 8 * 1024 * 1024;  ///< read ahead, or given by one poll, at most, but for one record
};

/// A process, as the group knows it.
struct member {
  std::string id;           ///< of one life of a process: unique, never used again
  std::string description;  ///< what it says of itself: up to 64 KiB
};

/// Who is alive, as this process knows it.
struct membership_view {
  std::uint64_t generation = 0;  ///< grows with every change that this process sees
  bool joined = false;           ///< does this process count as alive? False before the first answer, and while it was given up
  std::vector<member> members;   ///< ordered by id; with this process while `joined`
  std::string coordinator;       ///< the member that decides for all; "": nobody just now. At times two believe that they are
};

/// Thread-safe. Destroying it leaves the group at once. A member that was given up although it lives joins again by itself when it is
/// heard of.
class membership {
 public:
  virtual ~membership() = default;
  /// Ends to be `joined` by this process's own clock, too, no later than others give it up.
  virtual membership_view view() const = 0;
  virtual void describe(std::string description) = 0;  ///< replaces what this process says of itself
};

/// How a process joins a group.
struct membership_options {
  std::string group;        ///< its name; as a stream's
  std::string member_id;    ///< member::id
  std::string description;  ///< what it says of itself at first
  std::chrono::milliseconds session_timeout{10'000};  ///< who is not heard of for this long is gone
};

/// Can a record that was answered be lost?
struct broker_durability {
  bool survives_power_cut = false;  ///< is everything that was answered there afterwards?
  std::string reason;  ///< the settings that say so, as the server gave them, for people
};

/// Thread-safe. Callbacks run on the broker's threads; they must be short, must not throw, and may call `append` only.
class broker {
 public:
  /// Told the position of the last record, or why nobody knows whether they are there. 0: they are there, once each, and the
  /// broker can't say where (Kafka forgets it when it has to be asked again after a server was lost).
  using append_callback = std::function<void(broker_result<position>)>;

  virtual ~broker() = default;

  /// Where it is, without secrets: "kafka://localhost:9092".
  virtual std::string address() const = 0;

  /// Creates the stream with so many partitions where there is none; says how many it has, which may differ. Positions of
  /// one that was deleted begin anew. invalid: no partitions, or a name that can't be one; those of up to 200 of a-z, A-Z,
  /// 0-9, '.', '_' and '-' can. Blocks.
  virtual broker_result<std::uint32_t> ensure_stream(const std::string& stream, std::uint32_t partitions) = 0;
  /// Its partitions. not_found: there is none. Blocks.
  virtual broker_result<std::uint32_t> find_stream(const std::string& stream) = 0;
  /// Deletes it with all it holds. not_found: there was none. Blocks.
  virtual broker_result<void> delete_stream(const std::string& stream) = 0;

  /// Writes the records behind all that this broker object was given for the partition before: in this order, and next to
  /// each other as far as other writers allow. `done`, which may be empty, is told the position of the last one (or 0) once all
  /// of them are as durable as `durability` says. An error that is returned (overloaded, too_large, closed) means that nothing
  /// was or will be done and `done` is not called; one that `done` is given, that some or all may be there or still come.
  /// `done` is told not_found where there is no such partition. `records` is not empty. `fence`: a broker that can refuses
  /// what comes with a lower one than this partition has seen before; others ignore it. 0: none, which is never refused.
  virtual broker_result<void> append(const stream_partition& to, std::vector<record> records, append_callback done,
                                     std::uint64_t fence = 0) = 0;

  /// The largest record that it takes: key, value and headers together. At least 1,000,000.
  virtual std::size_t max_record_bytes() const = 0;

  /// Starts reading. `on_readable` is called at most once between two polls that gave 0, and once at first, when there may be
  /// something to poll. not_found; trimmed: records behind `after` are gone; regressed: the stream ends before `after`.
  virtual broker_result<std::unique_ptr<stream_reader>> read(const stream_partition& from, const reader_options& options,
                                                             std::function<void()> on_readable) = 0;

  /// Blocks.
  virtual broker_result<stream_bounds> bounds(const stream_partition& of) = 0;

  /// Gives up the records up to `through`, or all where there are fewer; positions go on. The server may keep them for
  /// longer, and reading them gives either them or `trimmed`. Blocks.
  virtual broker_result<void> trim(const stream_partition& of, position through) = 0;

  /// Joins the group, now or once the server can be reached. `on_change` is called whenever the view has changed, and then not
  /// again before it was looked at.
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
