// As much of SQLite as a queue needs, in C++. Nothing here knows what a stream is.
#pragma once

#include <sqlite3.h>

#include <atomic>
#include <cstdint>
#include <initializer_list>
#include <map>
#include <memory>
#include <stdexcept>
#include <string>
#include <string_view>

#include "address.hpp"

namespace sqlite_queue {

/// SQLite could not do something. Stays inside the plugin: what leaves it are broker_errors, by `attempt`.
class sqlite_failure : public std::runtime_error {
 public:
  sqlite_failure(int code, const std::string& path, const std::string& message);
  /// refused: it will fail again, as the file is damaged or another's. unavailable: it may work later.
  broker_error why() const;
  bool is_busy() const { return code_ == SQLITE_BUSY; }

 private:
  const int code_;
};

/// What `work` returns, or why it could not.
template <class Work>
auto attempt(const Work& work) -> decltype(work()) {
  try {
    return work();
  } catch (const sqlite_failure& failure) {
    return evermill::unexpected(failure.why());
  }
}

/// Bytes that are no text.
struct blob {
  const std::string& bytes;
};

class connection;

/// What a statement gives, row by row. Ends the statement when it is destroyed.
class rows {
 public:
  rows(const connection& of, sqlite3_stmt* statement) : of_(of), statement_(statement) {}
  rows(const rows&) = delete;
  rows& operator=(const rows&) = delete;
  ~rows();
  bool next();
  /// SQLite's numbers have a sign; ours, positions and fences, keep their 64 bits.
  std::uint64_t number(int column) const;
  std::string bytes(int column) const;

 private:
  const connection& of_;
  sqlite3_stmt* const statement_;
};

/// One connection to the file. Used by one thread at a time.
class connection {
 public:
  /// Creates the file where there is none. Others that write are waited for as long as `patience` says; hardly at all once
  /// `hurry` is set.
  connection(std::string path, milliseconds patience, const std::atomic<bool>& hurry);
  connection(const connection&) = delete;
  connection& operator=(const connection&) = delete;

  template <class... Values>
  rows select(std::string_view sql, const Values&... values) {
    sqlite3_stmt* const statement = prepared(sql);
    int index = 0;
    (bind(statement, ++index, values), ...);
    return {*this, statement};
  }
  /// Says how many rows it has changed, inserted or deleted.
  template <class... Values>
  std::uint64_t execute(std::string_view sql, const Values&... values) {
    select(sql, values...).next();
    return static_cast<std::uint64_t>(sqlite3_changes64(handle_.get()));
  }

  /// Another one whenever anything in the file may have changed. Cheap: nothing is read.
  std::uint64_t version();
  /// From here on a log of what is written lies beside the file, so that those who read and those who write do not wait for
  /// each other. `statements` make the tables, where that was not done yet.
  void prepare_file(std::initializer_list<std::string_view> statements);

  const std::string& path() const { return path_; }
  [[noreturn]] void fail(int code) const;
  void check(int code) const {
    if (code != SQLITE_OK) fail(code);
  }
  bool in_transaction() const { return sqlite3_get_autocommit(handle_.get()) == 0; }

 private:
  static int wait_for_others(void* self, int times);
  bool has_tables();
  sqlite3_stmt* prepared(std::string_view sql);
  void bind(sqlite3_stmt* to, int index, std::uint64_t number);
  void bind(sqlite3_stmt* to, int index, std::string_view text);
  void bind(sqlite3_stmt* to, int index, blob bytes);

  using handle = std::unique_ptr<sqlite3, int (*)(sqlite3*)>;
  using statement = std::unique_ptr<sqlite3_stmt, int (*)(sqlite3_stmt*)>;

  const std::string path_;
  const milliseconds patience_;
  const std::atomic<bool>& hurry_;
  steady_clock::time_point waits_since_{};
  handle handle_{nullptr, sqlite3_close};
  std::map<std::string, statement, std::less<>> statements_;  // after the handle: they go first
};

/// Takes back what was done in it, unless it was committed.
class transaction {
 public:
  /// `begin`: "BEGIN", to read several things of one moment, or "BEGIN IMMEDIATE", to write: one process at a time can.
  transaction(connection& on, std::string_view begin) : on_(on) { on_.execute(begin); }
  transaction(const transaction&) = delete;
  transaction& operator=(const transaction&) = delete;
  ~transaction();
  void commit() { on_.execute("COMMIT"); }

 private:
  connection& on_;
};

}  // namespace sqlite_queue
