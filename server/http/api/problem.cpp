#include "server/http/api/problem.hpp"

#include <algorithm>

#include "server/http/api/json_writer.hpp"

namespace evermill::server::http::api {
namespace {

using kind = problem_kind;


/// In the order of problem_kind.
const std::vector<problem_type>& table() {
  static const std::vector<problem_type> types{
      {kind::invalid_argument, 400, "invalid-argument", "Invalid argument",
       "An id, a name, a value or an option that can't be. The detail says which, and what can be."},
      {kind::unauthenticated, 401, "unauthenticated", "Credentials needed",
       "There are no credentials in the request, or such that do not count (any more). Send a token: `Authorization: "
       "Bearer TOKEN`."},
      {kind::permission_denied, 403, "permission-denied", "Not permitted",
       "Whoever asks may not do this, or must not know whether it could be done."},
      {kind::unknown_workflow, 404, "unknown-workflow", "Unknown workflow type",
       "Nothing here implements the workflow type."},
      {kind::not_found, 404, "not-found", "Not found",
       "There is no such namespace, execution, human task, activity or hook."},
      {kind::already_exists, 409, "already-exists", "Workflow id taken",
       "The workflow id is taken by an execution with another definition or input, or `reuse` allows no other one."},
      {kind::closed, 409, "closed", "Already ended",
       "The execution has ended, or the human task is not open any more."},
      {kind::conflict, 409, "conflict", "Somebody else's",
       "The human task belongs to somebody else; `force` takes it all the same."},
      {kind::refused, 422, "refused", "Refused by the workflow", "The execution's code answered with an error."},
      {kind::blocked, 409, "blocked", "Execution takes no turns",
       "The execution is stuck, unserved, or set aside for its turn timeout: it can't answer. Describe it to see why."},
      {kind::overloaded, 429, "overloaded", "Too much at once",
       "Too much is waiting. Nothing of the request was done; the same request may be sent again after `Retry-After` "
       "seconds."},
      {kind::storage, 500, "storage", "Storage failed",
       "The data can't be read or written. The process's log says why."},
      {kind::stopped, 503, "stopped", "Stopping",
       "The process stops, or opens its storage anew. Whether the request was carried out is not known: send it again, "
       "with the same "
       "`Idempotency-Key`, here or elsewhere."},
      {kind::unreachable, 503, "unreachable", "Out of reach",
       "The process that has the execution does not answer. Try again."},
      {kind::incompatible, 501, "incompatible", "Other version",
       "The process that has the execution speaks another version."},
      {kind::internal, 500, "internal", "Internal error", "A defect of evermill. The process's log says more."},
      {kind::malformed_request, 400, "malformed-request", "Malformed request",
       "The request is not HTTP, or its path, query or headers are not as they must be. The detail says where."},
      {kind::invalid_body, 400, "invalid-body", "Invalid body",
       "The body is not the JSON that is expected: no JSON, no UTF-8, a member that is unknown, missing, twice there "
       "or of the wrong "
       "type. The detail says where."},
      {kind::no_such_path, 404, "no-such-path", "No such path",
       "Nothing is at this path. /openapi.json lists what there is."},
      {kind::method_not_allowed, 405, "method-not-allowed", "Method not allowed",
       "The path is right and the method is not; the header `Allow` has those that are."},
      {kind::unsupported_media_type, 415, "unsupported-media-type", "Unsupported media type",
       "The body's `Content-Type` or `Content-Encoding` is not taken here."},
      {kind::too_large, 413, "too-large", "Body too large", "The body is larger than is taken here."},
      {kind::headers_too_large, 431, "headers-too-large", "Headers too large",
       "The request's header is larger than is taken."},
      {kind::expectation_failed, 417, "expectation-failed", "Expectation failed",
       "Nothing but `Expect: 100-continue` can be met."},
      {kind::version_not_supported, 505, "version-not-supported", "HTTP version not supported",
       "HTTP/1.0 and HTTP/1.1 are spoken."},
      {kind::foreign_origin, 403, "foreign-origin", "Foreign origin",
       "A web page of another origin made the request, and the server does not allow that one (`--http-cors`)."},
      {kind::foreign_host, 421, "foreign-host", "Foreign host",
       "The server listens on the loopback interface without authentication, and answers for names of this machine "
       "only, so that no web "
       "page reaches it by a name of its own: use localhost, 127.0.0.1 or [::1]."},
      {kind::invalid_signature, 401, "invalid-signature", "Invalid signature",
       "A webhook's signature is missing, is not of its secret and this body, or is too old."},
      {kind::not_implemented, 501, "not-implemented", "Not implemented", "This server can't do that (yet)."}};
  return types;
}

std::string seconds_up(std::chrono::milliseconds wait) {
  return std::to_string(std::max<std::int64_t>(1, (wait.count() + 999) / 1000));
}

header_list headers_of(const control_error& error) {
  switch (error.code()) {
    case control_errc::overloaded:
    case control_errc::stopped:
    case control_errc::unreachable:
      return {{"Retry-After", seconds_up(error.retry_after().value_or(usual_retry_after))}};
    case control_errc::unauthenticated:
      return {{"WWW-Authenticate", "Bearer"}};
    default:
      return {};
  }
}

}  // namespace

const std::vector<problem_type>& problem_types() noexcept { return table(); }
const problem_type& type_of(problem_kind kind) noexcept { return table()[static_cast<std::size_t>(kind)]; }

problem_kind kind_of(control_errc code) noexcept {
  switch (code) {
    case control_errc::invalid_argument:
      return kind::invalid_argument;
    case control_errc::unauthenticated:
      return kind::unauthenticated;
    case control_errc::permission_denied:
      return kind::permission_denied;
    case control_errc::unknown_workflow:
      return kind::unknown_workflow;
    case control_errc::not_found:
      return kind::not_found;
    case control_errc::already_exists:
      return kind::already_exists;
    case control_errc::closed:
      return kind::closed;
    case control_errc::conflict:
      return kind::conflict;
    case control_errc::refused:
      return kind::refused;
    case control_errc::blocked:
      return kind::blocked;
    case control_errc::overloaded:
      return kind::overloaded;
    case control_errc::storage:
      return kind::storage;
    case control_errc::stopped:
      return kind::stopped;
    case control_errc::unreachable:
      return kind::unreachable;
    case control_errc::incompatible:
      return kind::incompatible;
    case control_errc::internal:
      return kind::internal;
  }
  return kind::internal;
}

problem::problem(const control_error& error) : problem(kind_of(error.code()), error.what(), headers_of(error)) {}

std::string problem_json(const problem& what, std::string_view instance) {
  const problem_type& type = type_of(what.kind());
  json_writer to;
  to.begin_object().text("type", "/problems/" + std::string(type.name)).text("title", type.title);
  to.number("status", type.status).text("detail", what.what());
  if (!instance.empty()) to.text("instance", instance);
  return to.end_object().take();
}

response to_response(const problem& what, std::string_view instance) {
  return {type_of(what.kind()).status, "application/problem+json", problem_json(what, instance) + "\n", what.headers(),
          std::string(type_of(what.kind()).name)};
}

problem problem_of(unsigned status, const std::string& why) {
  if (status == 503) return problem(kind::overloaded, why, {{"Retry-After", "1"}});
  if (status == 500) return problem(kind::internal, why);
  if (status == 400) return problem(kind::malformed_request, why);
  for (const problem_type& each : table()) {
    if (each.status == status && each.kind > kind::internal) return problem(each.kind, why);
  }
  return problem(kind::malformed_request, why);
}

}  // namespace evermill::server::http::api
