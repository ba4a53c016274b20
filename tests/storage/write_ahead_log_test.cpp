// The write-ahead log, cut and changed at every byte: what is read afterwards is a prefix of the batches, and damage
// before the end is refused. docs/storage-format.md, "Recovery", says which is which.
#include <gtest/gtest.h>
#include <rocksdb/env.h>

#include <algorithm>
#include <fstream>

#include "storage/log_tail.hpp"
#include "log_records.hpp"
#include "stores.hpp"
#include "tests/support/temporary_directory.hpp"

namespace evermill::tests {
namespace {

namespace fs = std::filesystem;
using storage::family;
using storage::storage_errc;

constexpr int batches = 4;

std::string numbered(char name, std::ptrdiff_t number) {
  std::string text(1, name);
  text += std::to_string(number);
  return text;
}

class WriteAheadLog : public testing::Test {
 protected:
  WriteAheadLog() {
    const auto store = open(original_.path());
    log_ = only_log();
    for (int i = 0; i < batches; ++i) {
      ends_.push_back(fs::file_size(log_));
      storage::write_batch batch;  // two families, several rows: a part of it would show
      batch.put(family::journal, numbered('a', i), std::string(40, 'x'));
      batch.put(family::timers, numbered('b', i), "timer");
      batch.erase(family::timers, numbered('b', i - 1));
      EXPECT_TRUE(store->write(batch).has_value());
    }
    ends_.push_back(fs::file_size(log_));
    bytes_ = bytes_of(log_);
    // As a crash leaves it: closing would not write anything more, but the copy does not rely on that.
    fs::copy(original_.path(), saved_, fs::copy_options::recursive);
  }
  ~WriteAheadLog() override { fs::remove_all(saved_); }

  fs::path only_log() const {
    fs::path found;
    for (const auto& entry : fs::directory_iterator(original_.path())) {
      if (entry.path().extension() == ".log" && entry.path() > found) found = entry.path();
    }
    return found;
  }

  /// Opens a copy of the store with this log. The number of batches it holds, all of them whole and none missing in
  /// between; or the error of opening.
  storage::storage_result<int> recover(std::string_view log) const {
    const temporary_directory copy;
    fs::copy(saved_, copy.path(), fs::copy_options::recursive | fs::copy_options::overwrite_existing);
    std::ofstream(copy.path() / log_.filename(), std::ios::binary | std::ios::trunc) << log;
    const auto store = try_open(copy.path());
    if (!store) return unexpected(store.error());
    const row_map journal = rows_of(**store, family::journal);
    row_map expected_journal;
    row_map expected_timers;
    for (int i = 0; i < static_cast<int>(journal.size()); ++i) {
      expected_journal.emplace(numbered('a', i), std::string(40, 'x'));
      expected_timers = {{numbered('b', i), "timer"}};
    }
    EXPECT_EQ(journal, expected_journal);
    EXPECT_EQ(rows_of(**store, family::timers), expected_timers);
    return static_cast<int>(journal.size());
  }

  std::string flipped(std::size_t offset, unsigned bit = 4) const {
    std::string changed = bytes_;
    changed[offset] = static_cast<char>(changed[offset] ^ (1U << bit));
    return changed;
  }

  temporary_directory original_;
  const fs::path saved_ = original_.path().string() + "-saved";
  fs::path log_;
  std::vector<std::size_t> ends_;  ///< of the log before each batch, and at last of all
  std::string bytes_;
};

TEST_F(WriteAheadLog, HoldsEveryBatch) {
  const auto found = recover(bytes_);
  ASSERT_TRUE(found.has_value()) << found.error().message;
  EXPECT_EQ(*found, batches);
}

TEST_F(WriteAheadLog, CutAtAnyByteHoldsExactlyTheBatchesBeforeTheCut) {
  for (std::size_t size = ends_[batches - 2]; size < bytes_.size(); ++size) {
    const auto found = recover(std::string_view(bytes_).substr(0, size));
    ASSERT_TRUE(found.has_value()) << "cut at " << size << ": " << found.error().message;
    EXPECT_EQ(*found, size < ends_[batches - 1] ? batches - 2 : batches - 1) << "cut at " << size;
  }
}

TEST_F(WriteAheadLog, FollowedByZeroesOrByTheBeginningOfARecordHoldsEveryBatch) {
  // What a file system may leave behind the end: a block that was allocated and not written, a torn header.
  const std::string next_record = bytes_.substr(ends_[0], 3);
  for (const std::string& tail : {std::string(100, '\0'), next_record}) {
    const auto found = recover(bytes_ + tail);
    ASSERT_TRUE(found.has_value()) << found.error().message;
    EXPECT_EQ(*found, batches);
  }
}

TEST_F(WriteAheadLog, ChangedInTheMiddleIsRefused) {
  for (const std::size_t record : {std::size_t{1}, std::size_t{2}}) {
    for (std::size_t offset = ends_[record]; offset < ends_[record + 1]; ++offset) {
      const auto found = recover(flipped(offset));
      ASSERT_FALSE(found.has_value()) << "byte " << offset - ends_[record] << ": " << *found << " batches";
      EXPECT_EQ(found.error().code, storage_errc::corrupt) << found.error().message;
    }
  }
}

TEST_F(WriteAheadLog, WithZeroesInPlaceOfARecordInTheMiddleIsRefused) {
  std::string changed = bytes_;
  changed.replace(ends_[1], ends_[2] - ends_[1], ends_[2] - ends_[1], '\0');
  const auto found = recover(changed);
  ASSERT_FALSE(found.has_value()) << *found << " batches";
  EXPECT_EQ(found.error().code, storage_errc::corrupt) << found.error().message;
  // A crash can leave this in a manifest, where several records are synced together.
  EXPECT_FALSE(storage::hides_a_good_record(changed, storage::log_kind::manifest));
}

/// One bit of a record's type makes it one of a recycled log, which would end the log.
TEST_F(WriteAheadLog, WithARecordThatSeemsRecycledIsRefused) {
  constexpr std::size_t type_at = 6;
  constexpr char recycled = 4;
  for (int record = 0; record < batches; ++record) {
    std::string changed = bytes_;
    changed[ends_[static_cast<std::size_t>(record)] + type_at] ^= recycled;
    const auto found = recover(changed);
    ASSERT_FALSE(found.has_value()) << "record " << record << ": " << *found << " batches";
    EXPECT_EQ(found.error().code, storage_errc::corrupt) << found.error().message;
  }
}

TEST_F(WriteAheadLog, WithZeroesBeforeAGoodBlockIsDamaged) {
  constexpr std::size_t block_bytes = 32u << 10;
  std::string first = bytes_.substr(0, ends_[1]);
  first.resize(block_bytes, '\0');
  const std::string zeroes(block_bytes / 2, '\0');
  const temporary_directory directory;
  const auto check = [&](const std::string& log, storage::log_kind kind) {
    const fs::path file = directory.path() / "a.log";
    std::ofstream(file, std::ios::binary) << log;
    storage::log_contents contents;
    return storage::check_log(*rocksdb::Env::Default(), file.string(), kind, contents);
  };
  EXPECT_TRUE(check(first + bytes_, storage::log_kind::commits).IsCorruption());
  EXPECT_TRUE(check(first + zeroes, storage::log_kind::commits).ok());
  EXPECT_TRUE(check(first + bytes_, storage::log_kind::manifest).ok());
}

TEST_F(WriteAheadLog, ChangedInItsLastRecordIsRefused) {
  for (std::size_t offset = ends_[batches - 1]; offset < bytes_.size(); ++offset) {
    const auto found = recover(flipped(offset));
    ASSERT_FALSE(found.has_value()) << "byte " << offset - ends_[batches - 1] << ": " << *found << " batches";
    EXPECT_EQ(found.error().code, storage_errc::corrupt) << found.error().message;
  }
}

/// Such a record seems to be torn, by its length alone; also where one follows that is.
TEST_F(WriteAheadLog, WithADamagedLengthOfItsLastRecordIsRefused) {
  const std::size_t last = ends_[batches - 1];
  const std::string torn = bytes_.substr(last, 30);
  for (const std::string& tail : {std::string(), torn}) {
    for (unsigned bit = 0; bit < 16; ++bit) {
      const std::string log = flipped(last + 4 + bit / 8, bit % 8) + tail;
      const auto found = recover(log);
      ASSERT_FALSE(found.has_value()) << "bit " << bit << ", then " << tail.size() << " bytes: " << *found << " batches";
      EXPECT_EQ(found.error().code, storage_errc::corrupt) << found.error().message;
    }
  }
  std::string long_one = bytes_;
  long_one[last + 4] = long_one[last + 5] = '\xff';
  EXPECT_FALSE(recover(long_one).has_value());
}

TEST_F(WriteAheadLog, ThatIsMissingIsNotTakenForAnEmptyOne) {
  const temporary_directory copy;
  fs::copy(saved_, copy.path(), fs::copy_options::recursive | fs::copy_options::overwrite_existing);
  fs::remove(copy.path() / log_.filename());
  const auto store = try_open(copy.path());
  ASSERT_FALSE(store.has_value()) << rows_of(**store, family::journal).size() << " batches";
  EXPECT_EQ(store.error().code, storage_errc::corrupt) << store.error().message;
}

/// A copy of a store with two logs: a row of a family that was not flushed keeps the first one alive.
class TwoLogs : public testing::Test {
 protected:
  TwoLogs() {
    storage::rocksdb_options options;
    options.directory = live_.path();
    options.memtable_bytes = 256u << 10;
    const auto store = storage::open_rocksdb_store(options);
    put(**store, family::timers, "early", "row");
    for (int i = 0; logs().size() < 2 && i < 1'000; ++i) {
      put(**store, family::journal, numbered('a', i), std::string(4'000, 'x'));
    }
    put(**store, family::timers, "late", "row");
    fs::copy(live_.path(), copy_, fs::copy_options::recursive);
  }
  ~TwoLogs() override { fs::remove_all(copy_); }

  std::vector<fs::path> logs() const {
    std::vector<fs::path> found;
    for (const auto& entry : fs::directory_iterator(live_.path())) {
      if (entry.path().extension() == ".log") found.push_back(copy_ / entry.path().filename());
    }
    std::sort(found.begin(), found.end());
    return found;
  }
  void expect_corrupt() const {
    const auto store = try_open(copy_);
    ASSERT_FALSE(store.has_value());
    EXPECT_EQ(store.error().code, storage_errc::corrupt) << store.error().message;
  }

  temporary_directory live_;
  const fs::path copy_ = live_.path().string() + "-copy";
};

TEST_F(TwoLogs, AreBothRead) {
  ASSERT_EQ(logs().size(), 2U);
  EXPECT_EQ(rows_of(*open(copy_), family::timers), (row_map{{"early", "row"}, {"late", "row"}}));
}

TEST_F(TwoLogs, WithoutTheFirstAreRefused) {
  ASSERT_EQ(logs().size(), 2U);
  fs::remove(logs().front());
  expect_corrupt();
}

TEST_F(TwoLogs, WithAShorterFirstAreRefused) {
  ASSERT_EQ(logs().size(), 2U);
  const fs::path first = logs().front();
  fs::resize_file(first, fs::file_size(first) - 1);
  expect_corrupt();
}

/// Whatever became of its end: what the second one holds came after it.
TEST_F(TwoLogs, WithADamagedEndOfTheFirstAreRefused) {
  ASSERT_EQ(logs().size(), 2U);
  const std::string name = logs().front().filename();
  const std::string whole = bytes_of(copy_ / name);
  const std::size_t last = last_record(whole);
  for (const char filler : {'\0', '\x7f', '\xff'}) {
    for (const std::size_t from : {std::size_t{0}, std::size_t{3}, last, last + 4, last + 7, last - 5'000}) {
      const temporary_directory damaged;
      fs::copy(copy_, damaged.path(), fs::copy_options::recursive | fs::copy_options::overwrite_existing);
      std::string changed = whole;
      changed.replace(from, changed.size() - from, changed.size() - from, filler);
      std::ofstream(damaged.path() / name, std::ios::binary | std::ios::trunc) << changed;
      const auto store = try_open(damaged.path());
      ASSERT_FALSE(store.has_value()) << "the last " << whole.size() - from << " bytes are " << int{filler} << ": "
                                      << rows_of(**store, family::journal).size() << " rows";
      EXPECT_EQ(store.error().code, storage_errc::corrupt) << store.error().message;
    }
  }
}

class LogContents : public testing::Test {
 protected:
  storage::log_contents contents_of(const std::string& log) const {
    const fs::path file = directory_.path() / "a.log";
    std::ofstream(file, std::ios::binary) << log;
    storage::log_contents contents;
    EXPECT_TRUE(storage::check_log(*rocksdb::Env::Default(), file.string(), storage::log_kind::commits, contents).ok());
    return contents;
  }
  /// A log of one batch, whose rows are numbered from there on, on and on where it is cut.
  static std::string log_of(std::uint64_t first, std::uint32_t rows, std::size_t payload_bytes) {
    std::string log(7, '\0');  // the checksum is not looked at here
    log[4] = static_cast<char>(payload_bytes & 0xff);
    log[5] = static_cast<char>(payload_bytes >> 8);
    log[6] = 1;
    for (unsigned i = 0; i < 8; ++i) log.push_back(static_cast<char>(first >> (8 * i)));
    for (unsigned i = 0; i < 4; ++i) log.push_back(static_cast<char>(rows >> (8 * i)));
    log.resize(7 + payload_bytes, 'x');
    return log;
  }

  temporary_directory directory_;
};

TEST_F(LogContents, TellWhetherTheNextLogFollows) {
  const storage::log_contents next = contents_of(log_of(15, 2, 40));
  EXPECT_TRUE(next.ends_whole);
  EXPECT_EQ(next.first_sequence, 15U);
  EXPECT_EQ(next.next_sequence, 17U);
  const std::string before = log_of(10, 5, 40);
  // Whole, and then the beginning of a batch that a crash has torn: the next log begins with its number.
  EXPECT_FALSE(lacks_its_end(contents_of(before), next));
  EXPECT_FALSE(lacks_its_end(contents_of(before + log_of(15, 1, 40).substr(0, 30)), next));
  // Torn in its only batch; of an earlier one, which had what is missing.
  for (std::size_t size = 1; size < 47; ++size) EXPECT_FALSE(lacks_its_end(contents_of(log_of(15, 3, 40).substr(0, size)), next)) << size;
  EXPECT_TRUE(lacks_its_end(contents_of(log_of(9, 6, 40).substr(0, 46)), next));
  EXPECT_TRUE(lacks_its_end(contents_of(log_of(8, 2, 40) + std::string(47, '\0')), next));
  EXPECT_TRUE(lacks_its_end(contents_of(std::string(47, '\0')), next));
  // There is nothing behind it.
  EXPECT_FALSE(lacks_its_end(contents_of(std::string(47, '\0')), contents_of("")));
  EXPECT_FALSE(lacks_its_end(contents_of(""), next));
}

}  // namespace
}  // namespace evermill::tests
