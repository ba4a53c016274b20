#include "plugins/task/http/http_message.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <fstream>
#include <stdexcept>
#include <utility>

#include "base/text.hpp"
#include "evermill/codec.hpp"
#include "evermill/exceptions.hpp"
#include "plugins/task/call_backend.hpp"
#include "base/encodings.hpp"
#include "workflow/conversions.hpp"

namespace evermill::tasks {
namespace {

using json = nlohmann::json;

constexpr std::size_t most_details_bytes = 64 * 1024;  // of a failure's body, which is journaled
constexpr std::chrono::hours longest_wait{24};
constexpr std::string_view form_type = "application/x-www-form-urlencoded";

/// Members that are null are as good as left out.
json without_nulls(const json& from) {
  if (!from.is_object()) return from;
  json made = json::object();
  for (const auto& [name, member] : from.items()) {
    if (!member.is_null()) made[name] = without_nulls(member);
  }
  return made;
}

bool is_json_type(std::string_view type) {
  const std::string_view media = type.substr(0, type.find_first_of("; \t"));
  return media == "application/json" || media.ends_with("+json") || media == "text/json";
}

std::string lower_cased(std::string text) {
  std::transform(text.begin(), text.end(), text.begin(), [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; });
  return text;
}

std::string text_of_field(const std::string& name, const json& value) {
  if (value.is_string()) return value.get<std::string>();
  if (value.is_structured()) throw payload_error("\"" + name + "\" is an object or a list of lists, which no query or form can hold");
  return value.dump();
}

void add_query(std::string& url, const std::map<std::string, json>& query) {
  const std::string fields = form_of(query);
  if (fields.empty()) return;
  const std::size_t end = std::min(url.find('#'), url.size());
  const std::size_t mark = url.find('?');
  const bool has_query = mark < end;
  url.insert(end, (has_query ? (mark + 1 == end ? "" : "&") : "?") + fields);
}

void set_file_body(transfer_request& transfer, const std::string& path) {
  const auto file = std::make_shared<std::ifstream>(path, std::ios::binary | std::ios::ate);
  if (!*file) throw payload_error("\"body_file\": \"" + path + "\" can't be read: " + std::strerror(errno));
  transfer.read_body_bytes = static_cast<std::uint64_t>(file->tellg());
  transfer.rewind_body = [file] {
    file->clear();
    file->seekg(0);
    return !file->fail();
  };
  transfer.rewind_body();
  transfer.read_body = [file](char* to, std::size_t room) -> std::optional<std::size_t> {
    file->read(to, static_cast<std::streamsize>(room));
    if (file->bad()) return std::nullopt;
    return static_cast<std::size_t>(file->gcount());
  };
}

std::string body_text(const http_request& request, const std::string* type) {
  if (type == nullptr || is_json_type(lower_cased(*type))) return request.body.dump();
  if (request.body.is_string()) return request.body.get<std::string>();
  const std::string media = lower_cased(type->substr(0, type->find_first_of("; \t")));
  if (media == form_type && request.body.is_object()) return form_of(request.body.get<std::map<std::string, json>>());
  return request.body.dump();
}

void set_body(transfer_request& transfer, const http_request& request) {
  if (!request.body_file.empty()) return set_file_body(transfer, request.body_file);
  const std::string* const type = find_header(transfer.headers, "content-type");
  if (!request.body_base64.empty()) {
    transfer.body = base64_decoded(request.body_base64);
    if (!transfer.body) throw payload_error("\"body_base64\" is no base64");
  } else if (!request.body.is_null()) {
    transfer.body = body_text(request, type);
    if (type == nullptr) transfer.headers.emplace_back("Content-Type", "application/json");
  }
}

void set_login(transfer_request& transfer, const std::optional<http_authentication>& shown) {
  if (!shown) return;
  using kind = transfer_login::kind;
  if (shown->kind == "basic") transfer.login = {kind::basic, shown->username, shown->password};
  if (shown->kind == "digest") transfer.login = {kind::digest, shown->username, shown->password};
  if (shown->kind == "bearer") transfer.login = {kind::bearer, "", shown->token};
}

bool is_success(const http_request& request, int status) {
  return status >= 200 && status < (request.redirect ? 400 : 300);
}

/// For failures: what a person wants to see of it.
json short_body(const std::string& body) {
  if (body.size() <= most_details_bytes) {
    if (!nests_too_deeply(body)) {
      json value = json::parse(body, nullptr, false);
      if (!value.is_discarded()) return value;
    }
    return to_utf8(body);
  }
  return to_utf8(body.substr(0, most_details_bytes)) + "…";
}

outcome completed_with(const json& value) {
  completed done;
  workflow::to_message(json_payload(value.dump(-1, ' ', false, json::error_handler_t::replace)), done.result.emplace());
  return done;
}

}  // namespace

http_request http_request_of(const messages::ActivityTask& task) {
  auto request = codec<http_request>::decode(workflow::from_message(task.input()));
  if (request.url.empty()) throw payload_error("an HTTP request needs a \"url\"");
  if (request.output != "content" && request.output != "raw" && request.output != "response") {
    throw payload_error("\"output\" is \"" + request.output + "\"; it can be content, raw or response");
  }
  const int bodies = (request.body.is_null() ? 0 : 1) + (request.body_base64.empty() ? 0 : 1) + (request.body_file.empty() ? 0 : 1);
  if (bodies > 1) throw payload_error("a request has one body: give one of \"body\", \"body_base64\" and \"body_file\"");
  if (request.max_response_bytes < 0) throw payload_error("\"max_response_bytes\" is negative");
  if (request.connect_timeout_ms < 1) throw payload_error("\"connect_timeout_ms\" is less than 1");
  if (request.timeout_ms < 0) throw payload_error("\"timeout_ms\" is negative");
  return request;
}

std::optional<http_authentication> http_authentication_of(const json& from) {
  if (from.is_null()) return std::nullopt;
  http_authentication shown;
  try {
    shown = without_nulls(from).get<http_authentication>();
  } catch (const json::exception& error) {
    throw payload_error(std::string("\"authentication\" can't be read: ") + error.what());
  }
  const auto& kind = shown.kind;
  if (kind != "basic" && kind != "digest" && kind != "bearer" && kind != "oauth2" && kind != "oidc") {
    throw payload_error("\"authentication\" is of the kind \"" + kind + "\"; there are basic, digest, bearer, oauth2 and oidc");
  }
  if (kind == "bearer" && shown.token.empty()) throw payload_error("\"authentication\" with a bearer token needs a \"token\"");
  return shown;
}

transfer_request transfer_of(const http_request& request, const std::optional<http_authentication>& shown) {
  transfer_request transfer;
  transfer.method = request.method;
  transfer.url = request.url;
  add_query(transfer.url, request.query);
  for (const auto& [name, value] : request.headers) transfer.headers.emplace_back(name, value);
  set_body(transfer, request);
  set_login(transfer, shown);
  transfer.max_redirects = request.max_redirects;
  transfer.verify_peer = request.verify_peer;
  transfer.ca_file = request.ca_file;
  transfer.certificate_file = request.certificate_file;
  transfer.key_file = request.key_file;
  transfer.proxy = request.proxy;
  transfer.connect_timeout = std::chrono::milliseconds(request.connect_timeout_ms);
  transfer.timeout = std::chrono::milliseconds(request.timeout_ms);
  return transfer;
}

std::string form_of(const std::map<std::string, json>& fields) {
  std::string text;
  const auto add = [&](const std::string& name, const json& value) {
    text.append(text.empty() ? "" : "&").append(percent_encoded(name)).append("=").append(percent_encoded(text_of_field(name, value)));
  };
  for (const auto& [name, value] : fields) {
    if (value.is_array()) {
      for (const json& each : value) add(name, each);
    } else if (!value.is_null()) {
      add(name, value);
    }
  }
  return text;
}

bool may_pass(int status) { return status == 408 || status == 425 || status == 429 || (status >= 500 && status < 600); }

failed failure_of_transfer(const transfer_result& result, const std::string& what) {
  const std::string message = what + ": " + result.message;
  switch (result.error) {
    case transfer_error::invalid: {
      failed how = call_failure("InvalidPayload", message, false);
      how.failure.set_kind(messages::Failure::INVALID_PAYLOAD);
      return how;
    }
    case transfer_error::tls: return call_failure("HttpTls", message, false);
    case transfer_error::timeout: return call_failure("HttpTimeout", message, true);
    case transfer_error::too_large: return call_failure("HttpResponseTooLarge", message, false);
    case transfer_error::aborted: return call_failure("HttpFile", message, false);
    default: return call_failure("HttpConnection", message, true);
  }
}

void set_retry_delay(failed& how, const transfer_headers& headers, timestamp now) {
  const auto asked = retry_after(headers, std::chrono::system_clock::time_point(std::chrono::microseconds(to_micros(now))));
  if (!asked) return;
  const std::chrono::microseconds delay = std::min<std::chrono::microseconds>(*asked, longest_wait);
  how.failure.set_next_retry_delay_us(delay.count());
}

json headers_as_json(const transfer_headers& headers) {
  json made = json::object();
  for (const auto& [name, value] : headers) {
    json& into = made[lower_cased(to_utf8(name))];
    into = into.is_string() ? into.get<std::string>() + ", " + to_utf8(value) : to_utf8(value);
  }
  return made;
}

response_sink::response_sink(const http_request& request, const std::string& part)
    : file_(request.response_file), part_(file_ + ".part-" + part), most_bytes_(static_cast<std::uint64_t>(request.max_response_bytes)) {}

response_sink::~response_sink() {
  if (descriptor_ < 0) return;
  ::close(descriptor_);
  ::unlink(part_.c_str());
}

void response_sink::refuse() const { throw std::runtime_error("\"" + file_ + "\" can't be written: " + std::strerror(errno)); }

void response_sink::begin(int status) {
  if (file_.empty() || status < 200 || status > 299) return;
  descriptor_ = ::open(part_.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
  if (descriptor_ < 0) refuse();
  in_file_ = true;
}

bool response_sink::take(std::string_view piece) {
  bytes_ += piece.size();
  if (!in_file_) {
    too_large_ = bytes_ > most_bytes_;
    if (!too_large_) body_.append(piece);
    return !too_large_;
  }
  while (!piece.empty()) {
    const ssize_t written = ::write(descriptor_, piece.data(), piece.size());
    if (written < 0 && errno != EINTR) refuse();
    if (written > 0) piece.remove_prefix(static_cast<std::size_t>(written));
  }
  return true;
}

void response_sink::finish() {
  if (!in_file_) return;
  if (::fsync(descriptor_) != 0) refuse();
  ::close(std::exchange(descriptor_, -1));
  if (std::rename(part_.c_str(), file_.c_str()) == 0) return;
  const int error = errno;
  ::unlink(part_.c_str());
  errno = error;
  refuse();
}

outcome outcome_of(const http_request& request, const transfer_result& result, const response_sink& response, timestamp now) {
  const std::string what = request.method + " " + request.url;
  if (!is_success(request, result.status)) {
    const json details{{"status", result.status}, {"headers", headers_as_json(result.headers)}, {"body", short_body(response.body())}};
    const bool passes = may_pass(result.status);
    failed how = call_failure("HttpStatus", what + ": status " + std::to_string(result.status), passes, details);
    if (passes) set_retry_delay(how, result.headers, now);
    return how;
  }
  json content;
  const std::string* const type = find_header(result.headers, "content-type");
  if (const auto bytes = response.file_bytes()) {
    content = {{"file", request.response_file}, {"bytes", *bytes}};
  } else if (request.output == "raw") {
    content = base64_encoded(response.body());
  } else if (type != nullptr && is_json_type(lower_cased(*type)) && !response.body().empty()) {
    content = nests_too_deeply(response.body()) ? json(json::value_t::discarded) : json::parse(response.body(), nullptr, false);
    if (content.is_discarded()) {
      const json details{{"status", result.status}, {"headers", headers_as_json(result.headers)}, {"body", short_body(response.body())}};
      return call_failure("HttpContent", what + ": the response says that it is JSON, and is not", false, details);
    }
  } else if (response.body().empty()) {
    content = type != nullptr && !is_json_type(lower_cased(*type)) ? json("") : json();
  } else {
    content = is_utf8(response.body()) ? response.body() : base64_encoded(response.body());
  }
  if (request.output != "response") return completed_with(content);
  return completed_with({{"request", {{"method", request.method}, {"uri", result.url}, {"headers", request.headers}}},
                         {"statusCode", result.status},
                         {"headers", headers_as_json(result.headers)},
                         {"content", std::move(content)}});
}

}  // namespace evermill::tasks
