#include "dsl/chart.hpp"

#include <algorithm>

namespace evermill::dsl {
namespace {

using order = chart_section::order;

template <class... Cases>
struct chart_cases : Cases... {
  using Cases::operator()...;
};
template <class... Cases>
chart_cases(Cases...) -> chart_cases<Cases...>;

std::string shown(const value_template& value) {
  if (const expression* computed = value.computed()) return computed->source();
  if (const json* constant = value.constant()) return constant->is_string() ? constant->get<std::string>() : constant->dump();
  std::string keys;
  if (const value_template::object* members = value.members()) {
    for (const auto& member : *members) keys.append(keys.empty() ? "" : ", ").append(member.first);
  }
  return keys;
}

std::string shown(const duration_value& value) {
  if (const expression* computed = value.computed()) return computed->source();
  const auto milliseconds = std::chrono::duration_cast<std::chrono::milliseconds>(*value.known()).count();
  constexpr std::pair<std::int64_t, const char*> units[] = {
      {86'400'000, "d"}, {3'600'000, "h"}, {60'000, "min"}, {1'000, "s"}, {1, "ms"}};
  std::string text;
  std::int64_t rest = milliseconds;
  for (const auto& [size, unit] : units) {
    if (rest / size == 0) continue;
    text.append(text.empty() ? "" : " ").append(std::to_string(rest / size)).append(" ").append(unit);
    rest %= size;
  }
  return text.empty() ? "0 s" : text;
}

std::string shown(const endpoint& to) {
  const auto* uri = std::get_if<uri_template>(&to.uri);
  return uri != nullptr ? uri->text() : std::get<expression>(to.uri).source();
}

std::string type_of(const event_attributes& attributes) {
  const auto found = std::find_if(attributes.begin(), attributes.end(), [](const auto& a) { return a.first == "type"; });
  if (found != attributes.end()) return shown(found->second);
  return attributes.empty() ? "any event" : attributes.front().first + " " + shown(attributes.front().second);
}

std::string shown(const event_consumption& to) {
  using strategy = event_consumption::strategy;
  std::string text = to.what == strategy::all ? "all of " : to.what == strategy::any ? "any of " : "";
  if (to.filters.empty()) text = "any event";
  for (std::size_t i = 0; i < to.filters.size(); ++i) text.append(i == 0 ? "" : ", ").append(type_of(to.filters[i].with));
  if (const auto* until = std::get_if<expression>(&to.until)) text.append(" until ").append(until->source());
  if (const auto* until = std::get_if<event_consumption::until_events>(&to.until))
    text.append(" until ").append(shown(**until));
  return text;
}

std::string shown(const call_task& call) {
  return std::visit(chart_cases{
                        [](const http_call& c) { return shown(c.method) + " " + shown(c.endpoint); },
                        [](const grpc_call& c) { return "grpc " + c.service + "/" + c.method; },
                        [](const openapi_call& c) { return "openapi " + c.operation_id; },
                        [](const asyncapi_call& c) { return "asyncapi " + (c.operation.empty() ? c.channel : c.operation); },
                        [](const a2a_call& c) { return "a2a " + c.method; },
                        [](const mcp_call& c) { return "mcp " + c.method; },
                        [](const function_call& c) { return c.name; },
                        [](const ask_call& c) { return c.assignee ? "ask " + shown(*c.assignee) : std::string("ask"); },
                    },
                    call.what);
}

std::string shown(const run_task& run) {
  return std::visit(chart_cases{
                        [](const container_process& p) { return "container " + shown(p.image); },
                        [](const script_process& p) { return p.language + " script"; },
                        [](const shell_process& p) { return shown(p.command); },
                        [](const workflow_process& p) { return "workflow " + p.workflow_namespace + "/" + p.name; },
                    },
                    run.what);
}

std::string shown(const error_filter& filter) {
  std::string text;
  const auto add = [&](const std::string& part) { text.append(text.empty() ? "" : ", ").append(part); };
  if (filter.status) add(std::to_string(*filter.status));
  if (filter.type) add(shown(*filter.type));
  if (filter.title) add(shown(*filter.title));
  return text;
}

std::vector<chart_block> blocks_of(const task_list& tasks);

chart_section iterator_section(const subscription_iterator& each) {
  chart_section made{.title = "each " + each.item, .what = order::repeated};
  if (each.tasks) made.blocks = blocks_of(*each.tasks);
  return made;
}

void add_catch(const try_task& attempt, chart_block& into) {
  std::string title = "catch";
  if (attempt.errors) title.append(" ").append(shown(*attempt.errors));
  if (attempt.when) title.append(" when ").append(attempt.when->source());
  if (attempt.retry) {
    title.append(", try again");
    if (attempt.retry->attempt_limit)
      title.append(" up to ").append(std::to_string(*attempt.retry->attempt_limit)).append(" times");
  }
  into.sections.push_back({.title = "try", .blocks = blocks_of(attempt.tasks)});
  into.sections.push_back({.title = title, .falls_through = attempt.retry == nullptr || attempt.catch_tasks.has_value()});
  if (attempt.catch_tasks) into.sections.back().blocks = blocks_of(*attempt.catch_tasks);
}

void add_switch(const switch_task& choice, chart_block& into) {
  into.falls_through = true;
  for (const switch_task::branch& branch : choice.branches) {
    into.exits.push_back({branch.name + (branch.when ? ": " + branch.when->source() : std::string()), branch.then});
    if (!branch.when) into.falls_through = false;
  }
}

void add_kind(const task& of, chart_block& into) {
  std::visit(chart_cases{
                 [&](const call_task& t) {
                   into.detail = shown(t);
                   const auto* call = std::get_if<asyncapi_call>(&t.what);
                   const auto* subscribed = call == nullptr ? nullptr : std::get_if<asyncapi_subscription>(&call->action);
                   if (subscribed != nullptr && subscribed->iterator)
                     into.sections.push_back(iterator_section(*subscribed->iterator));
                 },
                 [&](const do_task& t) { into.sections.push_back({.title = "", .blocks = blocks_of(t.tasks)}); },
                 [&](const emit_task& t) { into.detail = type_of(t.event); },
                 [&](const for_task& t) {
                   std::string title = "each " + t.each + " in " + t.in.source();
                   if (t.condition) title.append(" while ").append(t.condition->source());
                   into.sections.push_back({.title = title, .what = order::repeated, .blocks = blocks_of(t.tasks)});
                 },
                 [&](const fork_task& t) {
                   into.detail = t.compete ? "the first that ends" : "all";
                   into.sections.push_back({.title = "", .what = order::parallel, .blocks = blocks_of(t.branches)});
                 },
                 [&](const listen_task& t) {
                   into.detail = shown(t.to);
                   if (t.iterator) into.sections.push_back(iterator_section(*t.iterator));
                 },
                 [&](const raise_task& t) { into.detail = std::to_string(t.error->status) + " " + shown(t.error->type); },
                 [&](const run_task& t) { into.detail = shown(t); },
                 [&](const set_task& t) { into.detail = shown(t.value); },
                 [&](const switch_task& t) { add_switch(t, into); },
                 [&](const try_task& t) { add_catch(t, into); },
                 [&](const wait_task& t) { into.detail = shown(t.wait); },
             },
             of.what);
}

chart_block block_of(const task& of) {
  chart_block made{.name = of.name, .pointer = of.pointer, .kind = std::string(kind_of(of))};
  if (of.condition) made.condition = of.condition->source();
  add_kind(of, made);
  if (of.then.what != flow_directive::kind::next) {
    const bool reached = made.falls_through;  // a switch with a default never comes to its own `then`
    if (reached) made.exits.push_back({"", of.then});
    made.falls_through = of.condition.has_value();
  }
  const bool raises = std::holds_alternative<raise_task>(of.what) && !of.condition;
  if (raises) made.falls_through = false;
  for (const chart_block::exit& exit : made.exits) {
    if (exit.then.what == flow_directive::kind::next) made.falls_through = true;
  }
  return made;
}

std::vector<chart_block> blocks_of(const task_list& tasks) {
  std::vector<chart_block> made;
  made.reserve(tasks.size());
  for (const task& one : tasks) made.push_back(block_of(one));
  return made;
}

std::string start_of(const definition& of) {
  if (!of.schedule) return "start";
  std::string text;
  const auto add = [&](const std::string& part) { text.append(text.empty() ? "" : ", ").append(part); };
  if (of.schedule->every) add("every " + shown(*of.schedule->every));
  if (of.schedule->cron) add("cron " + of.source.at("schedule").at("cron").get<std::string>());
  if (of.schedule->after) add(shown(*of.schedule->after) + " after the last end");
  if (of.schedule->on) add(shown(*of.schedule->on));
  return text;
}

}  // namespace

chart chart_of(const definition& of) {
  return {.title = of.title.empty() ? of.workflow_namespace + "/" + of.name + " " + of.version : of.title,
          .start = start_of(of),
          .blocks = blocks_of(of.tasks)};
}

std::string shortened(std::string_view text, std::size_t characters) {
  std::string flat;
  for (const char c : text) {
    const bool blank = static_cast<unsigned char>(c) <= 0x20 || c == 0x7f;
    if (!blank) {
      flat += c;
    } else if (!flat.empty() && flat.back() != ' ') {
      flat += ' ';
    }
  }
  if (flat.ends_with(' ')) flat.pop_back();
  std::size_t count = 0, end = 0;
  for (std::size_t i = 0; i < flat.size(); ++i) {
    if ((static_cast<unsigned char>(flat[i]) & 0xc0) == 0x80) continue;
    if (++count > characters) return flat.substr(0, end) + "…";
    if (count == characters) end = i;  // room for the ellipsis
  }
  return flat;
}

}  // namespace evermill::dsl
