// Over HTTP, client and server on this machine: how many starts a second, and what followers that wait cost.
#include <algorithm>
#include <memory>
#include <stdexcept>

#include "base/log.hpp"
#include "bench/http_client.hpp"
#include "bench/load.hpp"
#include "bench/measurements.hpp"
#include "bench/process_memory.hpp"
#include "evermill/context.hpp"
#include "server/http/api/http_api.hpp"
#include "server/http/http_server.hpp"

namespace evermill::bench {
namespace {

using namespace std::chrono_literals;

constexpr std::size_t connections = 64;
constexpr std::size_t room_for_connections = 100'000;

task<void> bench_nothing(context) { co_return; }
task<void> bench_waits(context ctx) { co_await ctx.sleep(std::chrono::hours(24 * 365)); }

std::string start_request(std::uint64_t i) {
  const std::string body = R"({"workflow_id":"http-)" + std::to_string(i) + R"(","workflow_type":"bench_nothing"})";
  return "POST /api/v1/namespaces/default/workflows HTTP/1.1\r\nHost: localhost\r\nContent-Type: "
         "application/json\r\nContent-Length: " +
         std::to_string(body.size()) + "\r\n\r\n" + body;
}

std::string follow_request(std::uint64_t i) {
  return "GET /api/v1/namespaces/default/workflows/" + started_id(i) + "/events HTTP/1.1\r\nHost: localhost\r\n\r\n";
}

/// An engine behind an HTTP server of its own.
struct served {
  served(engine& of) : api(std::make_shared<server::http::api::http_api>(of, server::http::api::api_options{}, log())) {
    server::http::server_options options;
    options.listen = {"127.0.0.1", 0};
    options.max_connections = room_for_connections;
    http = std::make_unique<server::http::http_server>(options, api, log());
  }
  ~served() {
    api->stop();
    http->stop(1s);
  }

  std::shared_ptr<server::http::api::http_api> api;
  std::unique_ptr<server::http::http_server> http;
};

void check(const http_figures& found, std::uint64_t wanted) {
  if (found.answers == wanted && found.failures == 0) return;
  throw engine_error(engine_errc::unavailable, std::to_string(found.failures) + " of " + std::to_string(wanted) +
                                                   " requests over HTTP have failed");
}

}  // namespace

figures measure_http_starts(const bench_options& options, const std::filesystem::path& directory) {
  http_client_process client([&](std::uint16_t port) {
    return run_requests(port, options.instances, connections, "HTTP/1.1 201 ", start_request);
  });
  registry definitions;
  definitions.add("bench_nothing", bench_nothing);
  engine e(definitions, engine_options_of(options, directory));
  const served over(e);
  const engine_statistics before = e.statistics();
  const http_figures found = client.go(over.http->listening().port);
  check(found, options.instances);
  const engine_statistics after = e.statistics();
  return {{"workload", "http-start"},
          {"instances", options.instances},
          {"connections", connections},
          {"seconds", found.seconds},
          {"starts_per_second", static_cast<double>(options.instances) / found.seconds},
          {"p50_ms", found.p50_ms},
          {"p99_ms", found.p99_ms},
          {"commits", after.commits - before.commits},
          {"syncs", after.syncs - before.syncs},
          {"durability", after.durability}};
}

figures measure_http_followers(const bench_options& options, const std::filesystem::path& directory) {
  raise_descriptor_limit();
  http_client_process client([&](std::uint16_t port) {
    return open_streams(port, options.instances, "event: WorkflowExecutionStarted", follow_request);
  });
  registry definitions;
  definitions.add("bench_waits", bench_waits);
  engine_options how = engine_options_of(options, directory);
  how.passivate_after = 200ms;
  engine e(definitions, how);
  start_all(e, "bench_waits", options.instances, options.in_flight);
  wait_until_asleep(e);
  const served over(e);
  const std::size_t memory_before = resident_bytes();
  const http_figures found = client.go(over.http->listening().port);
  check(found, options.instances);
  const std::size_t memory_after = resident_bytes();
  return {{"workload", "http-followers"},
          {"followers", over.api->following()},
          {"seconds_until_all_follow", found.seconds},
          {"memory_bytes_before", memory_before},
          {"memory_bytes_with_followers", memory_after},
          {"memory_bytes_per_follower", static_cast<double>(memory_after - std::min(memory_after, memory_before)) /
                                            static_cast<double>(options.instances)},
          {"durability", e.statistics().durability}};
}

}  // namespace evermill::bench
