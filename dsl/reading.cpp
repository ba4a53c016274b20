#include "dsl/reading.hpp"

#include <algorithm>
#include <array>

#include "base/spelling.hpp"
#include "dsl/names.hpp"

namespace evermill::dsl {
namespace {

constexpr std::array standard_variables = std::to_array<std::pair<std::string_view, variable_set>>({
    {"context", variable::context},
    {"input", variable::input},
    {"output", variable::output},
    {"secrets", variable::secrets},
    {"task", variable::task},
    {"workflow", variable::workflow},
    {"runtime", variable::runtime},
    {"authorization", variable::authorization},
});

variable_set standard_variable(std::string_view name) {
  const auto* found =
      std::find_if(standard_variables.begin(), standard_variables.end(), [&](const auto& v) { return v.first == name; });
  return found == standard_variables.end() ? variable_set{0} : found->second;
}

/// Does the text hold what looks like an expression that will not be evaluated? `${HOME}` of a shell does not.
bool holds_expression(std::string_view text) {
  for (std::size_t at = text.find("${"); at != std::string_view::npos; at = text.find("${", at + 1)) {
    const bool looks_like_jq = at + 2 < text.size() && std::string_view(" .$\"(").find(text[at + 2]) != std::string_view::npos;
    if (looks_like_jq && text.find('}', at) != std::string_view::npos) return true;
  }
  return false;
}

}  // namespace

void reading::report(position at, rule which, const std::string& pointer, std::string message, std::string hint) {
  found_.push_back({.at = at, .rule = which, .pointer = pointer, .message = std::move(message), .hint = std::move(hint)});
}

void reading::warn(position at, rule which, const std::string& pointer, std::string message, std::string hint) {
  report(at, which, pointer, std::move(message), std::move(hint));
  found_.back().severity = severity::warning;
}

std::string reading::did_you_mean(std::string_view name, const std::vector<std::string>& known) {
  const std::string like = nearest(name, known);
  return like.empty() ? std::string() : "did you mean " + in_quotes(like) + "?";
}

bool reading::expect(const node& value, node::kind what, std::string_view name, const std::string& pointer) {
  if (value.is(what)) return true;
  std::string hint;
  const bool plain = value.is(node::kind::number) || value.is(node::kind::boolean);
  if (what == node::kind::string && plain) hint = "put it in quotes: \"" + value.scalar.dump() + "\"";
  report(value.at, rule::type, pointer,
         in_quotes(name) + " must be " + std::string(kind_name(what)) + ", not " + std::string(kind_name(value.what)),
         std::move(hint));
  return false;
}

bool reading::check_variables(const expression& compiled, const node& value, std::size_t offset, const std::string& pointer,
                              variable_set available) {
  bool right = true;
  for (const jq::parsed::use& use : compiled.variables_used()) {
    if (std::find(locals.begin(), locals.end(), use.name) != locals.end()) continue;
    const variable_set standard = standard_variable(use.name);
    if ((standard & available) != 0) continue;
    right = false;
    std::vector<std::string> known = locals;
    for (const auto& [name, bit] : standard_variables) {
      if ((bit & available) != 0) known.emplace_back(name);
    }
    const position at = value.within(offset + use.offset);
    if (standard != 0) {
      std::string list;
      for (const std::string& name : known) list.append(list.empty() ? "$" : ", $").append(name);
      report(at, rule::expression, pointer, "$" + use.name + " is not available here", "there are " + list);
      continue;
    }
    const std::string like = nearest(use.name, known);
    report(at, rule::expression, pointer, "no variable $" + use.name + " exists here",
           like.empty() ? std::string() : "did you mean $" + like + "?");
  }
  return right;
}

std::optional<expression> reading::compile(const node& value, std::string_view source, const std::string& pointer,
                                           variable_set available) {
  const auto offset = static_cast<std::size_t>(source.data() - value.text().data());
  auto compiled = expressions_.compile(source, value.within(offset));
  if (compiled) {
    if (!check_variables(*compiled, value, offset, pointer, available)) return std::nullopt;
    return std::move(*compiled);
  }
  jq::syntax_error& error = compiled.error();
  if (source.find("${") != std::string_view::npos && error.hint.empty()) {
    error.hint = "a value has one ${ } around all of it; parts of a text are put in as \"… \\(.name) …\"";
  }
  report(value.within(offset + error.offset), rule::expression, pointer, "the expression is no jq: " + error.message,
         error.hint);
  return std::nullopt;
}

std::optional<expression> reading::condition(const node& value, std::string_view name, const std::string& pointer,
                                             variable_set available) {
  if (value.is(node::kind::boolean)) {  // `if: true`, which would be text by the standard
    report(value.at, rule::type, pointer, in_quotes(name) + " must be an expression, which is a string",
           "put it in quotes: \"" + value.scalar.dump() + "\"");
    return std::nullopt;
  }
  if (!expect(value, node::kind::string, name, pointer)) return std::nullopt;
  const std::string_view text = value.text();
  return compile(value, enclosed_expression(text).value_or(text), pointer, available);
}

value_template reading::text_value(const node& value, const std::string& pointer, variable_set available) {
  const std::string& text = value.text();
  if (const auto inner = enclosed_expression(text)) {
    auto compiled = compile(value, *inner, pointer, available);
    return compiled ? value_template(std::move(*compiled)) : value_template(value.scalar);
  }
  if (loose) {
    auto tried = expressions_.compile(text, value.at);
    if (tried) {
      const auto known = [&](const jq::parsed::use& use) {
        return (standard_variable(use.name) & available) != 0 ||
               std::find(locals.begin(), locals.end(), use.name) != locals.end();
      };
      const auto& used = tried->variables_used();
      if (std::all_of(used.begin(), used.end(), known))
        return value_template(value_template::loose_text{std::move(*tried), text});
    }
  } else if (holds_expression(text)) {
    warn(value.at, rule::style, pointer, "the expression within this text is not evaluated",
         "write all of it as one: ${ \"… \\(.name) …\" }");
  }
  return value_template(value.scalar);
}

value_template reading::any_value(const node& value, const std::string& pointer, variable_set available) {
  if (value.is(node::kind::string)) return text_value(value, pointer, available);
  if (value.is(node::kind::sequence)) {
    value_template::list items;
    for (std::size_t i = 0; i < value.items.size(); ++i) {
      items.push_back(any_value(value.items[i], pointer + "/" + std::to_string(i), available));
    }
    return value_template(std::move(items));
  }
  if (!value.is(node::kind::mapping)) return value_template(value.scalar);
  value_template::object members;
  for (const node::member& member : value.members) {
    members.emplace_back(member.key, any_value(member.value, pointer + "/" + pointer_token(member.key), available));
  }
  return value_template(std::move(members));
}

std::optional<duration_value> reading::duration_of(const node& value, const std::string& pointer, variable_set available) {
  if (value.is(node::kind::string)) {
    if (const auto inner = enclosed_expression(value.text())) {
      auto compiled = compile(value, *inner, pointer, available);
      if (!compiled) return std::nullopt;
      return duration_value(std::move(*compiled));
    }
  }
  if (value.is(node::kind::mapping)) {
    fields(*this, value, pointer, "a duration", {"days", "hours", "minutes", "seconds", "milliseconds"});
  }
  auto known = to_duration(to_json(value));
  if (known) return duration_value(*known);
  const bool told = value.is(node::kind::mapping) && known.error().find("it has no ") == 0;
  if (!told) report(value.at, rule::duration, pointer, "this is no duration: " + known.error());
  return std::nullopt;
}

std::string reading::variable_name(const node& value, std::string_view name, const std::string& pointer) {
  if (!expect(value, node::kind::string, name, pointer)) return {};
  const std::string& text = value.text();
  if (!is_variable_name(text)) {
    const bool dollar = text.starts_with('$') && is_variable_name(std::string_view(text).substr(1));
    report(value.at, rule::value, pointer, in_quotes(text) + " can't be the name of a variable",
           dollar ? "leave out the $" : "letters, digits and _ make one, no digit first, and no word of jq");
  } else if (standard_variable(text) != 0) {
    report(value.at, rule::value, pointer, "$" + text + " is a variable of the standard", "choose another name");
  }
  return text;
}

fields::fields(reading& in, const node& of, std::string pointer, std::string_view what, std::vector<std::string_view> known,
               others unknown)
    : in_(in), of_(of), pointer_(std::move(pointer)), what_(what) {
  if (!of.is(node::kind::mapping)) {
    in_.report(of.at, rule::type, pointer_, what_ + " must be an object, not " + std::string(kind_name(of.what)));
  } else if (unknown != others::free) {
    check_known(std::move(known), unknown);
  }
}

void fields::check_known(std::vector<std::string_view> known, others unknown) const {
  for (const node::member& member : of_.members) {
    if (std::find(known.begin(), known.end(), member.key) != known.end()) continue;
    std::string hint = reading::did_you_mean(member.key, {known.begin(), known.end()});
    if (member.key == "<<") hint = std::string(no_merge_keys);
    const std::string message = what_ + " has no property " + in_quotes(member.key);
    if (unknown == others::refused) {
      in_.report(member.key_at, rule::unknown_property, pointer(member.key), message, std::move(hint));
    } else {
      in_.warn(member.key_at, rule::unknown_property, pointer(member.key), message, std::move(hint));
    }
  }
}

std::string fields::pointer(std::string_view key) const { return pointer_ + "/" + pointer_token(key); }

const node* fields::need(std::string_view key) const {
  const node* found = find(key);
  if (found == nullptr && *this) {
    in_.report(of_.at, rule::missing_property, pointer_, what_ + " needs the property " + in_quotes(key));
  }
  return found;
}

std::optional<std::string_view> fields::need_one(std::initializer_list<std::string_view> keys) const {
  if (!*this) return std::nullopt;
  std::vector<std::string_view> given;
  std::string all;
  for (const std::string_view key : keys) {
    all.append(all.empty() ? "" : key == *(keys.end() - 1) ? " or " : ", ").append(in_quotes(key));
    if (has(key)) given.push_back(key);
  }
  if (given.size() == 1) return given.front();
  if (given.empty()) {
    in_.report(of_.at, rule::missing_property, pointer_, what_ + " needs one of the properties " + all);
  } else {
    in_.report(find(given[1])->at, rule::conflict, pointer(given[1]),
               what_ + " has both " + in_quotes(given[0]) + " and " + in_quotes(given[1]), "leave one of them out");
  }
  return std::nullopt;
}

std::optional<std::string> fields::text(std::string_view key) const {
  const node* found = find(key);
  if (found == nullptr || !in_.expect(*found, node::kind::string, key, pointer(key))) return std::nullopt;
  return found->text();
}

std::string fields::need_text(std::string_view key) const {
  return need(key) == nullptr ? std::string() : text(key).value_or(std::string());
}

std::optional<bool> fields::boolean(std::string_view key) const {
  const node* found = find(key);
  if (found == nullptr || !in_.expect(*found, node::kind::boolean, key, pointer(key))) return std::nullopt;
  return found->scalar.get<bool>();
}

std::optional<std::int64_t> fields::integer(std::string_view key, std::int64_t low, std::int64_t high) const {
  const node* found = find(key);
  if (found == nullptr || !in_.expect(*found, node::kind::number, key, pointer(key))) return std::nullopt;
  const bool whole = found->scalar.is_number_integer();
  const bool inside = whole && found->scalar >= low && found->scalar <= high;
  if (inside) return found->scalar.get<std::int64_t>();
  in_.report(found->at, whole ? rule::value : rule::type, pointer(key),
             in_quotes(key) + " must be an integer" +
                 (whole ? " from " + std::to_string(low) + " to " + std::to_string(high) : std::string()));
  return std::nullopt;
}

std::optional<std::string> fields::choice(std::string_view key, std::initializer_list<std::string_view> allowed) const {
  const auto given = text(key);
  if (!given || std::find(allowed.begin(), allowed.end(), *given) != allowed.end()) return given;
  std::string all;
  for (const std::string_view one : allowed) all.append(all.empty() ? "" : ", ").append(one);
  std::string hint = reading::did_you_mean(*given, {allowed.begin(), allowed.end()});
  in_.report(find(key)->at, rule::value, pointer(key), in_quotes(key) + " can't be " + in_quotes(*given),
             hint.empty() ? "allowed are " + all : std::move(hint));
  return std::nullopt;
}

std::vector<std::string> fields::texts(std::string_view key) const {
  std::vector<std::string> made;
  const node* found = find(key);
  if (found == nullptr || !in_.expect(*found, node::kind::sequence, key, pointer(key))) return made;
  for (std::size_t i = 0; i < found->items.size(); ++i) {
    const node& item = found->items[i];
    if (in_.expect(item, node::kind::string, key, pointer(key) + "/" + std::to_string(i))) made.push_back(item.text());
  }
  return made;
}

std::optional<value_template> fields::value(std::string_view key, variable_set available) const {
  const node* found = find(key);
  if (found == nullptr) return std::nullopt;
  return in_.any_value(*found, pointer(key), available);
}

std::optional<value_template> fields::text_value(std::string_view key, variable_set available) const {
  const node* found = find(key);
  if (found == nullptr || !in_.expect(*found, node::kind::string, key, pointer(key))) return std::nullopt;
  return in_.any_value(*found, pointer(key), available);
}

value_template fields::need_text_value(std::string_view key, variable_set available) const {
  return need(key) == nullptr ? value_template() : text_value(key, available).value_or(value_template());
}

std::vector<value_template> fields::text_values(std::string_view key, variable_set available) const {
  std::vector<value_template> made;
  const node* found = find(key);
  if (found == nullptr || !in_.expect(*found, node::kind::sequence, key, pointer(key))) return made;
  for (std::size_t i = 0; i < found->items.size(); ++i) {
    const std::string at = pointer(key) + "/" + std::to_string(i);
    if (in_.expect(found->items[i], node::kind::string, key, at)) made.push_back(in_.any_value(found->items[i], at, available));
  }
  return made;
}

std::optional<value_template> fields::object_value(std::string_view key, variable_set available, bool or_expression) const {
  const node* found = find(key);
  if (found == nullptr) return std::nullopt;
  const bool computed = or_expression && found->is(node::kind::string) && enclosed_expression(found->text());
  if (!computed && !in_.expect(*found, node::kind::mapping, key, pointer(key))) return std::nullopt;
  return in_.any_value(*found, pointer(key), available);
}

std::optional<expression> fields::condition(std::string_view key, variable_set available) const {
  const node* found = find(key);
  if (found == nullptr) return std::nullopt;
  return in_.condition(*found, key, pointer(key), available);
}

std::optional<duration_value> fields::duration_of(std::string_view key, variable_set available) const {
  const node* found = find(key);
  if (found == nullptr) return std::nullopt;
  return in_.duration_of(*found, pointer(key), available);
}

json fields::free_object(std::string_view key) const {
  const node* found = find(key);
  if (found == nullptr || !in_.expect(*found, node::kind::mapping, key, pointer(key))) return nullptr;
  return to_json(*found);
}

}  // namespace evermill::dsl
