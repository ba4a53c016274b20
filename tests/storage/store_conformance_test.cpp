// What every key-value store promises; RocksDB and its twin in memory are both judged by it.
#include <gtest/gtest.h>

#include <functional>
#include <optional>
#include <ostream>
#include <thread>

#include "storage/keys.hpp"
#include "storage/memory_store.hpp"
#include "storage/run_prefix.hpp"
#include "stores.hpp"
#include "tests/support/temporary_directory.hpp"

namespace evermill::tests {
namespace {

using storage::family;
using storage::key_value_store;
using storage::write_batch;
using namespace std::string_literals;

struct kind_of_store {
  const char* name;
  bool durable;
  std::function<std::unique_ptr<key_value_store>(const std::filesystem::path&)> make;
  friend std::ostream& operator<<(std::ostream& to, const kind_of_store& kind) { return to << kind.name; }
};

std::string number(std::uint64_t n) {
  std::string bytes;
  storage::append_number(bytes, n);
  return bytes;
}

std::string run_prefix(std::uint16_t partition, std::uint64_t run) {
  std::string bytes;
  storage::append_partition(bytes, partition_id(partition));
  return bytes + number(run);
}

class KeyValueStore : public testing::TestWithParam<kind_of_store> {
 protected:
  std::optional<std::string> get(family f, std::string_view key) const {
    std::string value = "left over";
    const auto found = store_->get(f, key, value);
    EXPECT_TRUE(found.has_value());
    return *found ? std::optional(value) : std::nullopt;
  }

  temporary_directory directory_;
  std::unique_ptr<key_value_store> store_ = GetParam().make(directory_.path());
};

TEST_P(KeyValueStore, AWalkSeeksForwardInTheStateOfItsBeginning) {
  for (const char* const key : {"a", "b", "d", "e"}) put(*store_, family::executions, key, key);
  const auto walk = store_->scan(family::executions, "a", "e");
  put(*store_, family::executions, "c", "later");
  walk->seek("b");
  ASSERT_TRUE(walk->valid());
  EXPECT_EQ(walk->key(), "b");
  walk->seek("b");
  EXPECT_EQ(walk->key(), "b") << "where it is already";
  walk->seek("bb");
  ASSERT_TRUE(walk->valid());
  EXPECT_EQ(walk->key(), "d");
  EXPECT_EQ(walk->value(), "d");
  walk->seek("dd");
  EXPECT_FALSE(walk->valid()) << "behind the end of the walk";
  EXPECT_TRUE(walk->status().has_value());
}

TEST_P(KeyValueStore, FindsWhatWasPutInItsFamilyOnly) {
  put(*store_, family::timers, "k", "v");
  EXPECT_EQ(get(family::timers, "k"), "v");
  EXPECT_EQ(get(family::timers, "kk"), std::nullopt);
  EXPECT_EQ(get(family::outbox, "k"), std::nullopt);
}

TEST_P(KeyValueStore, KeepsEveryFamilyApart) {
  write_batch batch;
  for (std::size_t f = 0; f < storage::family_count; ++f) {
    batch.put(static_cast<family>(f), "same key", std::to_string(f));
  }
  ASSERT_TRUE(store_->write(batch).has_value());
  for (std::size_t f = 0; f < storage::family_count; ++f) {
    EXPECT_EQ(rows_of(*store_, static_cast<family>(f)), (row_map{{"same key", std::to_string(f)}}));
  }
}

TEST_P(KeyValueStore, AppliesABatchInOrder) {
  write_batch batch;
  batch.put(family::inbox, "a", "1");
  batch.put(family::inbox, "a", "2");
  batch.put(family::inbox, "b", "1");
  batch.erase(family::inbox, "b");
  batch.erase(family::inbox, "c");
  batch.put(family::inbox, "c", "1");
  ASSERT_TRUE(store_->write(batch).has_value());
  EXPECT_EQ(rows_of(*store_, family::inbox), (row_map{{"a", "2"}, {"c", "1"}}));
}

TEST_P(KeyValueStore, ReplacesAndErases) {
  put(*store_, family::inbox, "a", "long value");
  put(*store_, family::inbox, "a", "v");
  EXPECT_EQ(get(family::inbox, "a"), "v");
  write_batch batch;
  batch.erase(family::inbox, "a");
  batch.erase(family::inbox, "never there");
  ASSERT_TRUE(store_->write(batch).has_value());
  EXPECT_EQ(get(family::inbox, "a"), std::nullopt);
  EXPECT_TRUE(rows_of(*store_, family::inbox).empty());
}

TEST_P(KeyValueStore, TakesEmptyValuesAndBinaryKeysInByteOrder) {
  const std::vector<std::string> ordered = {"", "\0"s, "\0\0"s, "\0\x01"s, "\x01", "\x7f", "\x80", "\xff", "\xff\xff"};
  write_batch batch;
  for (auto key = ordered.rbegin(); key != ordered.rend(); ++key) batch.put(family::journal, *key, "");
  ASSERT_TRUE(store_->write(batch).has_value());
  std::vector<std::string> walked;
  for (auto rows = store_->scan(family::journal, "", ""); rows->valid(); rows->next()) {
    EXPECT_EQ(rows->value(), "");
    walked.emplace_back(rows->key());
  }
  EXPECT_EQ(walked, ordered);
  EXPECT_EQ(get(family::journal, "\0"s), "");
}

TEST_P(KeyValueStore, WalksFromIncludedToExcluded) {
  for (const char* key : {"a", "b", "ba", "c", "d"}) put(*store_, family::outbox, key, "");
  EXPECT_EQ(rows_of(*store_, family::outbox, "b", "d"), (row_map{{"b", ""}, {"ba", ""}, {"c", ""}}));
  EXPECT_EQ(rows_of(*store_, family::outbox, "bb", ""), (row_map{{"c", ""}, {"d", ""}}));
  EXPECT_TRUE(rows_of(*store_, family::outbox, "e", "").empty());
  EXPECT_TRUE(rows_of(*store_, family::outbox, "d", "d").empty());
}

TEST_P(KeyValueStore, ACursorSeesTheStateOfItsCreation) {
  put(*store_, family::timers, "a", "1");
  put(*store_, family::timers, "b", "1");
  const auto rows = store_->scan(family::timers, "", "");
  write_batch later;
  later.put(family::timers, "a", "2");
  later.erase(family::timers, "b");
  later.put(family::timers, "c", "2");
  ASSERT_TRUE(store_->write(later).has_value());
  row_map seen;
  for (; rows->valid(); rows->next()) seen.emplace(rows->key(), rows->value());
  EXPECT_EQ(seen, (row_map{{"a", "1"}, {"b", "1"}}));
}

TEST_P(KeyValueStore, AReaderNeverSeesAPartOfABatch) {
  constexpr int batches = 300;
  const auto write = [&](int number) {
    write_batch batch;
    batch.put(family::journal, "first", std::to_string(number));
    batch.put(family::journal, "second", std::to_string(number));
    ASSERT_TRUE(store_->write(batch).has_value());
  };
  write(0);
  std::thread writer([&] {
    for (int i = 1; i <= batches; ++i) write(i);
  });
  std::string last;
  while (last != std::to_string(batches)) {
    const row_map rows = rows_of(*store_, family::journal);
    last = rows.at("first");
    if (rows.at("second") != last) break;
  }
  writer.join();
  EXPECT_EQ(last, std::to_string(batches)) << "the two rows of one batch differed";
}

TEST_P(KeyValueStore, AnEmptyBatchChangesNothing) {
  EXPECT_TRUE(store_->write(write_batch()).has_value());
  for (std::size_t f = 0; f < storage::family_count; ++f) {
    EXPECT_TRUE(rows_of(*store_, static_cast<family>(f)).empty());
  }
}

TEST_P(KeyValueStore, CompactingChangesNoRow) {
  put(*store_, family::journal, "a", "1");
  put(*store_, family::journal, "b", "2");
  ASSERT_TRUE(store_->compact().has_value());
  EXPECT_EQ(rows_of(*store_, family::journal), (row_map{{"a", "1"}, {"b", "2"}}));
}

TEST_P(KeyValueStore, CountsCommits) {
  const auto before = store_->statistics();
  put(*store_, family::timers, "a", "1");
  put(*store_, family::timers, "b", "1");
  EXPECT_EQ(store_->statistics().commits, before.commits + 2);
  EXPECT_EQ(store_->durable(), GetParam().durable);
}

INSTANTIATE_TEST_SUITE_P(, KeyValueStore,
                         testing::Values(kind_of_store{"RocksDB", true,
                                                       [](const std::filesystem::path& directory) {
                                                         return open(directory);
                                                       }},
                                         kind_of_store{"Memory", false,
                                                       [](const std::filesystem::path&) {
                                                         return storage::make_memory_store();
                                                       }}),
                         [](const auto& info) { return std::string(info.param.name); });

TEST(RocksdbStore, KeepsItsRowsAcrossOpenings) {
  const temporary_directory directory;
  put(*open(directory.path()), family::outbox, "a", "1");
  EXPECT_EQ(rows_of(*open(directory.path()), family::outbox), (row_map{{"a", "1"}}));
}

TEST(RocksdbStore, SyncsOncePerCommitAndCountsTheBytes) {
  const temporary_directory directory;
  const auto store = open(directory.path());
  put(*store, family::journal, "first", "");  // the first one syncs the directory too, which has a new log
  const auto before = store->statistics();
  for (int i = 0; i < 10; ++i) put(*store, family::journal, std::to_string(i), std::string(1'000, 'x'));
  const auto after = store->statistics();
  EXPECT_EQ(after.syncs - before.syncs, 10U);
  EXPECT_GE(after.bytes_written - before.bytes_written, 10'000U);
}

/// The journal's rows in memory are ordered within a run only; a scan must not show that.
TEST(RocksdbStore, ScansARunAndAllRunsInOrder) {
  const temporary_directory directory;
  const auto store = open(directory.path());
  constexpr std::uint64_t runs[] = {1, 2, 255, 256, 70'000};
  row_map expected;
  std::uint64_t put_so_far = 0;
  for (std::uint64_t seq = 40; seq > 0; --seq) {
    for (const std::uint64_t run : runs) {
      for (std::uint16_t partition = 0; partition < 2; ++partition) {
        const std::string key = run_prefix(partition, run) + number(seq * 7);
        expected[key] = std::to_string(++put_so_far);
        put(*store, family::journal, key, expected[key]);
      }
    }
    const bool half = seq == 20;  // the rest of each run lies in tables
    ASSERT_TRUE(!half || store->compact().has_value());
  }
  EXPECT_EQ(rows_of(*store, family::journal), expected);
  const std::string from_the_middle = run_prefix(0, 255) + number(100);
  EXPECT_EQ(rows_of(*store, family::journal, from_the_middle),
            row_map(expected.lower_bound(from_the_middle), expected.end()));
  for (const std::uint64_t run : runs) {
    const std::string first = run_prefix(1, run);
    const std::string from = first + number(100);
    const std::string end = storage::end_of(first);
    EXPECT_EQ(rows_of(*store, family::journal, first, end),
              row_map(expected.lower_bound(first), expected.lower_bound(end)));
    EXPECT_EQ(rows_of(*store, family::journal, from, end),
              row_map(expected.lower_bound(from), expected.lower_bound(end)));
  }
}

TEST(RunPrefix, IsPartitionAndRunOfWholeKeysOnly) {
  const std::string run = run_prefix(3, 17);
  EXPECT_EQ(storage::run_prefix_of(run + number(3)), run);
  EXPECT_EQ(storage::run_prefix_of(run), run);
  EXPECT_EQ(storage::run_prefix_of("ab"), "ab");
  EXPECT_EQ(storage::run_prefix_of(run.substr(0, 3)), run.substr(0, 3));
  EXPECT_TRUE(storage::within_one_run(run + number(3), storage::end_of(run)));
  EXPECT_TRUE(storage::within_one_run(run, run + number(9)));
  EXPECT_FALSE(storage::within_one_run(run, storage::end_of(run_prefix(3, 18))));
  EXPECT_FALSE(storage::within_one_run(run, ""));
  EXPECT_FALSE(storage::within_one_run(run.substr(0, 3), storage::end_of(run.substr(0, 3))));
  EXPECT_FALSE(storage::within_one_run("", "b"));
}

TEST(RocksdbStore, IsNotDurableWithoutSync) {
  const temporary_directory directory;
  storage::rocksdb_options options;
  options.directory = directory.path();
  options.sync = false;
  const auto store = storage::open_rocksdb_store(options);
  ASSERT_TRUE(store.has_value());
  EXPECT_FALSE((*store)->durable());
  const auto before = (*store)->statistics();
  put(**store, family::journal, "a", "1");
  EXPECT_EQ((*store)->statistics().syncs, before.syncs);
}

TEST(RocksdbStore, TellsTheSizeOfItsTables) {
  const temporary_directory directory;
  const auto store = open(directory.path());
  EXPECT_EQ(store->statistics().bytes_on_disk, 0U);
  put(*store, family::journal, "a", std::string(1'000, 'x'));
  ASSERT_TRUE(store->compact().has_value());
  EXPECT_GT(store->statistics().bytes_on_disk, 0U);
}

}  // namespace
}  // namespace evermill::tests
