#include "plugins/queue/redis/connection.hpp"

#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <cstring>
#include <utility>

#include "base/check.hpp"

namespace evermill::queue {
namespace {

using std::chrono::milliseconds;
using std::chrono::steady_clock;

int poll_limit(steady_clock::time_point end) {
  const auto left = std::chrono::ceil<milliseconds>(end - steady_clock::now()).count();
  return static_cast<int>(std::clamp<std::int64_t>(left, 0, 3'600'000));
}

/// The word that an error reply begins with.
std::string_view code_of(std::string_view text) { return text.substr(0, text.find(' ')); }

unsigned major_version(const redisReply& hello) {
  for (std::size_t i = 0; i + 1 < hello.elements; i += 2) {
    if (text_of(*hello.element[i]) == "version") return static_cast<unsigned>(number_of(*hello.element[i + 1]));
  }
  return 0;
}

}  // namespace

wake_event::wake_event() : descriptor_(::eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC)) {
  EVERMILL_CHECK(descriptor_ >= 0, "an eventfd can be made");
}
wake_event::~wake_event() { ::close(descriptor_); }
void wake_event::set() { ::eventfd_write(descriptor_, 1); }
void wake_event::clear() {
  eventfd_t ignored = 0;
  ::eventfd_read(descriptor_, &ignored);
}
bool wake_event::is_set() const {
  pollfd asked{descriptor_, POLLIN, 0};
  return ::poll(&asked, 1, 0) > 0;
}

void wait_for(const wake_event& one, const wake_event& other, std::optional<milliseconds> limit) {
  std::array<pollfd, 2> asked{{{one.descriptor(), POLLIN, 0}, {other.descriptor(), POLLIN, 0}}};
  ::poll(asked.data(), asked.size(), limit ? static_cast<int>(limit->count()) : -1);
}

std::uint64_t number_of(const redisReply& reply) noexcept {
  if (reply.type == REDIS_REPLY_INTEGER) return static_cast<std::uint64_t>(reply.integer);
  std::uint64_t number = 0;
  const std::string_view text = text_of(reply);
  std::from_chars(text.data(), text.data() + text.size(), number);
  return number;
}

position position_of(std::string_view id) noexcept {
  position at = 0;
  if (const std::size_t dash = id.find('-'); dash != std::string_view::npos) id.remove_prefix(dash + 1);
  std::from_chars(id.data(), id.data() + id.size(), at);
  return at;
}

bool is_missing_script(const redisReply& reply) noexcept {
  return is_error(reply) && code_of(text_of(reply)) == "NOSCRIPT";
}

broker_error error_of(const redisReply& reply, const std::string& where) {
  static constexpr std::array<std::string_view, 12> passing{
      "LOADING",  "BUSY",     "TRYAGAIN",   "MASTERDOWN", "CLUSTERDOWN", "OOM",
      "MISCONF",  "READONLY", "NOREPLICAS", "NOSCRIPT",   "UNBLOCKED",   "UNKILLABLE"};
  const std::string_view text = text_of(reply);
  const bool passes = std::find(passing.begin(), passing.end(), code_of(text)) != passing.end();
  return {passes ? broker_errc::unavailable : broker_errc::refused, "redis " + where + " answers: " + std::string(text)};
}

void server_watch::lost(std::size_t server, const std::string& why) {
  {
    std::lock_guard lock(mutex_);
    if (std::exchange(away_[server], true)) return;
  }
  log_.warn({}, "lost redis {}, and tries to reach it again: {}", address_.show(server), why);
}

void server_watch::answers(std::size_t server) {
  {
    std::lock_guard lock(mutex_);
    if (!std::exchange(away_[server], false)) return;
  }
  log_.info({}, "redis {} is back", address_.show(server));
}

redis_connection::redis_connection(const redis_address& address, std::size_t server, milliseconds timeout,
                                   const wake_event* stop)
    : address_(address), server_(server), timeout_(timeout), stop_(stop), where_(address.show(server)) {}

broker_result<std::unique_ptr<redis_connection>> redis_connection::open(const redis_address& address, std::size_t server,
                                                                        milliseconds timeout, const wake_event* stop) {
  std::unique_ptr<redis_connection> made(new redis_connection(address, server, timeout, stop));
  if (auto failure = made->connect()) return unexpected(std::move(*failure));
  if (auto failure = made->log_in()) return unexpected(std::move(*failure));
  return made;
}

std::optional<broker_error> redis_connection::connect() {
  const broker_error closed{broker_errc::closed, "redis " + where_ + ": the broker was closed"};
  if (stop_ != nullptr && stop_->is_set()) return closed;
  context_.reset(redisConnectNonBlock(address_.servers[server_].host.c_str(), address_.servers[server_].port));
  const auto fails = [&](const std::string& why) {
    usable_ = false;
    return broker_error{broker_errc::unavailable, "redis " + where_ + " can't be reached: " + why};
  };
  if (!context_ || context_->err != 0) return fails(context_ ? context_->errstr : "no memory");
  std::array<pollfd, 2> asked{{{context_->fd, POLLOUT, 0}, {stop_ != nullptr ? stop_->descriptor() : -1, POLLIN, 0}}};
  const auto end = steady_clock::now() + timeout_;
  int ready = 0;
  do {
    ready = ::poll(asked.data(), asked.size(), poll_limit(end));
  } while (ready < 0 && errno == EINTR);
  if (asked[1].revents != 0) return closed;
  if (ready <= 0) return fails("no answer within " + std::to_string(timeout_.count()) + " ms");
  int failed = 0;
  socklen_t size = sizeof failed;
  ::getsockopt(context_->fd, SOL_SOCKET, SO_ERROR, &failed, &size);
  if (failed != 0) return fails(std::strerror(failed));
  redisEnableKeepAlive(context_.get());
  return std::nullopt;
}

/// A server may repeat the words of a command that it does not like, and these have secrets: of its text only the code is kept.
broker_result<redis_reply> redis_connection::say(const words& command) {
  add(command);
  auto reply = next();
  if (!reply || !is_error(**reply)) return reply;
  const std::string code(code_of(text_of(**reply)));
  usable_ = false;
  if (code == "NOAUTH" || code == "WRONGPASS" || code == "NOPERM") {
    return unexpected(broker_error{broker_errc::refused, "redis " + where_ + " does not let us in (" + code +
                                                             "): look at user and password (password-file, password-env)"});
  }
  const broker_error error = error_of(**reply, where_);
  return unexpected(broker_error{error.code, "redis " + where_ + " does not take the greeting (" + code +
                                                 "): it must be Redis 7 or newer, and have database " +
                                                 std::to_string(address_.database)});
}

std::optional<broker_error> redis_connection::log_in() {
  words hello{"HELLO", "2"};
  if (!address_.password.empty()) {
    const std::string_view user = address_.user.empty() ? std::string_view("default") : address_.user;
    hello.insert(hello.end(), {"AUTH", user, address_.password});
  }
  const auto greeted = say(hello);
  if (!greeted) return greeted.error();
  if (const unsigned version = major_version(**greeted); version < 7) {
    return broker_error{broker_errc::refused,
                        "redis " + where_ + " is of version " + std::to_string(version) + "; it must be 7 or newer"};
  }
  if (address_.database != 0) {
    if (const auto selected = say({"SELECT", std::to_string(address_.database)}); !selected) return selected.error();
  }
  const auto id = say({"CLIENT", "ID"});
  if (!id) return id.error();
  id_ = std::to_string(number_of(**id));
  return std::nullopt;
}

void redis_connection::add(const words& command) {
  const auto put = [&](char mark, std::size_t number) {
    outgoing_.push_back(mark);
    outgoing_.append(std::to_string(number)).append("\r\n");
  };
  put('*', command.size());
  for (const std::string_view word : command) {
    put('$', word.size());
    outgoing_.append(word).append("\r\n");
  }
}

void redis_connection::add_script(const redis_script& script, const words& keys, const words& arguments) {
  const auto loaded = loaded_.find(&script);
  EVERMILL_CHECK(loaded != loaded_.end(), "a script is loaded before it is used");
  const std::string count = std::to_string(keys.size());
  words command{"EVALSHA", loaded->second, count};
  command.insert(command.end(), keys.begin(), keys.end());
  command.insert(command.end(), arguments.begin(), arguments.end());
  add(command);
}

unexpected<broker_error> redis_connection::broken(std::string why) {
  usable_ = false;
  return unexpected(broker_error{broker_errc::unavailable, "redis " + where_ + ": " + std::move(why)});
}

broker_result<bool> redis_connection::exchange(const wake_event* wake, steady_clock::time_point end) {
  const auto descriptor = [](const wake_event* of) { return of != nullptr ? of->descriptor() : -1; };
  const bool sends = sent_ < outgoing_.size();
  std::array<pollfd, 3> asked{{{context_->fd, static_cast<short>(sends ? POLLIN | POLLOUT : POLLIN), 0},
                               {descriptor(stop_), POLLIN, 0},
                               {descriptor(sends ? nullptr : wake), POLLIN, 0}}};  // what is begun is sent to its end
  const int ready = ::poll(asked.data(), asked.size(), poll_limit(end));
  if (ready < 0 && errno != EINTR) return broken(std::strerror(errno));
  if (ready < 0) return true;
  if (asked[1].revents != 0) {
    usable_ = false;
    return unexpected(broker_error{broker_errc::closed, "redis " + where_ + ": the broker was closed"});
  }
  if (ready == 0) return false;
  if ((asked[0].revents & POLLOUT) != 0) {
    const auto count = ::send(context_->fd, outgoing_.data() + sent_, outgoing_.size() - sent_, MSG_NOSIGNAL);
    if (count < 0 && errno != EAGAIN && errno != EINTR) return broken(std::strerror(errno));
    if (count > 0) {
      sent_ += static_cast<std::size_t>(count);
      moved_ += static_cast<std::size_t>(count);
    }
    if (sent_ == outgoing_.size()) {
      outgoing_.clear();
      sent_ = 0;
    }
  }
  if ((asked[0].revents & (POLLIN | POLLERR | POLLHUP)) != 0) {
    std::array<char, 64 * 1024> chunk;
    const auto count = ::recv(context_->fd, chunk.data(), chunk.size(), 0);
    if (count == 0) return broken("the connection was ended by the server");
    if (count < 0 && errno != EAGAIN && errno != EINTR) return broken(std::strerror(errno));
    if (count > 0) {
      redisReaderFeed(context_->reader, chunk.data(), static_cast<std::size_t>(count));
      moved_ += static_cast<std::size_t>(count);
    }
    return true;
  }
  return asked[2].revents == 0;
}

broker_result<redis_reply> redis_connection::next(const wake_event* wake, milliseconds limit) {
  auto end = steady_clock::now() + limit;
  for (;;) {
    void* found = nullptr;
    if (redisReaderGetReply(context_->reader, &found) != REDIS_OK) return broken(context_->reader->errstr);
    if (found != nullptr) return redis_reply(static_cast<redisReply*>(found));
    const std::uint64_t before = moved_;
    const auto went_on = exchange(wake, end);
    if (!went_on) return unexpected(went_on.error());
    if (!*went_on) return redis_reply{};
    if (before != moved_) end = steady_clock::now() + limit;  // a slow network is no dead one
  }
}

void redis_connection::push() { static_cast<void>(exchange(nullptr, steady_clock::now())); }

broker_result<redis_reply> redis_connection::next() {
  auto reply = next(nullptr, timeout_);
  if (reply && *reply == nullptr) return broken("no answer within " + std::to_string(timeout_.count()) + " ms");
  return reply;
}

broker_result<redis_reply> redis_connection::run(const words& command) {
  add(command);
  auto reply = next();
  if (reply && is_error(**reply)) return unexpected(error_of(**reply, where_));
  return reply;
}

broker_result<void> redis_connection::load(const redis_script& script) {
  auto reply = run({"SCRIPT", "LOAD", script.text});
  if (!reply) return unexpected(reply.error());
  loaded_[&script] = text_of(**reply);
  return {};
}

broker_result<redis_reply> redis_connection::run_script(const redis_script& script, const words& keys,
                                                        const words& arguments) {
  const std::string count = std::to_string(keys.size());
  words command{"EVAL", script.text, count};
  command.insert(command.end(), keys.begin(), keys.end());
  command.insert(command.end(), arguments.begin(), arguments.end());
  return run(command);
}

}  // namespace evermill::queue
