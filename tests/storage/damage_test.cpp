// A store with damaged tables, manifest or CURRENT: refused on opening or on the read that meets it, never read wrongly.
#include <gtest/gtest.h>

#include <fstream>
#include <functional>
#include <vector>

#include "log_records.hpp"
#include "stores.hpp"
#include "tests/support/temporary_directory.hpp"

namespace evermill::tests {
namespace {

namespace fs = std::filesystem;
using storage::family;
using storage::storage_errc;

class DamagedStore : public testing::Test {
 protected:
  DamagedStore() {
    const auto store = open(directory_.path());
    storage::write_batch batch;
    for (int i = 0; i < 500; ++i) {
      const std::string number = std::to_string(1'000 + i);
      rows_.emplace("key " + number, "value " + number);
      batch.put(family::journal, "key " + number, "value " + number);
    }
    EXPECT_TRUE(store->write(batch).has_value());
    EXPECT_TRUE(store->compact().has_value());
  }

  /// The one file whose name begins and ends so.
  fs::path file(std::string_view begin, std::string_view end) const {
    fs::path found;
    for (const auto& entry : fs::directory_iterator(directory_.path())) {
      const std::string name = entry.path().filename();
      if (!name.starts_with(begin) || !name.ends_with(end)) continue;
      EXPECT_TRUE(found.empty()) << "there is more than one";
      found = entry.path();
    }
    EXPECT_FALSE(found.empty());
    return found;
  }
  static void flip(const fs::path& path, std::size_t offset) {
    std::fstream bytes(path, std::ios::in | std::ios::out | std::ios::binary);
    bytes.seekg(static_cast<std::streamoff>(offset));
    const int byte = bytes.get();
    bytes.seekp(static_cast<std::streamoff>(offset));
    bytes.put(static_cast<char>(byte ^ 0x40));
  }

  /// Opens and reads everything; the first error, or nothing where all rows are there.
  std::optional<storage::storage_error> read_all() const {
    const auto store = try_open(directory_.path());
    if (!store) return store.error();
    const auto walk = (*store)->scan(family::journal, "", "");
    row_map seen;
    for (; walk->valid(); walk->next()) seen.emplace(walk->key(), walk->value());
    if (const auto status = walk->status(); !status) {
      for (const auto& [key, value] : seen) EXPECT_EQ(rows_.at(key), value);
      return status.error();
    }
    EXPECT_EQ(seen, rows_) << "rows were lost or changed, and nobody said so";
    return std::nullopt;
  }
  void expect_corrupt(const std::string& what) const {
    const auto error = read_all();
    ASSERT_TRUE(error.has_value()) << what;
    EXPECT_EQ(error->code, storage_errc::corrupt) << what << ": " << error->message;
    EXPECT_NE(error->message.find(directory_.path().string()), std::string::npos) << error->message;
  }

  temporary_directory directory_;
  row_map rows_;
};

TEST_F(DamagedStore, IsReadWhereNothingIsDamaged) { EXPECT_FALSE(read_all().has_value()); }

TEST_F(DamagedStore, IsRefusedWithoutItsTable) {
  fs::remove(file("", ".sst"));
  expect_corrupt("no table");
}

TEST_F(DamagedStore, IsRefusedWithAShorterTable) {
  const fs::path table = file("", ".sst");
  for (const auto size : {fs::file_size(table) - 1, fs::file_size(table) / 2, std::uintmax_t{0}}) {
    fs::resize_file(table, size);
    expect_corrupt(std::to_string(size) + " bytes");
  }
}

TEST_F(DamagedStore, IsRefusedWhereAByteOfARowIsChanged) {
  flip(file("", ".sst"), 100);
  expect_corrupt("a byte of a data block");
}

TEST_F(DamagedStore, NeverReadsATableWronglyWhicheverByteIsChanged) {
  const fs::path table = file("", ".sst");
  const std::size_t size = fs::file_size(table);
  for (std::size_t offset = 0; offset < size; offset += 61) {
    flip(table, offset);
    if (const auto error = read_all()) {
      EXPECT_EQ(error->code, storage_errc::corrupt) << offset << ": " << error->message;
    }  // else the byte is one that no row depends on: read_all compared them all
    flip(table, offset);
  }
}

/// Each table has a row of its own and new values of the rows before it.
TEST_F(DamagedStore, NeverReadsSeveralTablesWronglyWhicheverByteOfOneIsChanged) {
  for (int table = 0; table < 3; ++table) {
    const auto store = open(directory_.path());
    storage::write_batch batch;
    const std::string value(10, static_cast<char>('0' + table));
    for (int i = 3 - table; i > 0; --i) {
      const std::string key(1, static_cast<char>('0' + i));
      rows_[key] = value;
      batch.put(family::journal, key, value);
    }
    EXPECT_TRUE(store->write(batch).has_value());  // recovery makes a table of it
  }
  ASSERT_FALSE(read_all().has_value());
  std::vector<fs::path> tables;
  for (const auto& entry : fs::directory_iterator(directory_.path())) {
    if (entry.path().extension() == ".sst" && fs::file_size(entry.path()) < 4'000) tables.push_back(entry.path());
  }
  ASSERT_EQ(tables.size(), 3U);
  for (const fs::path& table : tables) {
    for (std::size_t offset = 0; offset < 60; offset += 3) {  // rows and their checksum
      flip(table, offset);
      expect_corrupt(table.filename().string() + ", byte " + std::to_string(offset));
      flip(table, offset);
    }
  }
}

TEST_F(DamagedStore, IsRefusedWithoutItsManifest) {
  fs::remove(file("MANIFEST-", ""));
  const auto error = read_all();
  ASSERT_TRUE(error.has_value());
  EXPECT_EQ(error->code, storage_errc::corrupt) << error->message;
}

TEST_F(DamagedStore, IsRefusedWhereAByteOfTheManifestIsChanged) {
  const fs::path manifest = file("MANIFEST-", "");
  const std::size_t size = fs::file_size(manifest);
  const std::size_t last = last_record(bytes_of(manifest));
  ASSERT_GT(last, 0U);
  std::vector<std::size_t> offsets{last + 4, last + 5};  // of the last record's length: it seems to be torn, by that alone
  for (std::size_t offset = 0; offset < size; offset += 7) offsets.push_back(offset);
  for (const std::size_t offset : offsets) {
    flip(manifest, offset);
    const auto error = read_all();
    ASSERT_TRUE(error.has_value()) << "byte " << offset << " of " << size;
    EXPECT_EQ(error->code, storage_errc::corrupt) << offset << ": " << error->message;
    flip(manifest, offset);
  }
}

TEST_F(DamagedStore, IsRefusedWhereCurrentIsEmptyOrNamesNoManifest) {
  const fs::path current = directory_.path() / "CURRENT";
  for (const char* text : {"", "MANIFEST-999999\n", "MANIFEST-", "nonsense\n"}) {
    std::ofstream(current, std::ios::trunc) << text;
    expect_corrupt(text);
  }
}

TEST_F(DamagedStore, WithoutCurrentIsNotTakenForANewOne) {
  fs::remove(directory_.path() / "CURRENT");
  const auto error = read_all();
  ASSERT_TRUE(error.has_value());
  EXPECT_TRUE(error->code == storage_errc::foreign || error->code == storage_errc::corrupt) << error->message;
}

}  // namespace
}  // namespace evermill::tests
