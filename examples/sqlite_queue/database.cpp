#include "database.hpp"

#include <algorithm>
#include <thread>
#include <utility>

namespace sqlite_queue {
namespace {

constexpr std::uint64_t tables_version = 1;  // counts up whenever tables change

}  // namespace

sqlite_failure::sqlite_failure(int code, const std::string& path, const std::string& message)
    : std::runtime_error("sqlite " + path + ": " + message + " (" + std::to_string(code) + ")"), code_(code & 0xff) {}

broker_error sqlite_failure::why() const {
  switch (code_) {
    case SQLITE_BUSY:
    case SQLITE_CANTOPEN:
    case SQLITE_FULL:
    case SQLITE_IOERR:
    case SQLITE_NOMEM:
    case SQLITE_PROTOCOL:
      return {broker_errc::unavailable, what()};
    default:
      return {broker_errc::refused, what()};
  }
}

rows::~rows() {
  sqlite3_reset(statement_);
  sqlite3_clear_bindings(statement_);
}

bool rows::next() {
  const int code = sqlite3_step(statement_);
  if (code != SQLITE_ROW && code != SQLITE_DONE) of_.fail(code);
  return code == SQLITE_ROW;
}

std::uint64_t rows::number(int column) const {
  return static_cast<std::uint64_t>(sqlite3_column_int64(statement_, column));
}

std::string rows::bytes(int column) const {
  const auto* const begin = static_cast<const char*>(sqlite3_column_blob(statement_, column));
  const auto size = static_cast<std::size_t>(sqlite3_column_bytes(statement_, column));
  return begin == nullptr ? std::string() : std::string(begin, size);
}

connection::connection(std::string path, milliseconds patience, const std::atomic<bool>& hurry)
    : path_(std::move(path)), patience_(patience), hurry_(hurry) {
  sqlite3* opened = nullptr;
  const int code = sqlite3_open_v2(path_.c_str(), &opened,
                                   SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX, nullptr);
  handle_.reset(opened);  // also where it failed: then it knows why
  check(code);
  sqlite3_extended_result_codes(opened, 1);
  sqlite3_busy_handler(opened, wait_for_others, this);
}

void connection::fail(int code) const { throw sqlite_failure(code, path_, sqlite3_errmsg(handle_.get())); }

/// SQLite asks it whenever another process is in the way: 0 gives up. SQLite's own one (sqlite3_busy_timeout) sleeps for
/// ever longer, so that whoever has waited for long is the last to get it: this one for ever shorter.
int connection::wait_for_others(void* self, int times) {
  auto& of = *static_cast<connection*>(self);
  const auto now = steady_clock::now();
  if (times == 0) of.waits_since_ = now;
  const auto waited = now - of.waits_since_;
  if (waited > (of.hurry_ ? std::min(milliseconds(200), of.patience_) : of.patience_)) return 0;
  const int pause = waited < milliseconds(100) ? 2'000 : waited < milliseconds(500) ? 1'000 : 250;
  std::this_thread::sleep_for(std::chrono::microseconds(pause));
  return 1;
}

std::uint64_t connection::version() {
  rows found = select("PRAGMA data_version");  // counts what other connections commit
  return (found.next() ? found.number(0) : 0) + static_cast<std::uint64_t>(sqlite3_total_changes64(handle_.get()));
}

bool connection::has_tables() {
  rows found = select("PRAGMA user_version");
  const std::uint64_t version = found.next() ? found.number(0) : 0;
  if (version > tables_version) throw sqlite_failure(SQLITE_NOTADB, path_, "was made by another version of this plugin");
  return version == tables_version;
}

void connection::prepare_file(std::initializer_list<std::string_view> statements) {
  // Processes that come at once are in each other's way, of which SQLite does not always tell its busy handler.
  for (const auto end = steady_clock::now() + patience_;;) {
    try {
      rows mode = select("PRAGMA journal_mode = WAL");
      if (mode.next() && mode.bytes(0) == "wal") break;
      throw sqlite_failure(SQLITE_PERM, path_, "has no write-ahead log here: put it on a disk of this machine");
    } catch (const sqlite_failure& failure) {
      if (!failure.is_busy() || steady_clock::now() > end) throw;
    }
    std::this_thread::sleep_for(milliseconds(5));
  }
  if (has_tables()) return;
  transaction all(*this, "BEGIN IMMEDIATE");
  if (has_tables()) return;  // another process was faster
  for (const std::string_view each : statements) execute(each);
  execute("PRAGMA user_version = 1");
  all.commit();
}

sqlite3_stmt* connection::prepared(std::string_view sql) {
  const auto found = statements_.find(sql);
  if (found != statements_.end()) return found->second.get();
  sqlite3_stmt* made = nullptr;
  check(sqlite3_prepare_v3(handle_.get(), sql.data(), static_cast<int>(sql.size()), SQLITE_PREPARE_PERSISTENT, &made, nullptr));
  return statements_.emplace(sql, statement(made, sqlite3_finalize)).first->second.get();
}

void connection::bind(sqlite3_stmt* to, int index, std::uint64_t number) {
  check(sqlite3_bind_int64(to, index, static_cast<sqlite3_int64>(number)));
}
void connection::bind(sqlite3_stmt* to, int index, std::string_view text) {
  check(sqlite3_bind_text64(to, index, text.data(), text.size(), SQLITE_TRANSIENT, SQLITE_UTF8));
}
void connection::bind(sqlite3_stmt* to, int index, blob bytes) {
  check(sqlite3_bind_blob64(to, index, bytes.bytes.data(), bytes.bytes.size(), SQLITE_TRANSIENT));
}

transaction::~transaction() {
  if (!on_.in_transaction()) return;
  try {
    on_.execute("ROLLBACK");
  } catch (const sqlite_failure&) {  // SQLite has taken it back by itself
  }
}

}  // namespace sqlite_queue
