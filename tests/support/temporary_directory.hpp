// A directory of the running test's own, removed with everything in it.
#pragma once

#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <string>

namespace evermill::tests {

class temporary_directory {
 public:
  temporary_directory() : path_(std::filesystem::temp_directory_path() / name()) {
    std::filesystem::remove_all(path_);
    std::filesystem::create_directories(path_);
  }
  ~temporary_directory() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  temporary_directory(const temporary_directory&) = delete;
  temporary_directory& operator=(const temporary_directory&) = delete;

  const std::filesystem::path& path() const noexcept { return path_; }

 private:
  static std::string name() {
    const ::testing::TestInfo& test = *::testing::UnitTest::GetInstance()->current_test_info();
    std::string text = std::string("evermill-") + test.test_suite_name() + "-" + test.name() + "-" +
                       std::to_string(::getpid());
    std::replace(text.begin(), text.end(), '/', '-');
    return text;
  }

  std::filesystem::path path_;
};

}  // namespace evermill::tests
