// Many receives of the same topics: they wait together, and read together where they are at the same place.
//
//     receives ── by topic and partition ──▶ lanes: a place that moves on, and a reader ──▶ queue/kafka
//
// A partition has a few lanes at most, as each takes a handle of librdkafka's: those who wait at the end share one, and who is
// behind has another one for a while.
#pragma once

#include <chrono>
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "base/task_loop.hpp"
#include "evermill/broker.hpp"
#include "plugins/queue/kafka/reader.hpp"

namespace evermill::tasks {

/// One receive. Belongs to the thread of who reads while it waits.
struct kafka_receive_wait {
  using partitions = std::map<std::uint32_t, queue::position>;
  struct record {
    std::uint32_t partition = 0;
    queue::stored_record what;
  };
  /// `why`: null where there are messages. Has no share in what waits.
  using on_done = std::function<void(const kafka_receive_wait& what, const queue::broker_error* why)>;

  std::string topic;
  partitions after;  ///< what was taken, or must not come; moves on with what is taken
  std::size_t max_messages = 1;
  std::size_t max_bytes = 1;
  on_done done;  ///< called once, and empty afterwards

  std::vector<record> taken;
  std::size_t bytes = 0;
};
using kafka_wait = std::shared_ptr<kafka_receive_wait>;

/// All of it is called on the thread of `turns`, which must not wait. What blocks is done on `asks`.
class shared_reading {
 public:
  shared_reading(queue::kafka::readers& from, task_loop& turns, task_loop& asks) : readers_(from), turns_(turns), asks_(asks) {}

  void add(const kafka_wait& what);
  /// It is not told anything any more.
  void drop(const kafka_wait& what);
  /// All that wait are told `why`.
  void end(const queue::broker_error& why);

  /// Of all partitions; for tests.
  std::size_t lanes() const { return lanes_.size(); }

 private:
  using place = std::pair<std::string, std::uint32_t>;
  struct lane {
    place where;
    queue::position after = 0;  ///< of the reader, or that it will have
    std::unique_ptr<queue::stream_reader> reader;  ///< null: it is being opened
    std::uint64_t opening = 0;                     ///< which of its readers that is
    std::deque<queue::stored_record> ahead;        ///< read, and not given to anyone
    std::set<kafka_wait> waiting;
    std::uint64_t used = 0;  ///< when, in the order of use

    queue::position at() const { return ahead.empty() ? after : ahead.front().at - 1; }
  };
  using lane_pointer = std::shared_ptr<lane>;

  lane_pointer lane_for(const place& where, queue::position after);
  lane_pointer open_lane(const place& where, queue::position after);
  void open_reader(const lane_pointer& which, queue::position after);
  void opened(const lane_pointer& which, std::uint64_t opening,
              queue::broker_result<std::unique_ptr<queue::stream_reader>> reader);
  void serve(const lane_pointer& which);
  bool read_more(const lane_pointer& which);
  void give_what_is_ahead(lane& from);
  void finish_those_with_messages(lane& of);
  void tell(const kafka_wait& what, const queue::broker_error* why);
  void fail(const lane_pointer& which, const queue::broker_error& why);
  void follow(const lane_pointer& which);
  void close_idle_lanes();

  queue::kafka::readers& readers_;
  task_loop& turns_;
  task_loop& asks_;
  std::set<lane_pointer> lanes_;
  std::uint64_t uses_ = 0;
  std::uint64_t openings_ = 0;
};

}  // namespace evermill::tasks
