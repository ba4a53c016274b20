#include "storage/rocksdb_lines.hpp"

#include <rocksdb/env.h>

#include <array>
#include <cstdarg>
#include <cstdio>
#include <cstring>
#include <utility>

namespace evermill::storage {
namespace {

class rocksdb_lines final : public rocksdb::Logger {
 public:
  explicit rocksdb_lines(log lines) : Logger(rocksdb::InfoLogLevel::WARN_LEVEL), lines_(std::move(lines)) {}
  using Logger::Logv;
  void Logv(const char* format, va_list arguments) override { write(rocksdb::InfoLogLevel::WARN_LEVEL, format, arguments); }
  void Logv(rocksdb::InfoLogLevel level, const char* format, va_list arguments) override {
    if (level >= GetInfoLogLevel() && level < rocksdb::InfoLogLevel::HEADER_LEVEL) write(level, format, arguments);
  }

 private:
  void write(rocksdb::InfoLogLevel level, const char* format, va_list arguments) {
    std::array<char, 1024> text{};
    std::vsnprintf(text.data(), text.size(), format, arguments);
    if (std::strstr(text.data(), "While lock file") != nullptr) return;  // who opens it says so, or waits
    const bool error = level > rocksdb::InfoLogLevel::WARN_LEVEL;
    lines_.write(error ? spdlog::level::err : spdlog::level::warn, {}, "RocksDB: {}", text.data());
  }

  const log lines_;
};

}  // namespace

std::shared_ptr<rocksdb::Logger> make_rocksdb_lines(log lines) {
  return std::make_shared<rocksdb_lines>(std::move(lines));
}

}  // namespace evermill::storage
