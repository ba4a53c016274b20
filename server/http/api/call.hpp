// One request of the API while it is carried out, and what all of them share.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/clock.hpp"
#include "base/log.hpp"
#include "server/blocking_threads.hpp"
#include "server/gate.hpp"
#include "server/http/api/api_options.hpp"
#include "server/http/api/api_route.hpp"
#include "server/http/api/object_reader.hpp"
#include "server/http/api/problem.hpp"
#include "server/http/message.hpp"
#include "server/local_control.hpp"
#include "server/validity_watch.hpp"

namespace evermill::server::http::api {

class call_record;

/// What goes on until the process stops, and is told to end then: requests that wait, streams. Thread-safe.
class open_calls {
 public:
  explicit open_calls(std::size_t most) : most_(most) {}

  /// `stop(why)` is called once at most, on a thread that stops the API or looks after it, and not after `left`. `by` says whether
  /// its caller may still have it; null: nobody asks. 0: there are too many, or it stops.
  using stop_function = std::function<void(const control_error& why)>;
  std::uint64_t entered(stop_function stop, std::shared_ptr<call_record> by);
  void left(std::uint64_t ticket);
  std::size_t count() const;
  void stop_all();
  /// Ends those whose callers' tokens have expired or were revoked.
  void stop_invalid();

 private:
  struct open_call {
    stop_function stop;
    std::shared_ptr<call_record> by;
  };
  const std::size_t most_;
  mutable std::mutex mutex_;
  std::uint64_t last_ticket_ = 0;
  bool stopped_ = false;
  std::map<std::uint64_t, open_call> calls_;
};

/// The admissions of one request, told how it went when it is answered; one that never is counts as canceled. Thread-safe.
class call_record {
 public:
  call_record() = default;
  ~call_record() { finished("canceled"); }
  call_record(const call_record&) = delete;
  call_record& operator=(const call_record&) = delete;

  void add(std::shared_ptr<admitted_call> each);
  void finished(std::string_view outcome);
  /// May what lasts go on?
  bool still_valid();

 private:
  std::mutex mutex_;
  std::vector<std::shared_ptr<admitted_call>> all_;
  bool finished_ = false;
};

/// Outlives every call.
struct api_parts {
  api_parts(engine& of, api_options how, log lines);

  engine& source;
  const api_options options;
  const log log_;
  const std::unique_ptr<clock> own_clock;  ///< null: another one was given
  clock& time;
  route_table routes;
  std::string openapi;
  open_calls waits;
  open_calls followers;
  open_calls watchers;
  blocking_threads threads;  ///< ended before the rest, which what it runs uses
  std::optional<validity_watch> validity;  ///< nothing: nobody is asked who they are

  void stop();
};

/// Shared by whoever is to answer it. Thread-safe where it answers; the rest is read only.
class call : public std::enable_shared_from_this<call> {
 public:
  call(api_parts& parts, request what, std::shared_ptr<exchange> to, const api_route& route, path_values values)
      : parts_(parts), what_(std::move(what)), to_(std::move(to)), route_(route), values_(std::move(values)) {}

  api_parts& parts() const noexcept { return parts_; }
  const request& what() const noexcept { return what_; }
  /// Null: nobody was asked who they are.
  std::shared_ptr<call_record> record() const { return std::static_pointer_cast<call_record>(what_.admitted); }
  const std::shared_ptr<exchange>& to() const noexcept { return to_; }

  /// Carries it out: on this thread, or another one where the body is large. Does not throw.
  void run();

  /// A value of the path.
  const std::string& path(std::string_view name) const;
  /// A parameter of the query; "": it is not there. Repeated ones: see queries.
  std::string query(std::string_view name) const;
  std::vector<std::string> queries(std::string_view name) const;
  /// `otherwise` where it is not there. All throw problem.
  std::uint64_t query_number(std::string_view name, std::uint64_t most, std::uint64_t otherwise) const;
  bool query_flag(std::string_view name) const;
  std::chrono::microseconds query_duration(std::string_view name, std::chrono::microseconds most,
                                           std::chrono::microseconds otherwise) const;
  /// Of Idempotency-Key, with or without quotes; "": none.
  std::string request_id() const;
  /// The body as a value. Throws problem where it says that it is JSON, and is not.
  payload body_value() const;
  /// The body as an object; {} where there is none. Throws problem.
  object_reader body_object() const;

  /// Asks the gate; "" is the namespace of the path, or the default one. Throws control_error.
  void admit(std::string_view resource, std::string_view name_space = {}) const;
  /// The executions of the namespace. Throws control_error.
  local_control control() const;

  void answer(unsigned status, std::string json, header_list headers = {}) const;
  void answer_nothing() const;
  void fail(const problem& why) const;
  void fail(const control_error& why) const { fail(problem(why)); }
  /// As the exception that is being handled says.
  void fail_by_exception() const;

  /// `work(call)` runs on a thread that may block, and what it throws is answered.
  void on_thread(std::function<void(const call&)> work) const;

 private:
  void carry_out() const;
  void read_query();

  api_parts& parts_;
  const request what_;
  const std::shared_ptr<exchange> to_;
  const api_route& route_;
  const path_values values_;
  std::vector<std::pair<std::string, std::string>> query_;
};

/// Who asks, for the gate. Views of the request.
call_origin origin_of(const request& what);

}  // namespace evermill::server::http::api
