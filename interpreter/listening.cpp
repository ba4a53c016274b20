#include "interpreter/listening.hpp"

#include <algorithm>
#include <regex>
#include <set>
#include <utility>

#include "evermill/dsl.hpp"

namespace evermill::interpreter {
namespace {

constexpr std::size_t longest_matched = 4'096;  // std::regex recurses

/// The one type that the filter's events have; nothing where they may have several.
std::optional<std::string> type_of(const dsl::event_filter& filter) {
  for (const auto& [name, wanted] : filter.with) {
    if (name != "type") continue;
    const json* constant = wanted.constant();
    if (constant == nullptr || !constant->is_string()) return std::nullopt;
    const auto& text = constant->get_ref<const std::string&>();
    const bool pattern = text.find_first_of("*+?[](){}|^$\\") != std::string::npos;
    if (pattern || text.empty() || text.size() > longest_event_type) return std::nullopt;
    return text;
  }
  return std::nullopt;
}

/// False: every type may come.
bool collect_types(const dsl::event_consumption& of, std::set<std::string>& types) {
  if (of.filters.empty()) return false;
  for (const dsl::event_filter& filter : of.filters) {
    const auto type = type_of(filter);
    if (!type) return false;
    types.insert(*type);
  }
  const auto* until = std::get_if<dsl::event_consumption::until_events>(&of.until);
  return until == nullptr || collect_types(**until, types);
}

void tell_bus(const context& ctx, const std::string& bus, const char* kind, const std::string& signal_name) {
  event_message told;
  told.kind = kind;
  told.workflow_id = ctx.workflow_id();
  told.signal_name = signal_name;
  ctx.send_or_start(bus, event_bus, event_bus_state{}, event_bus_signal, told);
}

bool matches_pattern(const std::string& pattern, const std::string& text) {
  if (text.size() > longest_matched) return false;
  try {
    return std::regex_match(text, std::regex(pattern));
  } catch (const std::regex_error&) {
    return false;
  }
}

const json& attribute_of(const json& event, const std::string& name) {
  static const json nothing;
  const auto found = event.find(name);
  return found == event.end() ? nothing : *found;
}

}  // namespace

std::vector<std::string> buses_of(const dsl::event_consumption& to) {
  std::set<std::string> types;
  if (!collect_types(to, types)) return {std::string(bus_of_all_events)};
  std::vector<std::string> buses;
  for (const std::string& type : types) buses.push_back(event_bus_of(type));
  return buses;
}

subscription::subscription(const context& ctx, const dsl::event_consumption& to, std::string signal_name)
    : ctx_(ctx), signal_name_(std::move(signal_name)), buses_(buses_of(to)) {
  for (const std::string& bus : buses_) tell_bus(ctx_, bus, "subscribe", signal_name_);
}

subscription::~subscription() {
  try {
    for (const std::string& bus : buses_) tell_bus(ctx_, bus, "unsubscribe", signal_name_);
  } catch (const std::exception&) {  // a query looks at the run: then it does not end here
  }
}

bool fits_attribute(const json& is, const dsl::value_template& wanted, const evaluation& evaluate) {
  const json value = evaluate(wanted, is);
  if (wanted.computed() != nullptr && value.is_boolean() && !is.is_boolean()) return value.get<bool>();
  if (value == is) return true;
  if (!wanted.is_constant() || !value.is_string() || !is.is_string()) return false;
  return matches_pattern(value.get_ref<const std::string&>(), is.get_ref<const std::string&>());
}

bool consumption::correlates() const noexcept {
  return std::any_of(what_.filters.begin(), what_.filters.end(), [](const auto& filter) { return !filter.correlate.empty(); });
}

bool consumption::links(const dsl::event_filter& filter, const json& event, const evaluation& evaluate, const json& input) {
  std::map<std::string, json> found;
  for (const dsl::correlation& each : filter.correlate) {
    json value = evaluate(each.from, event);
    if (each.expect) {
      if (value != evaluate(*each.expect, input)) return false;
    } else if (const auto known = correlated_.find(each.name); known != correlated_.end() && known->second != value) {
      return false;
    }
    found.emplace(each.name, std::move(value));
  }
  correlated_.merge(found);
  return true;
}

bool consumption::fits(const dsl::event_filter& filter, const json& event, const evaluation& evaluate, const json& input) {
  for (const auto& [name, wanted] : filter.with) {
    if (!fits_attribute(attribute_of(event, name), wanted, evaluate)) return false;
  }
  return links(filter, event, evaluate, input);
}

consumption::verdict consumption::offer(const json& event, const evaluation& evaluate, const json& input) {
  if (const auto* until = std::get_if<dsl::event_consumption::until_events>(&what_.until)) {
    if (until_ == nullptr) until_ = std::make_unique<consumption>(**until);
    if (until_->offer(event, evaluate, input) == verdict::taken) {  // it ends the listening, and is not given
      return until_->is_complete(evaluate, json::array()) ? verdict::finished : verdict::ignored;
    }
  }
  if (what_.filters.empty()) return verdict::taken;
  for (std::size_t i = 0; i < what_.filters.size(); ++i) {
    const bool wanted = what_.what != dsl::event_consumption::strategy::all || !met_[i];
    if (!wanted || !fits(what_.filters[i], event, evaluate, input)) continue;
    met_[i] = true;
    return verdict::taken;
  }
  return verdict::ignored;
}

bool consumption::is_complete(const evaluation& evaluate, const json& consumed) const {
  if (what_.what == dsl::event_consumption::strategy::all) return std::find(met_.begin(), met_.end(), false) == met_.end();
  if (const auto* condition = std::get_if<dsl::expression>(&what_.until)) return evaluate.holds(*condition, consumed);
  return std::holds_alternative<std::monostate>(what_.until);
}

json read_event(const json& event, dsl::listen_task::reading how) {
  if (how == dsl::listen_task::reading::envelope) return event;
  return attribute_of(event, event.contains("data") || !event.contains("data_base64") ? "data" : "data_base64");
}

}  // namespace evermill::interpreter
