// Who may open a directory, and that what is not evermill's stays untouched.
#include <gtest/gtest.h>
#include <rocksdb/db.h>
#include <rocksdb/env.h>
#include <rocksdb/file_system.h>

#include <cerrno>
#include <cstring>
#include <fstream>
#include <functional>
#include <iterator>
#include <thread>
#include <utility>

#include "stores.hpp"
#include "tests/support/interrupted_first_start.hpp"
#include "tests/support/temporary_directory.hpp"

namespace evermill::tests {
namespace {

namespace fs = std::filesystem;
using storage::family;
using storage::storage_errc;

std::string content_of(const fs::path& file) {
  std::ifstream in(file, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

/// Every file below the directory and what is in it.
row_map files_of(const fs::path& directory) {
  row_map files;
  for (const auto& entry : fs::recursive_directory_iterator(directory)) {
    if (entry.is_regular_file()) files.emplace(fs::relative(entry.path(), directory), content_of(entry.path()));
  }
  return files;
}

void write_file(const fs::path& file, std::string_view text) { std::ofstream(file, std::ios::binary) << text; }

void expect_refused(const fs::path& directory, storage_errc code, const std::string& says) {
  const auto opened = try_open(directory);
  ASSERT_FALSE(opened.has_value());
  EXPECT_EQ(opened.error().code, code) << opened.error().message;
  EXPECT_NE(opened.error().message.find(says), std::string::npos) << opened.error().message;
  EXPECT_NE(opened.error().message.find(directory.string()), std::string::npos) << opened.error().message;
}

struct Opening : testing::Test {
  temporary_directory directory;
};

TEST_F(Opening, CreatesTheDirectoryWithItsParents) {
  const fs::path deep = directory.path() / "a" / "b";
  put(*open(deep), family::timers, "k", "v");
  EXPECT_EQ(rows_of(*open(deep), family::timers).size(), 1U);
}

TEST_F(Opening, ASecondOneIsLockedOutUntilTheFirstIsClosed) {
  auto first = open(directory.path());
  expect_refused(directory.path(), storage_errc::locked, "is open in another engine or process");
  put(*first, family::timers, "k", "v");
  first.reset();
  EXPECT_EQ(rows_of(*open(directory.path()), family::timers).size(), 1U);
}

TEST_F(Opening, SaysThatAFileStandsWhereTheDirectoryShouldBe) {
  const fs::path file = directory.path() / "file";
  write_file(file, "precious");
  expect_refused(file, storage_errc::io, "can't be created");
  EXPECT_EQ(content_of(file), "precious");
}

TEST_F(Opening, LeavesADirectoryWithOtherFilesUntouched) {
  write_file(directory.path() / "thesis.txt", "precious");
  const row_map before = files_of(directory.path());
  expect_refused(directory.path(), storage_errc::foreign, "thesis.txt");
  EXPECT_EQ(files_of(directory.path()), before);
}

TEST_F(Opening, TakesADirectoryWithItsOwnFilesAndWhatAnInterruptedStartLeft) {
  write_file(directory.path() / "evermill.sock", "");
  write_file(directory.path() / "LOCK", "");
  write_file(directory.path() / "MANIFEST-000001", "");
  write_file(directory.path() / "000001.dbtmp", "");
  put(*open(directory.path()), family::timers, "k", "v");
}

/// Somebody else's RocksDB with one row, and these column families beside the default one.
void make_foreign_store(const fs::path& directory, const std::vector<std::string>& families) {
  rocksdb::Options options;
  options.create_if_missing = true;
  rocksdb::DB* opened = nullptr;
  ASSERT_TRUE(rocksdb::DB::Open(options, directory.string(), &opened).ok());
  const std::unique_ptr<rocksdb::DB> store(opened);
  for (const std::string& name : families) {
    rocksdb::ColumnFamilyHandle* handle = nullptr;
    ASSERT_TRUE(store->CreateColumnFamily({}, name, &handle).ok());
    store->DestroyColumnFamilyHandle(handle);
  }
  ASSERT_TRUE(store->Put({}, "theirs", "precious").ok());
}

TEST_F(Opening, LeavesAnotherProgramsRocksdbUntouched) {
  for (const std::vector<std::string>& families : {std::vector<std::string>{}, {"accounts"}, {"journal"}}) {
    const temporary_directory theirs;
    make_foreign_store(theirs.path(), families);
    const row_map before = files_of(theirs.path());
    expect_refused(theirs.path(), storage_errc::foreign, "a store that is not evermill's");
    row_map after = files_of(theirs.path());
    for (const auto& [file, bytes] : before) EXPECT_EQ(after[file], bytes) << file;
    rocksdb::DB* opened = nullptr;
    std::vector<std::string> names;
    ASSERT_TRUE(rocksdb::DB::ListColumnFamilies({}, theirs.path().string(), &names).ok());
    EXPECT_EQ(names.size(), families.size() + 1);
    std::vector<rocksdb::ColumnFamilyDescriptor> all;
    for (const std::string& name : names) all.emplace_back(name, rocksdb::ColumnFamilyOptions());
    std::vector<rocksdb::ColumnFamilyHandle*> handles;
    ASSERT_TRUE(rocksdb::DB::OpenForReadOnly({}, theirs.path().string(), all, &handles, &opened).ok());
    std::string value;
    EXPECT_TRUE(opened->Get({}, "theirs", &value).ok());
    EXPECT_EQ(value, "precious");
    for (rocksdb::ColumnFamilyHandle* handle : handles) opened->DestroyColumnFamilyHandle(handle);
    delete opened;
  }
}

/// A file system on which nothing may be created: permission bits do not stop root, who may run the tests.
class read_only_file_system final : public rocksdb::FileSystemWrapper {
 public:
  explicit read_only_file_system(int error) : FileSystemWrapper(rocksdb::FileSystem::Default()), error_(error) {}
  const char* Name() const override { return "ReadOnlyFileSystem"; }
  rocksdb::IOStatus NewWritableFile(const std::string& name, const rocksdb::FileOptions&,
                                    std::unique_ptr<rocksdb::FSWritableFile>*, rocksdb::IODebugContext*) override {
    return refused(name);
  }
  rocksdb::IOStatus ReopenWritableFile(const std::string& name, const rocksdb::FileOptions&,
                                       std::unique_ptr<rocksdb::FSWritableFile>*, rocksdb::IODebugContext*) override {
    return refused(name);
  }
  rocksdb::IOStatus RenameFile(const std::string& name, const std::string&, const rocksdb::IOOptions&,
                               rocksdb::IODebugContext*) override {
    return refused(name);
  }
  rocksdb::IOStatus LockFile(const std::string& name, const rocksdb::IOOptions&, rocksdb::FileLock**,
                             rocksdb::IODebugContext*) override {
    return refused(name);
  }

 private:
  rocksdb::IOStatus refused(const std::string& name) const {
    return rocksdb::IOStatus::IOError("While open a file for appending: " + name, std::strerror(error_));
  }
  const int error_;
};

TEST_F(Opening, SaysThatTheDirectoryCannotBeWritten) {
  put(*open(directory.path()), family::timers, "k", "v");
  for (const int error : {EROFS, EACCES, EPERM}) {
    const auto env = rocksdb::NewCompositeEnv(std::make_shared<read_only_file_system>(error));
    const auto opened = try_open(directory.path(), env.get());
    ASSERT_FALSE(opened.has_value());
    EXPECT_EQ(opened.error().code, storage_errc::read_only) << opened.error().message;
    EXPECT_EQ(opened.error().message, "data directory \"" + directory.path().string() +
                                          "\" can't be written; check its owner and permissions");
  }
  EXPECT_EQ(rows_of(*open(directory.path()), family::timers).size(), 1U);
}

/// Lets another one who has the store open work between the reading of the manifest and that of the files it names.
class interrupted_file_system final : public rocksdb::FileSystemWrapper {
 public:
  explicit interrupted_file_system(std::function<void(const std::string& file)> meanwhile)
      : FileSystemWrapper(rocksdb::FileSystem::Default()), meanwhile_(std::move(meanwhile)) {}
  const char* Name() const override { return "InterruptedFileSystem"; }
  rocksdb::IOStatus NewRandomAccessFile(const std::string& name, const rocksdb::FileOptions& options,
                                        std::unique_ptr<rocksdb::FSRandomAccessFile>* file,
                                        rocksdb::IODebugContext* debug) override {
    interrupt(name);
    return FileSystemWrapper::NewRandomAccessFile(name, options, file, debug);
  }
  rocksdb::IOStatus GetFileSize(const std::string& name, const rocksdb::IOOptions& options, std::uint64_t* bytes,
                                rocksdb::IODebugContext* debug) override {
    interrupt(name);
    return FileSystemWrapper::GetFileSize(name, options, bytes, debug);
  }
  bool has_interrupted() const { return !meanwhile_; }

 private:
  void interrupt(const std::string& name) {
    if (meanwhile_ && name.ends_with(".sst")) std::exchange(meanwhile_, nullptr)(name);
  }
  std::function<void(const std::string& file)> meanwhile_;
};

TEST_F(Opening, ForReadingIsNotMisledByFilesThatItsOwnerDeletesMeanwhile) {
  const auto owner = open(directory.path());
  put(*owner, family::timers, "a", "1");
  ASSERT_TRUE(owner->compact().has_value());
  const auto files = std::make_shared<interrupted_file_system>([&](const std::string& file) {
    put(*owner, family::timers, "a", "2");
    ASSERT_TRUE(owner->compact().has_value());
    while (fs::exists(file)) std::this_thread::yield();  // it is deleted in the background
  });
  const auto env = rocksdb::NewCompositeEnv(files);
  storage::rocksdb_options options;
  options.directory = directory.path();
  options.read_only = true;
  options.env = env.get();
  const auto opened = storage::open_rocksdb_store(options);
  EXPECT_TRUE(files->has_interrupted());
  ASSERT_TRUE(opened.has_value()) << opened.error().message;
  EXPECT_EQ(rows_of(**opened, family::timers), row_map({{"a", "2"}}));
}

TEST_F(Opening, ForReadingTakesAnInterruptedFirstStartForNothing) {
  make_interrupted_first_start(directory.path());
  storage::rocksdb_options options;
  options.directory = directory.path();
  options.read_only = true;
  const auto store = storage::open_rocksdb_store(options);
  ASSERT_FALSE(store.has_value());
  EXPECT_EQ(store.error().code, storage_errc::missing);
}

TEST_F(Opening, ForReadingTellsOfAFileThatIsReallyMissing) {
  put(*open(directory.path()), family::timers, "a", "1");
  ASSERT_TRUE(open(directory.path())->compact().has_value());
  for (const auto& entry : fs::directory_iterator(directory.path())) {
    if (entry.path().extension() == ".sst") fs::remove(entry.path());
  }
  storage::rocksdb_options options;
  options.directory = directory.path();
  options.read_only = true;
  const auto opened = storage::open_rocksdb_store(options);
  ASSERT_FALSE(opened.has_value());
  EXPECT_EQ(opened.error().code, storage_errc::corrupt) << opened.error().message;
}

}  // namespace
}  // namespace evermill::tests
