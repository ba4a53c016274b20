#include "tracing/otlp_json.hpp"

#include <nlohmann/json.hpp>

#include <cstdlib>
#include <utility>

#include "base/text.hpp"

namespace evermill::tracing {
namespace {

using json = nlohmann::json;

json text_value(const std::string& text) { return {{"stringValue", to_utf8(text)}}; }
json value_of(const span::value& value) {
  if (const auto* const text = std::get_if<std::string>(&value)) return text_value(*text);
  return {{"intValue", std::to_string(std::get<std::int64_t>(value))}};  // 64 bits are text in protobuf's JSON
}

json attribute(std::string_view key, json value) { return {{"key", std::string(key)}, {"value", std::move(value)}}; }

std::string nanos(std::int64_t micros) { return micros <= 0 ? "0" : std::to_string(micros) + "000"; }

json span_json(const span& from) {
  json to{{"traceId", trace_id_text(from.where)},
          {"spanId", span_id_text(from.where.span)},
          {"name", to_utf8(from.name)},
          {"kind", static_cast<int>(from.what)},
          {"startTimeUnixNano", nanos(from.start_us)},
          {"endTimeUnixNano", nanos(from.end_us)},
          {"flags", from.where.flags}};
  if (from.parent != 0) to["parentSpanId"] = span_id_text(from.parent);
  if (!from.state.empty()) to["traceState"] = from.state;
  json& attributes = to["attributes"] = json::array();
  for (const auto& [key, value] : from.attributes) attributes.push_back(attribute(key, value_of(value)));
  json& status = to["status"] = json::object();
  if (from.how != span::status::unset) status["code"] = static_cast<int>(from.how);
  if (!from.message.empty()) status["message"] = to_utf8(from.message);
  return to;
}

}  // namespace

std::string to_otlp_json(std::span<const tracing::span> spans, const otlp_resource& from) {
  json all = json::array();
  for (const span& each : spans) all.push_back(span_json(each));
  json resource = json::array({attribute("service.name", text_value(from.service_name)),
                               attribute("service.version", text_value(from.service_version)),
                               attribute("service.instance.id", text_value(from.instance_id))});
  const json request{
      {"resourceSpans",
       json::array({{{"resource", {{"attributes", std::move(resource)}}},
                     {"scopeSpans", json::array({{{"scope", {{"name", "evermill"}, {"version", from.service_version}}},
                                                  {"spans", std::move(all)}}})}}})}};
  return request.dump();
}

otlp_partial_success partial_success_of(const std::string& answer) {
  const json read = json::parse(answer, nullptr, false);
  if (!read.is_object() || !read.contains("partialSuccess") || !read["partialSuccess"].is_object()) return {};
  const json& part = read["partialSuccess"];
  otlp_partial_success found;
  if (const auto it = part.find("rejectedSpans"); it != part.end()) {
    if (it->is_number_unsigned()) found.rejected = it->get<std::uint64_t>();
    if (it->is_string()) found.rejected = std::strtoull(it->get_ref<const std::string&>().c_str(), nullptr, 10);
  }
  if (const auto it = part.find("errorMessage"); it != part.end() && it->is_string()) found.message = it->get<std::string>();
  return found;
}

}  // namespace evermill::tracing
