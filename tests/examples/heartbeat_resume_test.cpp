// The import that goes on where it was, in virtual time.
#include "heartbeat_resume.hpp"

#include <gtest/gtest.h>

#include <fstream>

#include "evermill/testing/environment.hpp"
#include "tests/support/temporary_directory.hpp"

namespace heartbeat_resume {
namespace {

using evermill::testing::environment;

class HeartbeatResume : public testing::Test {
 protected:
  HeartbeatResume() {
    std::ofstream(job.file) << "one\ntwo\nthree\nfour\n";  // 19 bytes
  }
  /// Reads as the real one does, and fails for the first time where it has come so far.
  void fail_at(environment& env, std::int64_t bytes) {
    env.replace(import_file, [bytes](const evermill::activity_context& about, const import_job& what) {
      if (about.attempt() > 1) return read_chunks(about, what);
      import_job part = what;
      part.file += ".part";
      std::ifstream whole(what.file);
      std::string text(static_cast<std::size_t>(bytes), ' ');
      whole.read(text.data(), bytes);
      std::ofstream(part.file) << text;
      read_chunks(about, part);
      throw evermill::application_error("Busy", "the disk is busy");
    });
  }
  std::vector<std::string> chunks() const {
    std::ifstream in(job.chunks_file);
    std::vector<std::string> lines;
    for (std::string line; std::getline(in, line);) lines.push_back(line);
    return lines;
  }

  evermill::tests::temporary_directory folder;
  import_job job{(folder.path() / "input").string(), 4, 0, (folder.path() / "chunks").string()};
};

TEST_F(HeartbeatResume, ReadsTheWholeFile) {
  environment env(definitions());
  const progress done = env.start(import, job).result();
  EXPECT_EQ(done.bytes, 19);
  EXPECT_EQ(done.lines, 4);
}

TEST_F(HeartbeatResume, GoesOnWhereTheAttemptBeforeHasFailed) {
  environment env(definitions());
  fail_at(env, 12);
  const progress done = env.start(import, job).result();
  EXPECT_EQ(done.bytes, 19);
  EXPECT_EQ(done.lines, 4);
  EXPECT_EQ(chunks(), (std::vector<std::string>{"0 1", "4 1", "8 1", "12 2", "16 2"}));
}

TEST_F(HeartbeatResume, GoesOnAfterACrashBetweenTwoAttempts) {
  environment env(definitions());
  fail_at(env, 12);
  auto running = env.start(import, job);
  env.settle();
  env.crash();
  EXPECT_EQ(running.result().bytes, 19);
  EXPECT_EQ(chunks().size(), 5U);
}

TEST_F(HeartbeatResume, AFileThatIsNotThereIsNotLookedForAgain) {
  environment env(definitions());
  job.file += ".absent";
  auto running = env.start(import, job);
  EXPECT_THROW(running.result(), evermill::workflow_failed);
  EXPECT_EQ(env.attempts(import_file), 1U);
}

}  // namespace
}  // namespace heartbeat_resume
