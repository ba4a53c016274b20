#include "queue_file.hpp"

#include <algorithm>
#include <string_view>

namespace sqlite_queue {
namespace {

std::uint64_t first_number(rows found) { return found.next() ? found.number(0) : 0; }

std::optional<lane> one_lane(rows found) {
  if (!found.next()) return std::nullopt;
  return lane{found.number(0), found.number(1), found.number(2), found.number(3)};
}

/// Each header as its two sizes, of four bytes, and its two texts.
std::string pack(const std::vector<record_header>& headers) {
  std::string packed;
  for (const auto& [name, value] : headers) {
    for (const std::string* const text : {&name, &value}) {
      const auto size = static_cast<std::uint32_t>(text->size());
      packed.append(reinterpret_cast<const char*>(&size), sizeof size);  // read on the same machine
      packed.append(*text);
    }
  }
  return packed;
}

std::string take_text(std::string_view& from) {
  std::uint32_t size = 0;
  std::copy_n(from.data(), std::min(sizeof size, from.size()), reinterpret_cast<char*>(&size));
  from.remove_prefix(std::min(sizeof size, from.size()));
  std::string text(from.substr(0, size));
  from.remove_prefix(text.size());
  return text;
}

std::vector<record_header> unpack(std::string_view packed) {
  std::vector<record_header> headers;
  while (!packed.empty()) {
    std::string name = take_text(packed);
    headers.emplace_back(std::move(name), take_text(packed));
  }
  return headers;
}

}  // namespace

queue_file::queue_file(const file_address& where, evermill::plugin_log log)
    : address(where),
      say(std::move(log)),
      writing(where.path, where.timeout, closed),
      reading_(where.path, where.timeout, closed) {
  // AUTOINCREMENT: an id is never given twice.
  writing.prepare_file(
      {"CREATE TABLE lanes (id INTEGER PRIMARY KEY AUTOINCREMENT, stream TEXT NOT NULL, partition INTEGER NOT NULL,"
       " first INTEGER NOT NULL DEFAULT 1, last INTEGER NOT NULL DEFAULT 0, fence INTEGER NOT NULL DEFAULT 0,"
       " UNIQUE (stream, partition))",
       "CREATE TABLE records (lane INTEGER NOT NULL, at INTEGER NOT NULL, written INTEGER NOT NULL, key BLOB NOT NULL,"
       " value BLOB NOT NULL, headers BLOB NOT NULL, PRIMARY KEY (lane, at))"});
  writing.execute("PRAGMA synchronous = FULL");  // with a write-ahead log: each commit syncs that
}

std::optional<lane> find_lane(connection& by, const stream_partition& of) {
  return one_lane(by.select("SELECT id, first, last, fence FROM lanes WHERE stream = ? AND partition = ?", of.stream,
                            std::uint64_t{of.partition}));
}

std::optional<lane> find_lane(connection& by, std::uint64_t id) {
  return one_lane(by.select("SELECT id, first, last, fence FROM lanes WHERE id = ?", id));
}

std::uint32_t count_lanes(connection& by, const std::string& stream) {
  return static_cast<std::uint32_t>(first_number(by.select("SELECT count(*) FROM lanes WHERE stream = ?", stream)));
}

position append_records(connection& by, const lane& to, const std::vector<record>& records, std::uint64_t fence) {
  const auto now = std::chrono::time_point_cast<std::chrono::microseconds>(std::chrono::system_clock::now());
  const auto written = static_cast<std::uint64_t>(evermill::to_micros(now));
  position at = to.last;
  for (const record& each : records) {
    by.execute("INSERT INTO records (lane, at, written, key, value, headers) VALUES (?, ?, ?, ?, ?, ?)", to.id, ++at, written,
               blob{each.key}, blob{each.value}, blob{pack(each.headers)});
  }
  by.execute("UPDATE lanes SET last = ?, fence = ? WHERE id = ?", at, std::max(fence, to.fence), to.id);
  return at;
}

std::vector<stored_record> read_records(connection& by, const lane& from, position after, std::size_t limit,
                                        std::size_t bytes) {
  std::vector<stored_record> records;
  rows found = by.select("SELECT at, written, key, value, headers FROM records WHERE lane = ? AND at > ? ORDER BY at", from.id,
                         after);
  for (std::size_t taken = 0; records.size() < limit && taken < bytes && found.next();) {
    record what{found.bytes(2), found.bytes(3), unpack(found.bytes(4))};
    taken += what.key.size() + what.value.size() + sizeof what;
    records.push_back({found.number(0), evermill::from_micros(static_cast<std::int64_t>(found.number(1))), std::move(what)});
  }
  return records;
}

evermill::unexpected<broker_error> closed() {
  return evermill::unexpected(broker_error{broker_errc::closed, "sqlite broker: it was closed"});
}

std::string name_of(const stream_partition& of) {
  return "partition " + std::to_string(of.partition) + " of stream '" + of.stream + "' ";
}

evermill::unexpected<broker_error> not_found(const stream_partition& of) {
  return evermill::unexpected(broker_error{broker_errc::not_found, "sqlite broker: there is no " + name_of(of)});
}

}  // namespace sqlite_queue
