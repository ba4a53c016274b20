// What is answered where a request is not carried out: RFC 7807's application/problem+json. docs/http.md lists the
// kinds.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

#include "server/control.hpp"
#include "server/http/message.hpp"

namespace evermill::server::http::api {

enum class problem_kind : std::uint8_t {
  // of the engine, as control_errc has them
  invalid_argument,
  unauthenticated,
  permission_denied,
  unknown_workflow,
  not_found,
  already_exists,
  closed,
  conflict,
  refused,
  blocked,
  overloaded,
  storage,
  stopped,
  unreachable,
  incompatible,
  internal,
  // of HTTP
  malformed_request,
  invalid_body,
  no_such_path,
  method_not_allowed,
  unsupported_media_type,
  too_large,
  headers_too_large,
  expectation_failed,
  version_not_supported,
  foreign_origin,
  foreign_host,
  invalid_signature,
  not_implemented,
};

struct problem_type {
  problem_kind kind{};
  unsigned status = 0;
  std::string_view name;     ///< its type is "/problems/NAME"
  std::string_view title;    ///< the same for all of the kind
  std::string_view meaning;  ///< for people: when it comes, and what to do
};
const problem_type& type_of(problem_kind kind) noexcept;
const std::vector<problem_type>& problem_types() noexcept;
problem_kind kind_of(control_errc code) noexcept;

/// What handlers throw; `what()` is the problem's detail.
class problem : public std::runtime_error {
 public:
  problem(problem_kind kind, const std::string& detail, header_list headers = {})
      : std::runtime_error(detail), kind_(kind), headers_(std::move(headers)) {}
  explicit problem(const control_error& error);

  problem_kind kind() const noexcept { return kind_; }
  const header_list& headers() const noexcept { return headers_; }

 private:
  problem_kind kind_;
  header_list headers_;
};

/// {"type":…,"title":…,"status":…,"detail":…,"instance":…}; without `instance` where it is "".
std::string problem_json(const problem& what, std::string_view instance);
response to_response(const problem& what, std::string_view instance);
/// Of what the server refuses by itself.
problem problem_of(unsigned status, const std::string& why);

}  // namespace evermill::server::http::api
