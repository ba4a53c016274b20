#include "publishing/stream_sink.hpp"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <signal.h>
#include <sys/file.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <sstream>
#include <thread>

#include "tests/support/temporary_directory.hpp"

namespace evermill::publishing {
namespace {

namespace fs = std::filesystem;
using testing::ElementsAre;
using testing::HasSubstr;

std::vector<cloud_event> numbered(int from, int through, std::size_t padding = 0) {
  std::vector<cloud_event> events;
  for (int n = from; n <= through; ++n) {
    cloud_event event;
    event.attributes = {{"specversion", "1.0"}, {"id", std::to_string(n)}};
    event.content_type = "application/json";
    event.data.assign(1, '"').append(padding, 'x').append(1, '"');
    events.push_back(std::move(event));
  }
  return events;
}

std::string text_of(const fs::path& path) {
  std::ifstream in(path);
  std::stringstream all;
  all << in.rdbuf();
  return all.str();
}

/// Each line is an event.
std::vector<std::string> ids_in(const std::string& text) {
  std::vector<std::string> ids;
  std::istringstream lines(text);
  for (std::string line; std::getline(lines, line);) ids.push_back(nlohmann::json::parse(line)["id"]);
  return ids;
}

class FileSink : public testing::Test {
 protected:
  void write(const std::string& text) { std::ofstream(path_, std::ios::app) << text; }
  result<void, sink_error> send(int from, int through) { return sink_->send(numbered(from, through), {}); }

  tests::temporary_directory directory_;
  const fs::path path_ = directory_.path() / "events.jsonl";
  std::unique_ptr<sink> sink_ = make_file_sink(path_);
};

TEST_F(FileSink, AppendsLines) {
  ASSERT_TRUE(send(1, 2));
  ASSERT_TRUE(send(3, 3));
  EXPECT_THAT(ids_in(text_of(path_)), ElementsAre("1", "2", "3"));
}

TEST_F(FileSink, CutsOffATornLine) {
  ASSERT_TRUE(send(1, 1));
  write(R"({"specversion":"1.0","id":"2","da)");
  ASSERT_TRUE(send(2, 2));
  EXPECT_THAT(ids_in(text_of(path_)), ElementsAre("1", "2"));
}

TEST_F(FileSink, CutsOffATornFirstLine) {
  write(R"({"spec)");
  ASSERT_TRUE(send(1, 1));
  EXPECT_THAT(ids_in(text_of(path_)), ElementsAre("1"));
}

TEST_F(FileSink, CutsOffALongTornLine) {
  ASSERT_TRUE(send(1, 1));
  write(R"({"specversion":"1.0","id":"2","data":")" + std::string(10'000, 'x'));
  ASSERT_TRUE(send(2, 2));
  EXPECT_THAT(ids_in(text_of(path_)), ElementsAre("1", "2"));
}

TEST_F(FileSink, CutsNothingOffAnotherFile) {
  write("a letter\nwith love");
  const auto sent = send(1, 1);
  ASSERT_FALSE(sent);
  EXPECT_THAT(sent.error().message, HasSubstr("name another file"));
  EXPECT_EQ(text_of(path_), "a letter\nwith love");
}

TEST_F(FileSink, WritesANewFileWhereTheOldOneWasMovedAway) {
  ASSERT_TRUE(send(1, 1));
  fs::rename(path_, directory_.path() / "old");
  ASSERT_TRUE(send(2, 2));
  EXPECT_THAT(ids_in(text_of(path_)), ElementsAre("2"));
}

TEST_F(FileSink, WaitsForAnotherWriterUntilToldToStop) {
  ASSERT_TRUE(send(1, 1));
  const int other = ::open(path_.c_str(), O_RDONLY | O_CLOEXEC);
  ASSERT_EQ(::flock(other, LOCK_EX), 0);
  std::stop_source stop;
  std::thread stopper([&] { stop.request_stop(); });
  EXPECT_FALSE(sink_->send(numbered(2, 2), stop.get_token()));
  stopper.join();
  std::thread writer([&] { EXPECT_TRUE(send(2, 2)); });
  ::close(other);
  writer.join();
  EXPECT_THAT(ids_in(text_of(path_)), ElementsAre("1", "2"));
}

TEST_F(FileSink, SaysWhatIsWrong) {
  sink_ = make_file_sink(directory_.path() / "nowhere" / "events.jsonl");
  const auto sent = send(1, 1);
  ASSERT_FALSE(sent);
  EXPECT_THAT(sent.error().message, HasSubstr("nowhere/events.jsonl"));
  sink_ = make_file_sink("/dev/null");
  EXPECT_THAT(send(1, 1).error().message, HasSubstr("no regular file"));
  sink_ = make_file_sink(path_);
  EXPECT_TRUE(send(1, 1));
}

class DescriptorSink : public testing::Test {
 protected:
  DescriptorSink() {
    EXPECT_EQ(::pipe2(ends_, O_CLOEXEC), 0);
    sink_ = make_descriptor_sink(ends_[1], "the pipe");
    ::signal(SIGPIPE, SIG_IGN);
  }
  ~DescriptorSink() override {
    for (const int end : ends_) ::close(end);
  }
  std::string read(std::size_t bytes) {
    std::string text(bytes, ' ');
    std::size_t have = 0;
    while (have < bytes) have += static_cast<std::size_t>(::read(ends_[0], text.data() + have, bytes - have));
    return text;
  }

  int ends_[2] = {-1, -1};
  std::unique_ptr<sink> sink_;
};

TEST_F(DescriptorSink, WritesLinesHoweverSlowTheyAreRead) {
  const auto events = numbered(1, 300, 1000);
  std::string expected;
  for (const cloud_event& each : events) expected += to_json_line(each);
  std::thread reader([&] { EXPECT_EQ(read(expected.size()), expected); });
  EXPECT_TRUE(sink_->send(numbered(1, 300, 1000), {}));
  reader.join();
}

TEST_F(DescriptorSink, StopsWhereNobodyReadsAndEndsTheLineLater) {
  std::stop_source stop;
  std::thread stopper([&] { stop.request_stop(); });
  EXPECT_FALSE(sink_->send(numbered(1, 300, 1000), stop.get_token()));
  stopper.join();
  std::string text;
  std::thread reader([&] {
    for (char block[4096]; text.find("\"id\":\"again\"") == std::string::npos || text.back() != '\n';) {
      const ssize_t n = ::read(ends_[0], block, sizeof block);
      if (n <= 0) break;
      text.append(block, static_cast<std::size_t>(n));
    }
  });
  auto again = numbered(1, 1);
  again[0].attributes[1].second = "again";
  EXPECT_TRUE(sink_->send(std::move(again), {}));
  reader.join();
  EXPECT_EQ(ids_in(text).back(), "again") << "and each line is whole";
}

TEST_F(DescriptorSink, SaysThatItsReaderIsGone) {
  ::close(std::exchange(ends_[0], -1));
  const auto sent = sink_->send(numbered(1, 1), {});
  ASSERT_FALSE(sent);
  EXPECT_THAT(sent.error().message, HasSubstr("the pipe"));
}

}  // namespace
}  // namespace evermill::publishing
