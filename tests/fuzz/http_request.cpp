// A request as the HTTP API gets it: answered with JSON or with a problem, whatever its path, query, headers and body
// are. The engine keeps everything in memory and runs no activity.
#include <atomic>
#include <memory>
#include <nlohmann/json.hpp>

#include "evermill/engine.hpp"
#include "fuzz_input.hpp"
#include "server/http/api/http_api.hpp"
#include "server/http/api/json_text.hpp"
#include "server/http/api/object_reader.hpp"
#include "server/http/api/path.hpp"
#include "server/http/api/problem.hpp"
#include "tests/golden/golden_workflows.hpp"

using namespace evermill;
using namespace evermill::server::http;

namespace {

class checked_exchange final : public exchange {
 public:
  void answer(response how) override {
    fuzz::expect(how.status >= 200 && how.status < 600, "a status");
    if (!how.content_type.starts_with("application/")) return;
    fuzz::expect(!api::why_no_json(how.body), "an answer is JSON");
  }
  void stream(response, std::shared_ptr<body_source> from) override { from->stop(); }
  void on_gone(std::function<void()>) override {}
};

engine& shared_engine() {
  engine_options options;
  options.mode = engine_mode::record;
  options.partitions = 1;
  options.workflow_threads = 1;
  options.native_threads = 1;
  static engine shared(golden::definitions(), options);
  return shared;
}

api::http_api& shared_api() {
  api::api_options options;
  api::webhook hook;
  hook.name = "hook";
  hook.signal_name = "approval";
  hook.workflow_id.pointer = "/id";
  hook.request_id.header = "X-Id";
  options.hooks.push_back(hook);
  options.max_waits = 10;
  options.max_watchers = 1;
  // What its threads use at the end of the process is made before it, and so goes after it.
  static_cast<void>(api::to_response(api::problem(server::control_error(server::control_errc::internal, "")), ""));
  static api::http_api shared(shared_engine(), options, evermill::log());
  return shared;
}

/// What is taken apart must come together again.
void check_json(std::string_view text) {
  if (api::why_no_json(text)) return;
  const std::string small = api::compact(text);
  fuzz::expect(!api::why_no_json(small), "compact JSON is JSON");
  fuzz::expect(nlohmann::json::parse(small) == nlohmann::json::parse(text), "compact JSON is the same");
  for (const api::json_part& each : api::parts_of(text)) fuzz::expect(!api::why_no_json(each.value), "a part is JSON");
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  fuzz::input in(data, size);
  constexpr const char* methods[] = {"GET", "POST", "PUT", "OPTIONS", "DELETE"};
  constexpr const char* types[] = {"application/json", "application/octet-stream",
                                   "application/protobuf; messageType=a.B", "", "text/plain"};
  request what;
  const std::uint8_t kind = in.byte();
  what.method = methods[kind % 5];
  what.path = in.short_text();
  what.query = in.short_text();
  const std::string_view header = in.short_text();
  what.body = in.rest();
  check_json(what.body);
  api::parse_duration(header);
  api::parse_time(header);
  what.headers = {{"Host", "localhost"},
                  {"Content-Type", types[kind / 5 % 5]},
                  {"Last-Event-ID", std::string(header)},
                  {"Idempotency-Key", std::string(header)},
                  {"X-Id", std::string(header)}};
  if (!what.body.empty()) what.headers.emplace_back("Content-Length", std::to_string(what.body.size()));
  if (what.query.find("wait=") != std::string::npos) what.query.clear();  // nobody waits here
  const admission may = shared_api().admit(what);
  if (may.refusal) return checked_exchange().answer(*may.refusal), 0;
  shared_api().handle(std::move(what), std::make_shared<checked_exchange>());
  return 0;
}
