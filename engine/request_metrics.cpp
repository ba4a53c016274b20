#include "engine/request_metrics.hpp"

#include <string>

namespace evermill {
namespace {

namespace shown {
using metrics::description;
using metrics::kind;

constexpr description requests{"evermill_requests_total", kind::counter, "Requests that were answered, by method and status."};
constexpr description duration{"evermill_request_duration_seconds", kind::histogram,
                               "Time until a request was answered; not of streams, which last as their clients want."};
constexpr description open{"evermill_requests_open", kind::gauge, "Requests and streams that are under way."};
}  // namespace shown

constexpr std::array<const char*, request_metrics::door_count> doors{"grpc", "http"};
constexpr std::size_t code_canceled = 1;
constexpr std::array<const char*, request_metrics::code_count> codes{
    "ok",                 "canceled",          "unknown",   "invalid_argument",    "deadline_exceeded", "not_found",
    "already_exists",     "permission_denied", "resource_exhausted", "failed_precondition", "aborted",  "out_of_range",
    "unimplemented",      "internal",          "unavailable", "data_loss",         "unauthenticated"};

}  // namespace

request_metrics::open_request::open_request(of_method& of) noexcept : of_(of), began_(std::chrono::steady_clock::now()) { of_.open.add(1); }

void request_metrics::open_request::ended(std::size_t code) noexcept {
  if (ended_) return;
  ended_ = true;
  of_.ended[code < code_count ? code : 2].add();
  if (!stream_) of_.duration.observe(std::chrono::duration<double>(std::chrono::steady_clock::now() - began_).count());
}

request_metrics::open_request::~open_request() {
  ended(code_canceled);
  of_.open.add(-1);
}

std::unique_ptr<request_metrics::open_request> request_metrics::begin(door by, std::string_view method) {
  return std::unique_ptr<open_request>(new open_request(doors_[static_cast<std::size_t>(by)][method]));
}

void request_metrics::collect(metrics::scrape& into) const {
  for (const metrics::description& each : {shown::requests, shown::duration, shown::open}) into.describe(each);
  for (std::size_t n = 0; n < door_count; ++n) {
    doors_[n].for_each([&](std::string_view method, const of_method& of) {
      const metrics::labels which{{"door", doors[n]}, {"method", std::string(method)}};
      into.add(shown::open, which, of.open);
      into.add(shown::duration, which, of.duration);
      for (std::size_t code = 0; code < code_count; ++code) {
        if (of.ended[code].value() == 0) continue;  // most never come
        into.add(shown::requests, {{"door", doors[n]}, {"method", std::string(method)}, {"code", codes[code]}}, of.ended[code]);
      }
    });
  }
}

}  // namespace evermill
