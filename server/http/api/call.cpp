#include "server/http/api/call.hpp"

#include <algorithm>

#include "base/spelling.hpp"
#include "base/text.hpp"
#include "server/http/api/openapi.hpp"
#include "server/http/api/webhook_call.hpp"

namespace evermill::server::http::api {
namespace {

/// Checking more than this takes long enough that others would notice.
constexpr std::size_t large_body = 64u << 10;

route_table all_routes(const api_options& options) {
  route_table table;
  add_workflow_routes(table);
  add_list_routes(table);
  add_message_routes(table);
  add_event_routes(table);
  add_human_task_routes(table);
  add_activity_routes(table);
  add_operation_routes(table);
  add_document_routes(table);
  add_webhook_routes(table, options.hooks);
  return table;
}

std::string quoted_name(std::string_view name) { return "\"" + to_utf8(std::string(name.substr(0, 100))) + "\""; }

}  // namespace

std::uint64_t open_calls::entered(stop_function stop, std::shared_ptr<call_record> by) {
  const std::lock_guard lock(mutex_);
  if (stopped_ || calls_.size() >= most_) return 0;
  calls_[++last_ticket_] = {std::move(stop), std::move(by)};
  return last_ticket_;
}

void open_calls::left(std::uint64_t ticket) {
  const std::lock_guard lock(mutex_);
  calls_.erase(ticket);
}

std::size_t open_calls::count() const {
  const std::lock_guard lock(mutex_);
  return calls_.size();
}

void open_calls::stop_all() {
  std::map<std::uint64_t, open_call> calls;
  {
    const std::lock_guard lock(mutex_);
    stopped_ = true;
    calls.swap(calls_);
  }
  for (const auto& entry : calls) entry.second.stop(control_error(control_errc::stopped, "the process is stopping"));
}

void open_calls::stop_invalid() {
  std::vector<stop_function> over;
  {
    const std::lock_guard lock(mutex_);
    for (auto at = calls_.begin(); at != calls_.end();) {
      if (!at->second.by || at->second.by->still_valid()) {
        ++at;
        continue;
      }
      over.push_back(std::move(at->second.stop));
      at = calls_.erase(at);
    }
  }
  for (const stop_function& stop : over) {
    stop(control_error(control_errc::unauthenticated,
                       "what was shown when this began has expired, was revoked, or does not allow it any more"));
  }
}

void call_record::add(std::shared_ptr<admitted_call> each) {
  const std::lock_guard lock(mutex_);
  all_.push_back(std::move(each));
}

void call_record::finished(std::string_view outcome) {
  const std::lock_guard lock(mutex_);
  if (std::exchange(finished_, true)) return;
  for (const auto& each : all_) each->finished(outcome);
}

bool call_record::still_valid() {
  const std::lock_guard lock(mutex_);
  return std::all_of(all_.begin(), all_.end(), [](const auto& each) { return each->still_valid(); });
}

api_parts::api_parts(engine& of, api_options how, log lines)
    : source(of),
      options(std::move(how)),
      log_(std::move(lines)),
      own_clock(options.time == nullptr ? make_system_clock() : nullptr),
      time(options.time == nullptr ? *own_clock : *options.time),
      routes(all_routes(options)),
      openapi(openapi_document(routes)),
      waits(options.max_waits),
      followers(options.max_followers),
      watchers(options.max_watchers),
      threads(options.threads) {
  if (options.admission == nullptr) return;
  validity.emplace([this] {
    for (open_calls* const each : {&waits, &followers, &watchers}) each->stop_invalid();
  });
}

void api_parts::stop() {
  validity.reset();
  waits.stop_all();
  followers.stop_all();
  watchers.stop_all();
}

call_origin origin_of(const request& what) { return {what.peer, what.header("Authorization"), what.certificate}; }

void call::run() {
  if (what_.body.size() <= large_body) return carry_out();
  try {
    on_thread([me = shared_from_this()](const call&) { me->carry_out(); });
  } catch (...) {
    fail_by_exception();
  }
}

void call::carry_out() const {
  try {
    const_cast<call*>(this)->read_query();  // before anybody else has it
    if (route_.what && !route_.admits_later) static_cast<void>(control());
    route_.handle(const_cast<call*>(this)->shared_from_this());
  } catch (...) {
    fail_by_exception();
  }
}

void call::read_query() {
  query_ = parameters_of(what_.query);
  std::vector<std::string> known;
  for (const parameter& each : route_.query) known.push_back(each.name);
  for (const auto& [name, value] : query_) {
    const auto found =
        std::find_if(route_.query.begin(), route_.query.end(), [&](const parameter& p) { return p.name == name; });
    if (found == route_.query.end()) {
      const std::string near = nearest(name, known);
      throw problem(problem_kind::malformed_request, "the query's parameter " + quoted_name(name) + " is unknown here" +
                                                         (near.empty() ? "" : "; did you mean \"" + near + "\"?"));
    }
    if (!found->repeated && queries(name).size() > 1) {
      throw problem(problem_kind::malformed_request, "the query's parameter " + quoted_name(name) + " stands twice");
    }
  }
}

const std::string& call::path(std::string_view name) const { return values_.find(name)->second; }

std::string call::query(std::string_view name) const {
  const auto found = std::find_if(query_.begin(), query_.end(), [&](const auto& each) { return each.first == name; });
  return found == query_.end() ? std::string() : found->second;
}

std::vector<std::string> call::queries(std::string_view name) const {
  std::vector<std::string> values;
  for (const auto& [each, value] : query_) {
    if (each == name) values.push_back(value);
  }
  return values;
}

std::uint64_t call::query_number(std::string_view name, std::uint64_t most, std::uint64_t otherwise) const {
  const std::string text = query(name);
  if (text.empty()) return otherwise;
  std::uint64_t number = 0;
  const bool digits =
      text.size() <= 19 && std::all_of(text.begin(), text.end(), [](char c) { return c >= '0' && c <= '9'; });
  for (const char c : digits ? std::string_view(text) : std::string_view())
    number = number * 10 + static_cast<std::uint64_t>(c - '0');
  if (!digits || number > most) {
    throw problem(problem_kind::malformed_request, "the query's parameter " + quoted_name(name) +
                                                       " is no whole number up to " + std::to_string(most) + ": " +
                                                       quoted_name(text));
  }
  return number;
}

bool call::query_flag(std::string_view name) const {
  const std::string text = query(name);
  if (text.empty() || text == "false") return false;
  if (text == "true") return true;
  throw problem(problem_kind::malformed_request,
                "the query's parameter " + quoted_name(name) + " is neither true nor false");
}

std::chrono::microseconds call::query_duration(std::string_view name, std::chrono::microseconds most,
                                               std::chrono::microseconds otherwise) const {
  const std::string text = query(name);
  if (text.empty()) return otherwise;
  const auto length = parse_duration(text);
  if (length && *length <= most) return *length;
  throw problem(problem_kind::malformed_request,
                "the query's parameter " + quoted_name(name) + " is no duration up to " +
                    std::to_string(std::chrono::duration_cast<std::chrono::seconds>(most).count()) +
                    "s: " + quoted_name(text));
}

std::string call::request_id() const {
  std::string_view id = trimmed(what_.header("Idempotency-Key"));
  if (what_.count("Idempotency-Key") > 1) {
    throw problem(problem_kind::malformed_request, "the header Idempotency-Key stands twice");
  }
  if (id.size() >= 2 && id.front() == '"' && id.back() == '"') id = id.substr(1, id.size() - 2);
  return std::string(id);
}

payload call::body_value() const {
  if (what_.body.empty()) return {};
  payload value = payload_of(what_.header("Content-Type"), what_.body);
  if (value.type != payload::content_type::json) return value;
  if (const auto why = why_no_json(value.data))
    throw problem(problem_kind::invalid_body, "the body is not JSON: " + *why);
  value.data = compact(value.data);
  return value;
}

object_reader call::body_object() const {
  if (what_.body.empty()) {
    if (route_.body_required) throw problem(problem_kind::invalid_body, "there is no body; a JSON object is expected");
    return object_reader("{}");
  }
  if (const auto why = why_no_json(what_.body))
    throw problem(problem_kind::invalid_body, "the body is not JSON: " + *why);
  return object_reader(what_.body);
}

void call::admit(std::string_view resource, std::string_view name_space) const {
  gate* const asked = parts_.options.admission;
  if (asked == nullptr || !route_.what) return;
  const auto of_path = values_.find("namespace");
  if (name_space.empty() && of_path != values_.end()) name_space = of_path->second;
  const call_subject about{*route_.what, name_space, resource};
  auto admitted = asked->admit(origin_of(what_), about);
  if (!admitted) throw admitted.error();
  record()->add(std::move(*admitted));
}

local_control call::control() const {
  const auto name_space = values_.find("namespace");
  return control_of(parts_.source, name_space == values_.end() ? std::string_view() : std::string_view(name_space->second));
}

void call::answer(unsigned status, std::string json, header_list headers) const {
  to_->answer({status, "application/json", std::move(json) + "\n", std::move(headers)});
}

void call::answer_nothing() const { to_->answer({204, "", "", {}}); }

void call::fail(const problem& why) const { to_->answer(to_response(why, what_.path)); }

void call::fail_by_exception() const {
  try {
    throw;
  } catch (const problem& why) {
    fail(why);
  } catch (const control_error& why) {
    fail(why);
  } catch (const engine_error& why) {
    fail(to_control_error(why));
  } catch (const std::exception& why) {
    parts_.log_.error({}, "HTTP {} {}: {}", what_.method, route_.path, why.what());
    fail(problem(problem_kind::internal, "something went wrong; the process's log says what"));
  }
}

void call::on_thread(std::function<void(const call&)> work) const {
  if (parts_.threads.waiting() >= parts_.options.max_waiting_calls) {
    throw control_error(control_errc::overloaded, "too many requests wait already; try again soon");
  }
  const auto me = shared_from_this();
  const bool taken = parts_.threads.post([me, work = std::move(work)] {
    try {
      work(*me);
    } catch (...) {
      me->fail_by_exception();
    }
  });
  if (!taken) throw control_error(control_errc::stopped, "the process is stopping");
}

}  // namespace evermill::server::http::api
