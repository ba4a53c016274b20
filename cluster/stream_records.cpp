#include "cluster/stream_records.hpp"

#include <algorithm>
#include <chrono>
#include <utility>

#include "messages/record.hpp"

namespace evermill::cluster {
namespace {

/// What a part's record needs besides its content.
constexpr std::size_t part_overhead_bytes = 512;
/// Parts of a message are written together: those that have not come when others are there that were written so much later will not.
constexpr std::chrono::seconds longest_append{120};

queue::record frame(const std::string& stream, const messages::StreamRecord& what) {
  queue::record record;
  append_record(record.value, stream, what);
  return record;
}

}  // namespace

std::vector<queue::record> to_records(const std::string& stream, const messages::StreamRecord& what, std::size_t max_record_bytes,
                                      const part_name& name) {
  std::vector<queue::record> records;
  const std::size_t size = what.ByteSizeLong();
  const std::size_t part_bytes = max_record_bytes - part_overhead_bytes;
  if (size <= part_bytes) {
    records.push_back(frame(stream, what));
    return records;
  }
  const std::string bytes = what.SerializeAsString();
  for (std::size_t from = 0; from < size; from += part_bytes) {
    messages::StreamRecord part;
    part.mutable_part()->set_writer(name.writer);
    part.mutable_part()->set_number(name.number);
    part.mutable_part()->set_part(static_cast<std::uint32_t>(records.size()));
    part.mutable_part()->set_last(from + part_bytes >= size);
    part.mutable_part()->set_content(bytes.substr(from, part_bytes));
    records.push_back(frame(stream, part));
  }
  return records;
}

std::optional<record_gatherer::rejected> record_gatherer::add(queue::stored_record&& record) {
  messages::StreamRecord what;
  const auto parsed = parse_record(stream_, record.what.value, what);
  if (!parsed) return rejected{record.at, std::move(record.what), std::string(to_string(parsed.error()))};
  give_up_before(record.written - longest_append);
  if (!what.has_part()) {
    slot& next = slots_.emplace_back();
    next.message = {record.at, std::move(what)};
    next.whole = true;
    return std::nullopt;
  }
  if (auto wrong = add_part(record.at, record.written, std::move(*what.mutable_part()))) {
    return rejected{record.at, std::move(record.what), std::move(*wrong)};
  }
  return std::nullopt;
}

/// Says why it can't be read.
std::optional<std::string> record_gatherer::add_part(queue::position at, timestamp written, messages::StreamRecord::Part&& part) {
  const auto is_its = [&](const slot& each) { return !each.whole && each.writer == part.writer() && each.number == part.number(); };
  auto its = std::find_if(slots_.begin(), slots_.end(), is_its);
  if (part.part() == 0 && its == slots_.end()) {
    its = slots_.insert(slots_.end(), slot{});
    its->message.at = at;
    its->writer = part.writer();
    its->number = part.number();
    its->written = written;
  }
  if (its == slots_.end() || its->parts != part.part()) return std::nullopt;  // its beginning was given before, or it was written twice
  ++its->parts;
  its->bytes += part.content();
  if (!part.last()) return std::nullopt;
  its->whole = true;
  const std::string bytes = std::exchange(its->bytes, {});
  if (its->message.what.ParseFromString(bytes) && !its->message.what.has_part()) return std::nullopt;
  slots_.erase(its);
  return "its parts do not make a message";
}

void record_gatherer::give_up_before(timestamp written) {
  std::erase_if(slots_, [&](const slot& each) { return !each.whole && each.written < written; });
}

std::optional<record_gatherer::gathered> record_gatherer::next() {
  if (slots_.empty() || !slots_.front().whole) return std::nullopt;
  gathered message = std::move(slots_.front().message);
  slots_.pop_front();
  return message;
}

}  // namespace evermill::cluster
