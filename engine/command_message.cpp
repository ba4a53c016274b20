#include "engine/command_message.hpp"

#include <algorithm>
#include <initializer_list>
#include <nlohmann/json.hpp>
#include <string_view>
#include <utility>

#include "base/text.hpp"
#include "engine/names.hpp"
#include "engine/requests.hpp"
#include "evermill/engine.hpp"

namespace evermill::commands {
namespace {

using nlohmann::json;

constexpr std::string_view token_header = "authorization";
constexpr std::string_view token_prefix = "Bearer ";
constexpr double longest_timeout_seconds = 3.2e9;  // a century
constexpr std::size_t longest_shown = 60;

[[noreturn]] void refuse(const std::string& why) { throw engine_error(engine_errc::invalid_argument, why); }

json parse_text(const std::string& text) {
  if (nests_too_deeply(text)) refuse("the command nests arrays and objects more than " + std::to_string(max_json_depth) + " deep");
  json value = json::parse(text, nullptr, false);
  if (value.is_discarded()) refuse("the command is no JSON");
  if (!value.is_object()) refuse("the command is no JSON object");
  return value;
}

/// An object whose members are all known: what is misspelt would be left out silently otherwise.
class members {
 public:
  members(std::string of, const json& object, std::initializer_list<std::string_view> known) : of_(std::move(of)), object_(object) {
    if (!object.is_object()) refuse("\"" + of_ + "\" is no JSON object");
    for (const auto& [name, value] : object.items()) {
      if (std::find(known.begin(), known.end(), name) != known.end()) continue;
      std::string all;
      for (const std::string_view each : known) all.append(all.empty() ? "" : ", ").append(each);
      refuse(of_ + " has no \"" + to_utf8(name.substr(0, longest_shown)) + "\"; there is " + all);
    }
  }

  /// "" where it is not there.
  std::string text(const char* name) const {
    const auto it = object_.find(name);
    if (it == object_.end()) return "";
    if (!it->is_string()) refuse("\"" + std::string(name) + "\" of " + of_ + " is no text");
    return it->get<std::string>();
  }
  std::string required(const char* name) const {
    if (!object_.contains(name)) refuse(of_ + " needs \"" + name + "\"");
    return text(name);
  }
  payload input(const char* name) const {
    const auto it = object_.find(name);
    return it == object_.end() ? payload{} : json_payload(it->dump());
  }
  std::chrono::microseconds seconds(const char* name) const {
    const auto it = object_.find(name);
    if (it == object_.end()) return {};
    if (!it->is_number() || !(it->get<double>() >= 0) || it->get<double>() > longest_timeout_seconds) {
      refuse("\"" + std::string(name) + "\" of " + of_ + " is no number of seconds");
    }
    return std::chrono::microseconds(static_cast<std::int64_t>(it->get<double>() * 1e6));
  }
  const json* find(const char* name) const {
    const auto it = object_.find(name);
    return it == object_.end() ? nullptr : &*it;
  }

 private:
  const std::string of_;
  const json& object_;
};

workflow_id_reuse reuse_of(const std::string& name) {
  if (name.empty()) return workflow_id_reuse::use_existing;
  if (const auto it = reuse_policies().find(name); it != reuse_policies().end()) return it->second;
  std::string all;
  for (const auto& [known, policy] : reuse_policies()) all.append(all.empty() ? "" : ", ").append(known);
  refuse("there is no \"reuse\" \"" + name.substr(0, longest_shown) + "\"; there is " + all);
}

/// Of whoever wrote the command.
std::string header_of(const queue::stored_record& record, std::string_view name) {
  for (const auto& [each, value] : record.what.headers) {
    if (each == name) return value;
  }
  return {};
}

messages::DecisionEvent to_start(const json& value, const std::string& place, const std::string& request_id,
                                 const queue::stored_record& record, random_source& random) {
  const members of("start", value, {"workflow", "id", "namespace", "input", "reuse", "execution_timeout", "run_timeout", "version", "signal"});
  start_options options;
  const std::string id = of.text("id");
  options.id = in_namespace(of.text("namespace"), id.empty() ? "command-" + place : id);  // a new one each time would start a new execution each time
  options.request_id = request_id;
  options.traceparent = header_of(record, "traceparent");
  options.tracestate = header_of(record, "tracestate");
  options.reuse = reuse_of(of.text("reuse"));
  options.execution_timeout = of.seconds("execution_timeout");
  options.run_timeout = of.seconds("run_timeout");
  options.version = of.text("version");
  if (const json* const signal = of.find("signal")) {
    const members its("signal of start", *signal, {"name", "input"});
    options.with_signal = start_signal{its.required("name"), its.input("input")};
  }
  return requests::start(nullptr, random, of.required("workflow"), of.input("input"), std::move(options));
}

messages::DecisionEvent to_signal(const json& value, const std::string& request_id) {
  const members of("signal", value, {"id", "namespace", "name", "input"});
  return requests::signal(in_namespace(of.text("namespace"), of.required("id")), of.required("name"), of.input("input"), request_id);
}

/// The time that it takes says nothing of what is the same.
bool same_secret(std::string_view a, std::string_view b) {
  unsigned different = a.size() == b.size() ? 0 : 1;
  for (std::size_t i = 0; i < a.size(); ++i) {
    different |= static_cast<unsigned char>(a[i]) ^ static_cast<unsigned char>(b.empty() ? 0 : b[i % b.size()]);
  }
  return different == 0;
}

void check_token(const queue::record& record, const std::string& token) {
  if (token.empty()) return;
  for (const auto& [name, value] : record.headers) {
    if (name == token_header && value.starts_with(token_prefix) && same_secret(token, value.substr(token_prefix.size()))) return;
  }
  refuse("the command does not show the token that is asked for: it needs the header \"authorization: Bearer TOKEN\"");
}

}  // namespace

messages::DecisionEvent parse_command(const queue::stored_record& record, std::uint32_t partition, const std::string& token,
                                      random_source& random) {
  check_token(record.what, token);
  const json value = parse_text(record.what.value);
  const members of("a command", value, {"start", "signal", "cancel", "terminate", "request_id"});
  if (value.size() - (value.contains("request_id") ? 1 : 0) != 1) refuse("a command is one of start, signal, cancel and terminate");
  const std::string place =
      std::to_string(partition) + "-" + std::to_string(record.at) + "-" + std::to_string(to_micros(record.written));
  std::string request_id = of.text("request_id");
  if (request_id.empty()) request_id = "command-" + place;
  if (const json* const start = of.find("start")) return to_start(*start, place, request_id, record, random);
  if (const json* const signal = of.find("signal")) return to_signal(*signal, request_id);
  if (const json* const cancel = of.find("cancel")) {
    const members its("cancel", *cancel, {"id", "namespace", "reason"});
    return requests::cancel(in_namespace(its.text("namespace"), its.required("id")), its.text("reason"));
  }
  const members its("terminate", *of.find("terminate"), {"id", "namespace", "reason"});
  return requests::terminate(in_namespace(its.text("namespace"), its.required("id")), its.text("reason"));
}

}  // namespace evermill::commands
