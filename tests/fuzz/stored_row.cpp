// A row of the store: family, key, value. Once as it is, once with a checksum that is right.
#include "storage/stored_row.hpp"

#include "messages/history_json.hpp"
#include "engine/journal_check.hpp"
#include "engine/journal_json.hpp"
#include "fuzz_input.hpp"

using namespace evermill;

namespace {

/// Whatever can be stored can be exported and comes back.
void check_events(const storage::turn_row& row) {
  journal_check check([](event_seq, const std::string&) {});
  check.add(row.first, row.record);
  std::uint64_t seq = row.first.value;
  for (const messages::Event& event : row.record.events()) {
    const timestamp time = from_micros(row.record.time_us());
    event_json(seq, time, event);
    const auto line = event_line(std::max<std::uint64_t>(seq, 1), 1, timestamp(std::chrono::seconds(1)), event);
    const auto text = line.dump();
    const auto back = parse_event_line(ordered_json::parse(text));
    fuzz::expect(back.has_value(), "an exported event is read: " + text);
    fuzz::expect(back->event.SerializeAsString() == event.SerializeAsString(), "an exported event comes back: " + text);
    ++seq;
  }
}

void check(storage::family f, std::string_view key, std::string_view value) {
  const auto row = storage::parse_row(f, key, value);
  storage::row_name(f, key);
  if (!row) {
    fuzz::expect(!row.error().message.empty(), "a row that is refused says why");
  } else if (const auto* turn = std::get_if<storage::turn_row>(&*row)) {
    check_events(*turn);
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  fuzz::input in(data, size);
  const std::uint8_t family = in.byte() % storage::family_count;
  const std::string_view key = in.short_text();
  const std::string_view content = in.rest();
  check(static_cast<storage::family>(family), key, content);
  check(static_cast<storage::family>(family), key, fuzz::framed(family, key, content));
  return 0;
}
