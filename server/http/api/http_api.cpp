#include "server/http/api/http_api.hpp"

#include <algorithm>
#include <set>
#include <utility>

#include "engine/engine_access.hpp"
#include "server/http/api/call.hpp"

namespace evermill::server::http::api {
namespace {

constexpr std::size_t no_body = 0;

std::string joined(const std::set<std::string>& words) {
  std::string text;
  for (const std::string& each : words) text += (text.empty() ? "" : ", ") + each;
  return text;
}

bool has_body(const request& head) {
  const std::string_view length = head.header("Content-Length");
  return head.count("Transfer-Encoding") > 0 || (!length.empty() && length != "0");
}

std::string_view host_of(std::string_view authority) {
  const std::size_t colon = authority.rfind(':');
  if (authority.starts_with('[')) return authority.substr(0, authority.find(']') + 1);
  return authority.substr(0, colon);
}

bool is_local_host(std::string_view authority) {
  const std::string_view host = host_of(authority);
  return host == "localhost" || host == "[::1]" ||
         (host.starts_with("127.") && host.find_first_not_of("0123456789.") == host.npos);
}

/// By HTTP's status: as gRPC numbers what it says.
std::size_t code_of_status(unsigned status) {
  switch (status) {
    case 400:
    case 411:
    case 413:
    case 414:
    case 415:
    case 417:
    case 422:
    case 431: return 3;   // invalid argument
    case 404: return 5;   // not found
    case 409: return 6;   // already exists
    case 403:
    case 421: return 7;   // permission denied
    case 429: return 8;   // resource exhausted
    case 405:
    case 501: return 12;  // unimplemented
    case 401: return 16;  // unauthenticated
    case 503: return 14;  // unavailable
    case 504: return 4;   // deadline exceeded
    default: break;
  }
  return status < 400 ? 0 : status < 500 ? 9 : 13;  // ok, failed precondition, internal
}

/// What is noted of a call when it is answered, or given up.
class noting_exchange final : public exchange {
 public:
  noting_exchange(std::shared_ptr<exchange> to, std::unique_ptr<request_metrics::open_request> counted, std::shared_ptr<call_record> record)
      : to_(std::move(to)), counted_(std::move(counted)), record_(std::move(record)) {}

  void answer(response how) override {
    counted_->ended(code_of_status(how.status));
    note(how);
    to_->answer(std::move(how));
    done();
  }
  /// It lasts as long as its source is kept.
  void stream(response head, std::shared_ptr<body_source> from) override {
    counted_->is_stream();
    counted_->ended(code_of_status(head.status));
    note(head);
    struct held {
      std::shared_ptr<body_source> source;
      std::shared_ptr<request_metrics::open_request> counted;
      std::shared_ptr<call_record> record;
    };
    const auto all = std::make_shared<held>(held{std::move(from), std::move(counted_), record_});
    to_->stream(std::move(head), std::shared_ptr<body_source>(all, all->source.get()));
    done();
  }
  void on_gone(std::function<void()> told) override { to_->on_gone(std::move(told)); }

 private:
  void note(const response& how) {
    if (record_) record_->finished(how.outcome.empty() ? "ok" : how.outcome);
  }
  /// Whoever keeps the exchange for longer has nothing more to tell.
  void done() { counted_.reset(); }

  const std::shared_ptr<exchange> to_;
  std::unique_ptr<request_metrics::open_request> counted_;
  const std::shared_ptr<call_record> record_;
};

/// Headers that every answer to a page of another origin needs.
class cors_exchange final : public exchange {
 public:
  cors_exchange(std::shared_ptr<exchange> to, header_list headers) : to_(std::move(to)), headers_(std::move(headers)) {}

  void answer(response how) override { to_->answer(with_headers(std::move(how))); }
  void stream(response head, std::shared_ptr<body_source> from) override {
    to_->stream(with_headers(std::move(head)), std::move(from));
  }
  void on_gone(std::function<void()> told) override { to_->on_gone(std::move(told)); }

 private:
  response with_headers(response how) const {
    how.headers.insert(how.headers.end(), headers_.begin(), headers_.end());
    return how;
  }

  const std::shared_ptr<exchange> to_;
  const header_list headers_;
};

}  // namespace

class http_api::impl {
 public:
  impl(engine& engine, api_options options, log lines) : parts_(engine, std::move(options), std::move(lines)) {}
  ~impl() { parts_.stop(); }

  admission admit(const request& head) {
    try {
      const auto record = std::make_shared<call_record>();
      const std::size_t most = check(head, *record);
      return {std::nullopt, most, record};
    } catch (const problem& why) {
      return refused(why, head);
    } catch (const control_error& why) {
      return refused(problem(why), head);
    } catch (const answered& how) {
      return {with_cors(response(how.how), head), no_body};
    }
  }

  void handle(request what, std::shared_ptr<exchange> to) {
    if (header_list headers = cors_headers(what); !headers.empty()) {
      to = std::make_shared<cors_exchange>(std::move(to), std::move(headers));
    }
    try {
      for (const route& other : parts_.options.others) {
        if (other.path == what.path && other.method == what.method) return to->answer(other.handle(what));
      }
      path_values values;
      const api_route& route = route_of(what, values);
      to = std::make_shared<noting_exchange>(std::move(to), engine_access::requests(parts_.source).begin(request_metrics::door::http, route.id),
                                             std::static_pointer_cast<call_record>(what.admitted));
      std::make_shared<call>(parts_, std::move(what), to, route, std::move(values))->run();
    } catch (const problem& why) {
      to->answer(to_response(why, what.path));
    }
  }

  api_parts& parts() noexcept { return parts_; }
  const api_parts& parts() const noexcept { return parts_; }

 private:
  /// An answer that is no problem, and needs no body.
  struct answered {
    response how;
  };

  admission refused(const problem& why, const request& head) {
    response how = to_response(why, head.path);
    engine_access::requests(parts_.source).begin(request_metrics::door::http, name_for_metrics(head))->ended(code_of_status(how.status));
    return {with_cors(std::move(how), head), no_body, nullptr};
  }

  /// Also of what can't be read.
  std::string_view name_for_metrics(const request& head) const {
    try {
      path_values ignored;
      if (const api_route* const route = find_route(head, ignored)) return route->id;
    } catch (const problem&) {
      // Its path is none.
    }
    return "(no such path)";
  }

  /// How large the body may be. Throws what the answer is otherwise.
  std::size_t check(const request& head, call_record& record) {
    check_host(head);
    check_origin(head);
    if (head.method == "OPTIONS") throw answered{options_of(head)};
    if (is_other(head)) {
      admit_other(head);
      return default_max_body;
    }
    path_values values;
    const api_route& route = route_of(head, values);
    check_media(head, route);
    if (route.what && !route.admits_later) admit_route(head, route, values, record);
    if (route.body == body_kind::none) return default_max_body;  // read, and refused if there is something
    return route.max_body_bytes == 0 ? parts_.options.max_payload_body_bytes : route.max_body_bytes;
  }

  void check_host(const request& head) const {
    if (!parts_.options.only_local_hosts || head.count("Host") == 0 || is_local_host(head.header("Host"))) return;
    throw problem(problem_kind::foreign_host, "the request is for the host \"" +
                                                  std::string(head.header("Host").substr(0, 100)) +
                                                  "\"; this server answers for localhost only");
  }

  /// A browser tells where a page is from that sends something. Pages of the server itself are none of ours to refuse.
  void check_origin(const request& head) const {
    const std::string_view origin = head.header("Origin");
    if (origin.empty() || is_allowed(origin)) return;
    if (origin == (head.secure ? "https://" : "http://") + std::string(head.header("Host"))) return;
    throw problem(problem_kind::foreign_origin, "web pages of \"" + std::string(origin.substr(0, 200)) +
                                                    "\" may not use this server; --http-cors allows an origin");
  }

  bool is_allowed(std::string_view origin) const {
    const auto& allowed = parts_.options.cors_origins;
    return std::any_of(allowed.begin(), allowed.end(),
                       [&](const std::string& each) { return each == "*" || each == origin; });
  }

  header_list cors_headers(const request& head) const {
    const std::string_view origin = head.header("Origin");
    if (origin.empty() || !is_allowed(origin)) return {};
    return {{"Access-Control-Allow-Origin", std::string(origin)},
            {"Vary", "Origin"},
            {"Access-Control-Expose-Headers", "Location, Retry-After, Allow"}};
  }

  response with_cors(response how, const request& head) const {
    for (auto& header : cors_headers(head)) how.headers.push_back(std::move(header));
    return how;
  }

  bool is_other(const request& head) const {
    const auto& others = parts_.options.others;
    return std::any_of(others.begin(), others.end(),
                       [&](const route& each) { return each.path == head.path && each.method == head.method; });
  }

  std::set<std::string> methods_at(const request& head, const std::vector<std::string_view>& segments) const {
    std::set<std::string> methods;
    for (const route& each : parts_.options.others) {
      if (each.path == head.path) methods.insert(each.method);
    }
    for (const api_route& each : parts_.routes) {
      if (each.form.match(segments)) methods.insert(each.method);
    }
    if (methods.count("GET") > 0) methods.insert("HEAD");
    if (!methods.empty()) methods.insert("OPTIONS");
    return methods;
  }

  /// Null: there is none.
  const api_route* find_route(const request& head, path_values& values) const {
    const auto segments = segments_of(head.path);
    for (const api_route& each : parts_.routes) {
      if (each.method != head.method) continue;
      if (auto found = each.form.match(segments)) {
        values = std::move(*found);
        return &each;
      }
    }
    return nullptr;
  }

  const api_route& route_of(const request& head, path_values& values) const {
    if (const api_route* const found = find_route(head, values)) return *found;
    const auto segments = segments_of(head.path);
    const std::set<std::string> methods = methods_at(head, segments);
    if (!methods.empty()) {
      throw problem(problem_kind::method_not_allowed, "only " + joined(methods) + " can be done here",
                    {{"Allow", joined(methods)}});
    }
    const bool colon = std::any_of(segments.begin(), segments.end(),
                                   [](std::string_view each) { return each.find(':') != each.npos; });
    throw problem(
        problem_kind::no_such_path,
        std::string("nothing is at this path") +
            (colon ? "; what follows a ':' is an action, and there is none of that name (in an id, write %3A)" : ""));
  }

  response options_of(const request& head) const {
    response how{204, "", "", {}};
    std::string allowed = "GET, HEAD, POST, OPTIONS";
    if (head.path != "*") {
      const std::set<std::string> methods = methods_at(head, segments_of(head.path));
      if (methods.empty()) throw problem(problem_kind::no_such_path, "nothing is at this path");
      allowed = joined(methods);
    }
    how.headers.emplace_back("Allow", allowed);
    if (head.count("Access-Control-Request-Method") > 0 && is_allowed(head.header("Origin"))) {
      how.headers.emplace_back("Access-Control-Allow-Methods", allowed);
      how.headers.emplace_back("Access-Control-Allow-Headers",
                               "Authorization, Content-Type, Idempotency-Key, Last-Event-ID");
      how.headers.emplace_back("Access-Control-Max-Age", "600");
    }
    return how;
  }

  static void check_media(const request& head, const api_route& route) {
    if (!has_body(head)) return;
    if (route.body == body_kind::none) throw problem(problem_kind::invalid_body, "nothing is expected in the body");
    const std::string_view coding = head.header("Content-Encoding");
    if (!coding.empty() && coding != "identity") {
      throw problem(problem_kind::unsupported_media_type, "bodies are not taken with a Content-Encoding",
                    {{"Accept-Encoding", "identity"}});
    }
    if (route.body != body_kind::anything) check_type(head, route.body == body_kind::object);
  }

  static void check_type(const request& head, bool only_json) {
    const std::string_view whole = head.header("Content-Type");
    std::string type(trimmed(whole.substr(0, whole.find(';'))));
    std::transform(type.begin(), type.end(), type.begin(),
                   [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
    constexpr auto hint = "; for JSON send the header Content-Type: application/json";
    if (head.count("Content-Type") > 1)
      throw problem(problem_kind::unsupported_media_type, "the header Content-Type stands twice");
    if (type.empty())
      throw problem(problem_kind::unsupported_media_type, std::string("the body has no Content-Type") + hint);
    if (type == "application/json") {
      std::string rest(whole);
      std::transform(rest.begin(), rest.end(), rest.begin(),
                     [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
      const std::size_t charset = rest.find("charset=");
      if (charset == std::string::npos || rest.find("utf-8", charset) != std::string::npos) return;
      throw problem(problem_kind::unsupported_media_type, "JSON is taken as UTF-8 only");
    }
    const bool is_form = type == "application/x-www-form-urlencoded" || type == "multipart/form-data";
    if (only_json || is_form || type.find('/') == std::string::npos || type.size() > 200) {
      throw problem(problem_kind::unsupported_media_type,
                    "the body's Content-Type is not taken here" + std::string(hint));
    }
  }

  /// What is measured is not for everybody who can connect from elsewhere; whether it is well may be asked by whatever keeps it running.
  void admit_other(const request& head) const {
    if (parts_.options.only_local_hosts || parts_.options.admission == nullptr || head.path != "/metrics") return;
    const auto admitted = parts_.options.admission->admit(origin_of(head), {operation::get_status, {}, {}});
    if (!admitted) throw problem(admitted.error());
  }

  void admit_route(const request& head, const api_route& route, const path_values& values, call_record& record) const {
    if (parts_.options.admission == nullptr) return;
    const auto value = [&](std::string_view name) {
      const auto found = values.find(name);
      return found == values.end() ? std::string_view() : std::string_view(found->second);
    };
    const call_subject about{*route.what, value("namespace"), value(route.resource)};
    auto admitted = parts_.options.admission->admit(origin_of(head), about);
    if (!admitted) throw problem(admitted.error());
    record.add(std::move(*admitted));
  }

  api_parts parts_;
};

http_api::http_api(engine& engine, api_options options, log lines)
    : impl_(std::make_unique<impl>(engine, std::move(options), std::move(lines))) {}
http_api::~http_api() = default;

admission http_api::admit(const request& head) { return impl_->admit(head); }
void http_api::handle(request what, std::shared_ptr<exchange> to) { impl_->handle(std::move(what), std::move(to)); }
response http_api::refusal(unsigned status, const std::string& why) { return to_response(problem_of(status, why), {}); }
void http_api::stop() { impl_->parts().stop(); }
std::size_t http_api::waiting() const { return impl_->parts().waits.count(); }
std::size_t http_api::following() const { return impl_->parts().followers.count(); }
std::size_t http_api::watching() const { return impl_->parts().watchers.count(); }

}  // namespace evermill::server::http::api
