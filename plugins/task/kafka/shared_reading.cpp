#include "plugins/task/kafka/shared_reading.hpp"

#include <algorithm>
#include <optional>
#include <utility>

namespace evermill::tasks {
namespace {

using queue::broker_errc;
using queue::position;
using queue::stored_record;

constexpr std::size_t most_lanes_of_a_partition = 4;
constexpr std::size_t most_idle_lanes = 16;
constexpr position near = 1'000;  // read through rather than begin anew
constexpr std::size_t prefetch_bytes = 1 << 20;
constexpr std::size_t most_polled = 256;
constexpr int rounds_of_a_turn = 16;

std::size_t bytes_of(const stored_record& of) {
  std::size_t bytes = of.what.key.size() + of.what.value.size();
  for (const auto& [name, value] : of.what.headers) bytes += name.size() + value.size();
  return bytes;
}

bool has_room(const kafka_receive_wait& in, const stored_record& for_this) {
  if (in.taken.empty()) return true;
  return in.taken.size() < in.max_messages && in.bytes + bytes_of(for_this) <= in.max_bytes;
}

void take(kafka_receive_wait& into, std::uint32_t partition, const stored_record& what) {
  into.bytes += bytes_of(what);
  into.after[partition] = what.at;
  into.taken.push_back({partition, what});
}

position first_wanted(const std::set<kafka_wait>& by, std::uint32_t partition) {
  const auto least = std::min_element(by.begin(), by.end(), [&](const kafka_wait& a, const kafka_wait& b) {
    return a->after.at(partition) < b->after.at(partition);
  });
  return (*least)->after.at(partition);
}

}  // namespace

void shared_reading::add(const kafka_wait& what) {
  std::vector<lane_pointer> begun;
  for (const auto& [partition, after] : what->after) {
    begun.push_back(lane_for({what->topic, partition}, after));
    begun.back()->waiting.insert(what);
    begun.back()->used = ++uses_;
  }
  close_idle_lanes();
  for (const lane_pointer& each : begun) {
    if (what->done) serve(each);
  }
}

void shared_reading::drop(const kafka_wait& what) {
  what->done = nullptr;
  for (const lane_pointer& each : lanes_) {
    if (each->waiting.erase(what) > 0) each->used = ++uses_;
  }
}

void shared_reading::end(const queue::broker_error& why) {
  std::set<kafka_wait> all;
  for (const lane_pointer& each : lanes_) all.insert(each->waiting.begin(), each->waiting.end());
  for (const kafka_wait& each : all) tell(each, &why);
  lanes_.clear();
}

shared_reading::lane_pointer shared_reading::lane_for(const place& where, position after) {
  lane_pointer nearest, idle, first;
  std::size_t count = 0;
  for (const lane_pointer& each : lanes_) {
    if (each->where != where) continue;
    ++count;
    if (each->at() <= after && (!nearest || each->at() > nearest->at())) nearest = each;
    if (each->waiting.empty() && (!idle || each->used < idle->used)) idle = each;
    if (!first || each->at() < first->at()) first = each;
  }
  if (nearest && after - nearest->at() <= near) return nearest;
  if (count < most_lanes_of_a_partition) return open_lane(where, after);
  if (!idle && nearest) return nearest;
  const lane_pointer moved = idle ? idle : first;  // those that wait in it are further on, and pass over what they had
  open_reader(moved, after);
  return moved;
}

shared_reading::lane_pointer shared_reading::open_lane(const place& where, position after) {
  const auto made = std::make_shared<lane>();
  made->where = where;
  lanes_.insert(made);
  open_reader(made, after);
  return made;
}

void shared_reading::open_reader(const lane_pointer& which, position after) {
  which->reader.reset();
  which->ahead.clear();
  which->after = after;
  which->opening = ++openings_;
  const auto readable = [this, post = turns_.poster(), weak = std::weak_ptr(which)] {
    post([this, weak] {
      if (const lane_pointer lane = weak.lock()) serve(lane);
    });
  };
  asks_.post([this, which, readable, after, opening = which->opening, where = which->where] {
    using made = queue::broker_result<std::unique_ptr<queue::stream_reader>>;
    const auto reader = std::make_shared<made>(readers_.read(where.first, where.second, {after, prefetch_bytes}, readable));
    turns_.post([this, which, opening, reader] { opened(which, opening, std::move(*reader)); });
  });
}

void shared_reading::opened(const lane_pointer& which, std::uint64_t opening,
                            queue::broker_result<std::unique_ptr<queue::stream_reader>> reader) {
  if (!lanes_.contains(which) || which->opening != opening) return;
  if (!reader) return fail(which, reader.error());
  which->reader = std::move(*reader);
  serve(which);
}

void shared_reading::serve(const lane_pointer& which) {
  for (int round = 0; round < rounds_of_a_turn; ++round) {
    if (!lanes_.contains(which)) return;
    give_what_is_ahead(*which);
    if (which->waiting.empty() || !read_more(which)) return;
  }
  finish_those_with_messages(*which);
  turns_.post([this, which] { serve(which); });
}

void shared_reading::give_what_is_ahead(lane& from) {
  const std::uint32_t partition = from.where.second;
  while (!from.ahead.empty() && !from.waiting.empty()) {
    const stored_record& next = from.ahead.front();
    std::vector<kafka_wait> full;
    bool is_left = false;
    for (const kafka_wait& each : from.waiting) {
      if (each->after.at(partition) >= next.at) continue;
      const bool fits = has_room(*each, next);
      if (fits) take(*each, partition, next);
      is_left = is_left || !fits;
      if (!fits || each->taken.size() >= each->max_messages) full.push_back(each);
    }
    for (const kafka_wait& each : full) tell(each, nullptr);
    if (is_left && from.waiting.empty()) return;  // whoever left it is likely to come for it next
    from.ahead.pop_front();
  }
}

/// False: there is nothing now.
bool shared_reading::read_more(const lane_pointer& which) {
  if (which->reader == nullptr) return false;
  std::size_t room = 1;
  for (const kafka_wait& each : which->waiting) room = std::max(room, each->max_messages - each->taken.size());
  std::vector<stored_record> records;
  const queue::broker_result<std::size_t> count = which->reader->poll(records, std::min(room, most_polled));
  if (!count) {
    fail(which, count.error());
    return false;
  }
  if (*count == 0) {
    finish_those_with_messages(*which);
    follow(which);
    return false;
  }
  which->after = records.back().at;
  std::move(records.begin(), records.end(), std::back_inserter(which->ahead));
  return true;
}

void shared_reading::finish_those_with_messages(lane& of) {
  std::vector<kafka_wait> have;
  std::copy_if(of.waiting.begin(), of.waiting.end(), std::back_inserter(have),
               [](const kafka_wait& each) { return !each->taken.empty(); });
  for (const kafka_wait& each : have) tell(each, nullptr);
}

void shared_reading::tell(const kafka_wait& what, const queue::broker_error* why) {
  const kafka_receive_wait::on_done done = std::move(what->done);
  drop(what);
  if (done) done(*what, why);
}

/// Where only a place is the matter, those that wait for a later one go on.
void shared_reading::fail(const lane_pointer& which, const queue::broker_error& why) {
  const std::uint32_t partition = which->where.second;
  const bool is_of_the_place = why.code == broker_errc::trimmed || why.code == broker_errc::regressed;
  const position at = which->at();
  std::vector<kafka_wait> concerned;
  for (const kafka_wait& each : which->waiting) {
    if (!is_of_the_place || each->after.at(partition) <= at) concerned.push_back(each);
  }
  for (const kafka_wait& each : concerned) {
    tell(each, each->taken.empty() ? &why : nullptr);  // whoever has some is told why when it comes again
  }
  if (which->waiting.empty() || concerned.empty()) {
    const std::set<kafka_wait> left = which->waiting;
    lanes_.erase(which);
    for (const kafka_wait& each : left) tell(each, &why);
  } else {
    open_reader(which, first_wanted(which->waiting, partition));
  }
}

/// Those that are left may be waiting for what comes much later.
void shared_reading::follow(const lane_pointer& which) {
  if (which->waiting.empty()) return;
  const position wanted = first_wanted(which->waiting, which->where.second);
  if (wanted > which->at() + near) open_reader(which, wanted);
}

void shared_reading::close_idle_lanes() {
  for (;;) {
    lane_pointer oldest;
    std::size_t idle = 0;
    for (const lane_pointer& each : lanes_) {
      if (!each->waiting.empty()) continue;
      ++idle;
      if (!oldest || each->used < oldest->used) oldest = each;
    }
    if (idle <= most_idle_lanes) return;
    lanes_.erase(oldest);
  }
}

}  // namespace evermill::tasks
