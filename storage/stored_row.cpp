#include "storage/stored_row.hpp"

#include <google/protobuf/wrappers.pb.h>

#include <array>
#include <utility>

#include "storage/keys.hpp"
#include "storage/row_access.hpp"

namespace evermill::storage {
namespace {

constexpr std::array<std::string_view, family_count> names = {"description", "partitions", "instances", "journal",
                                                              "open_work",   "timers",     "outbox",    "inbox",
                                                              "requests",    "human_tasks", "log_positions", "published",
                                                              "executions"};
constexpr std::string_view description_key = "description";
constexpr char run_row = 0;
constexpr char activity_row = 1;

storage_result<void> malformed_key() { return unexpected(storage_error{storage_errc::corrupt, "malformed key"}); }

/// Takes the parts of a key off its front, one after the other, and remembers whether one was missing.
class key_reader {
 public:
  explicit key_reader(std::string_view key) : rest_(key) {}

  partition_id partition() { return take(take_partition(rest_)); }
  std::uint64_t number() { return take(take_number(rest_)); }
  std::int64_t time() { return take(take_time(rest_)); }
  std::int64_t descending_time() { return take(take_descending_time(rest_)); }
  run_number run() { return run_number(number()); }
  event_seq event() { return event_seq(number()); }
  char byte() {
    if (rest_.empty()) return take(std::optional<char>());
    const char first = rest_.front();
    rest_.remove_prefix(1);
    return first;
  }
  std::string text() { return std::string(std::exchange(rest_, {})); }
  /// Up to the divider, which is taken, too.
  std::string text_to(char divider) {
    const std::size_t end = rest_.find(divider);
    if (end == std::string_view::npos) return take(std::optional<std::string>());
    std::string text(rest_.substr(0, end));
    rest_.remove_prefix(end + 1);
    return text;
  }
  bool complete() const { return well_formed_ && rest_.empty(); }

 private:
  template <class T>
  T take(std::optional<T> part) {
    if (!part) well_formed_ = false;
    return part.value_or(T());
  }

  std::string_view rest_;
  bool well_formed_ = true;
};

struct parser {
  family f;
  std::string_view key;
  std::string_view value;

  storage_result<void> into(google::protobuf::MessageLite& content) const {
    const auto parsed = parse_record(framed_key(f, key), value, content);
    if (parsed) return {};
    const auto code = parsed.error() == record_error::newer_version ? storage_errc::newer_format : storage_errc::corrupt;
    return unexpected(storage_error{code, std::string(to_string(parsed.error()))});
  }

  /// `place` fills the row's key from the reader and returns the message to parse.
  template <class Row, class Place>
  storage_result<stored_row> as(Place&& place) const {
    Row row;
    key_reader parts(key);
    google::protobuf::MessageLite& content = place(row, parts);
    if (!parts.complete()) return unexpected(malformed_key().error());
    if (auto parsed = into(content); !parsed) return unexpected(parsed.error());
    return stored_row(std::move(row));
  }
};

storage_result<stored_row> parse_timer(const parser& p) {
  google::protobuf::StringValue workflow_id;
  auto row = p.as<stored_timer_row>([&](stored_timer_row& to, key_reader& parts) -> auto& {
    to.partition = parts.partition();
    to.fire_at = from_micros(parts.time());
    to.run = parts.run();
    to.started = parts.event();
    return workflow_id;
  });
  if (row) std::get<stored_timer_row>(*row).workflow_id = std::move(*workflow_id.mutable_value());
  return row;
}

storage_result<stored_row> parse_execution(const parser& p) {
  messages::ListedExecution nothing;
  return p.as<execution_row>([&](execution_row& to, key_reader& parts) -> auto& {
    to.partition = parts.partition();
    to.is = static_cast<listed_state>(parts.byte());
    to.workflow_type = parts.text_to('\0');
    to.at.started_us = parts.descending_time();
    to.at.workflow_id = parts.text();
    return nothing;
  });
}

storage_result<stored_row> parse_open_work(const parser& p) {
  key_reader kind(p.key);
  kind.partition();
  kind.number();
  if (kind.byte() == activity_row) {
    return p.as<open_activity_row>([](open_activity_row& to, key_reader& parts) -> auto& {
      to.partition = parts.partition();
      to.run = parts.run();
      parts.byte();
      to.scheduled = parts.event();
      return to.activity;
    });
  }
  if (p.key.empty() || p.key.back() != run_row) return unexpected(malformed_key().error());
  return p.as<open_work_row>([](open_work_row& to, key_reader& parts) -> auto& {
    to.partition = parts.partition();
    to.run = parts.run();
    parts.byte();
    return to.work;
  });
}

}  // namespace

storage_result<stored_row> parse_row(family f, std::string_view key, std::string_view value) {
  const parser p{f, key, value};
  switch (f) {
    case family::description:
      if (key != description_key) return unexpected(malformed_key().error());
      return p.as<description_row>([](description_row& to, key_reader& parts) -> auto& {
        parts.text();
        return to.description;
      });
    case family::partitions:
      return p.as<partition_row>([](partition_row& to, key_reader& parts) -> auto& {
        to.partition = parts.partition();
        return to.state;
      });
    case family::instances:
      return p.as<header_row>([](header_row& to, key_reader& parts) -> auto& {
        to.partition = parts.partition();
        to.workflow_id = parts.text();
        return to.header;
      });
    case family::journal:
      return p.as<turn_row>([](turn_row& to, key_reader& parts) -> auto& {
        to.partition = parts.partition();
        to.run = parts.run();
        to.first = parts.event();
        return to.record;
      });
    case family::open_work: return parse_open_work(p);
    case family::timers: return parse_timer(p);
    case family::outbox:
      return p.as<outbound_row>([](outbound_row& to, key_reader& parts) -> auto& {
        to.source = parts.partition();
        to.destination = parts.partition();
        to.number = parts.number();
        return to.event;
      });
    case family::inbox:
      return p.as<parked_row>([](parked_row& to, key_reader& parts) -> auto& {
        to.partition = parts.partition();
        to.run = parts.run();
        to.index = parts.number();
        return to.event;
      });
    case family::requests:
      return p.as<request_row>([](request_row& to, key_reader& parts) -> auto& {
        to.partition = parts.partition();
        to.workflow_id = parts.text_to('\0');
        to.request_id = parts.text();
        return to.request;
      });
    case family::human_tasks:
      return p.as<human_task_row>([](human_task_row& to, key_reader& parts) -> auto& {
        to.partition = parts.partition();
        to.run = parts.run();
        to.created = parts.event();
        return to.task;
      });
    case family::log_positions:
      return p.as<log_position_row>([](log_position_row& to, key_reader& parts) -> auto& {
        to.partition = parts.partition();
        return to.position;
      });
    case family::published:
      return p.as<published_row>([](published_row& to, key_reader& parts) -> auto& {
        to.partition = parts.partition();
        to.number = parts.number();
        return to.turns;
      });
    case family::executions: return parse_execution(p);
  }
  return unexpected(malformed_key().error());
}

std::string family_name(family f) {
  const auto number = static_cast<std::size_t>(f);
  return std::string(number < names.size() ? names[number] : "unknown");
}

std::string row_name(family f, std::string_view key) {
  std::string name = family_name(f) + ' ';
  if (f == family::description) return name += key;
  constexpr std::string_view digits = "0123456789abcdef";
  for (const char c : key) {
    const auto byte = static_cast<unsigned char>(c);
    name += digits[byte >> 4];
    name += digits[byte & 15];
  }
  return name;
}

}  // namespace evermill::storage
