#include <algorithm>
#include <array>

#include "dsl/names.hpp"
#include "dsl/readers.hpp"

namespace evermill::dsl {
namespace {

constexpr std::array text_attributes =
    std::to_array<std::string_view>({"id", "source", "type", "time", "subject", "datacontenttype", "dataschema"});

void check_attribute(reading& in, const node::member& attribute, const std::string& pointer) {
  const bool text = std::find(text_attributes.begin(), text_attributes.end(), attribute.key) != text_attributes.end();
  if (!text || !in.expect(attribute.value, node::kind::string, attribute.key, pointer)) return;
  const std::string& value = attribute.value.text();
  if (enclosed_expression(value)) return;
  if (attribute.key == "source" || attribute.key == "dataschema") {
    if (auto uri = uri_template::parse(value); !uri) in.report(attribute.value.at, rule::uri, pointer, std::move(uri.error()));
  } else if (attribute.key == "time" && !is_date_time(value)) {
    in.report(attribute.value.at, rule::value, pointer, in_quotes(value) + " is no time", "write it as 2026-05-01T12:00:00Z");
  }
}

std::vector<correlation> read_correlations(reading& in, const node& from, const std::string& pointer, variable_set available) {
  std::vector<correlation> made;
  if (!in.expect(from, node::kind::mapping, "correlate", pointer)) return made;
  for (const node::member& member : from.members) {
    const fields of(in, member.value, pointer + "/" + pointer_token(member.key), "a correlation", {"from", "expect"},
                    others::suspect);
    if (of.need("from") == nullptr) continue;
    auto value = of.condition("from", available);
    auto expected = of.text_value("expect", available);
    if (value) made.push_back({.name = member.key, .from = std::move(*value), .expect = std::move(expected)});
  }
  return made;
}

event_filter read_event_filter(reading& in, const node& from, const std::string& pointer, variable_set available) {
  const fields of(in, from, pointer, "an event filter", {"with", "correlate"});
  event_filter made;
  if (const node* with = of.need("with")) made.with = read_event_attributes(in, *with, of.pointer("with"), false, available);
  if (const node* correlate = of.find("correlate"))
    made.correlate = read_correlations(in, *correlate, of.pointer("correlate"), available);
  return made;
}

std::vector<event_filter> read_event_filters(const fields& of, std::string_view key, variable_set available) {
  std::vector<event_filter> made;
  const node& from = *of.find(key);
  if (!of.in().expect(from, node::kind::sequence, key, of.pointer(key))) return made;
  for (std::size_t i = 0; i < from.items.size(); ++i) {
    made.push_back(read_event_filter(of.in(), from.items[i], of.pointer(key) + "/" + std::to_string(i), available));
  }
  return made;
}

void read_until(const fields& of, event_consumption& into, variable_set available) {
  reading& in = of.in();
  const node& until = *of.find("until");
  if (into.what != event_consumption::strategy::any) {
    in.report(until.at, rule::conflict, of.pointer("until"), "\"until\" belongs to `any`");
  } else if (!until.is(node::kind::mapping)) {
    if (auto holds = of.condition("until", available)) into.until = std::move(*holds);
  } else if (const node* again = until.find("until")) {
    in.report(again->at, rule::conflict, of.pointer("until") + "/until",
              "events that end a listening can't have an `until` themselves");
  } else {
    into.until = std::make_unique<const event_consumption>(read_event_consumption(in, until, of.pointer("until"), available));
  }
}

}  // namespace

event_attributes read_event_attributes(reading& in, const node& from, const std::string& pointer, bool to_send,
                                       variable_set available) {
  const fields of(in, from, pointer, "`with`", {}, others::free);
  event_attributes made;
  if (!of) return made;
  if (to_send) {
    of.need("source");
    of.need("type");
  } else if (from.members.empty()) {
    in.report(from.at, rule::value, pointer, "an event filter names at least one attribute", "`any: []` takes every event");
  }
  for (const node::member& attribute : from.members) {
    const std::string at = of.pointer(attribute.key);
    check_attribute(in, attribute, at);
    made.emplace_back(attribute.key, in.any_value(attribute.value, at, available));
  }
  return made;
}

event_consumption read_event_consumption(reading& in, const node& from, const std::string& pointer, variable_set available) {
  using strategy = event_consumption::strategy;
  const fields of(in, from, pointer, "what is listened to", {"one", "all", "any", "until"});
  event_consumption made;
  const auto chosen = of.need_one({"one", "all", "any"});
  if (!chosen) return made;
  made.what = *chosen == "one" ? strategy::one : *chosen == "all" ? strategy::all : strategy::any;
  if (made.what == strategy::one) {
    made.filters.push_back(read_event_filter(in, *of.find("one"), of.pointer("one"), available));
  } else {
    made.filters = read_event_filters(of, *chosen, available);
  }
  if (of.has("until")) read_until(of, made, available);
  return made;
}

subscription_iterator read_subscription_iterator(reading& in, const node& from, const std::string& pointer) {
  const fields of(in, from, pointer, "`foreach`", {"item", "at", "do", "output", "export"});
  subscription_iterator made;
  if (const node* item = of.find("item")) made.item = in.variable_name(*item, "item", of.pointer("item"));
  if (const node* at = of.find("at")) made.at = in.variable_name(*at, "at", of.pointer("at"));
  const with_locals names(in, {made.item, made.at});
  if (const node* tasks = of.find("do")) {
    made.tasks = std::make_shared<const task_list>(read_task_list(in, *tasks, of.pointer("do"), "do"));
  }
  if (const node* output = of.find("output")) {
    made.output = read_transformation(in, *output, of.pointer("output"), step::output, scope::task);
  }
  if (const node* exports = of.find("export")) {
    made.exports = read_transformation(in, *exports, of.pointer("export"), step::exports, scope::task_export);
  }
  return made;
}

}  // namespace evermill::dsl
