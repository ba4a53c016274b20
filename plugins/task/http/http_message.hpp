// Requests and responses: between what activities are given and give, and what is transferred.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "base/clock.hpp"
#include "evermill/http.hpp"
#include "plugins/task/task_backend.hpp"
#include "plugins/task/transfer/transfer.hpp"

namespace evermill::tasks {

/// The request of a task, checked as far as can be without making it. Throws payload_error.
http_request http_request_of(const messages::ActivityTask& task);
/// Null: the request shows nothing. Throws payload_error where it is none that can be.
std::optional<http_authentication> http_authentication_of(const nlohmann::json& from);

/// All of it but who makes the request, where a token must be asked for. Throws payload_error.
transfer_request transfer_of(const http_request& request, const std::optional<http_authentication>& shown);
/// A text as a part of a URL or form: "a=1&b=2". Throws payload_error.
std::string form_of(const std::map<std::string, nlohmann::json>& fields);
/// Is it one that may pass: 408, 425, 429 and 500-599?
bool may_pass(int status);
/// Of a transfer that gave no response; `what` begins the message ("GET https://…").
failed failure_of_transfer(const transfer_result& result, const std::string& what);
/// How long another attempt should wait, where the server says so.
void set_retry_delay(failed& how, const transfer_headers& headers, timestamp now);
/// By name in lower case; those that come several times are one, with ", " between.
nlohmann::json headers_as_json(const transfer_headers& headers);

/// Takes the response's body as it comes: into memory, or into a file. On one thread.
class response_sink {
 public:
  /// `part` tells the file that is written from those of other attempts.
  response_sink(const http_request& request, const std::string& part);
  ~response_sink();
  response_sink(const response_sink&) = delete;
  response_sink& operator=(const response_sink&) = delete;

  /// Throws std::runtime_error where the file can't be written.
  void begin(int status);
  /// False: too large. Throws as `begin`.
  bool take(std::string_view piece);
  /// All is there. Throws as `begin`.
  void finish();

  bool too_large() const noexcept { return too_large_; }
  const std::string& body() const noexcept { return body_; }
  /// Of what went into the file; nothing: it went into memory.
  std::optional<std::uint64_t> file_bytes() const { return in_file_ ? std::optional(bytes_) : std::nullopt; }

 private:
  [[noreturn]] void refuse() const;
  void close();

  const std::string file_;
  const std::string part_;
  const std::uint64_t most_bytes_;
  bool in_file_ = false;
  int descriptor_ = -1;
  std::uint64_t bytes_ = 0;
  bool too_large_ = false;
  std::string body_;
};

/// What the attempt ends with.
outcome outcome_of(const http_request& request, const transfer_result& result, const response_sink& response, timestamp now);

}  // namespace evermill::tasks
