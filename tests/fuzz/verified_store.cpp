// A store with any rows in it, their checksums right: `verify` comes to an end and counts what it tells.
#include "engine/verification.hpp"
#include "fuzz_input.hpp"
#include "storage/memory_store.hpp"
#include "storage/rows.hpp"

using namespace evermill;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  fuzz::input in(data, size);
  const auto store = storage::make_memory_store();
  storage::write_batch batch;
  messages::StoreDescription description;
  description.set_format_version(1);
  description.set_partition_count(4);
  description.set_boot_number(9);
  storage::put_description(batch, description);
  while (!in.empty()) {
    const std::uint8_t family = in.byte() % storage::family_count;
    const std::string_view key = in.short_text();
    batch.put(static_cast<storage::family>(family), key, fuzz::framed(family, key, in.text()));
  }
  if (!store->write(batch)) return 0;
  std::uint64_t told = 0;
  const auto report = verification::verify_store(*store, [&](const verify_problem& problem) {
    ++told;
    fuzz::expect(!problem.what.empty() && !problem.advice.empty(), "a problem says what is wrong and what to do");
  });
  fuzz::expect(report.problems == told, "every problem is told");
  return 0;
}
