#include "plugins/task/secrets.hpp"

#include <algorithm>
#include <utility>

#include "base/text.hpp"
#include "base/encodings.hpp"

namespace evermill::tasks {
namespace {

constexpr std::size_t least_hidden_bytes = 4;
constexpr std::size_t least_hidden_key_bytes = 20;  // shorter ones may be the names that a result's reader looks for
constexpr std::string_view secret_marks = "secret:";  // of the prefix, however the character before it is written
constexpr std::string_view stars = "***";

using json = nlohmann::json;

void replace_all(std::string& in, std::string_view what, std::string_view with) {
  for (std::size_t at = in.find(what); at != std::string::npos; at = in.find(what, at + with.size())) in.replace(at, what.size(), with);
}

/// How much of the value's beginning is the text's end.
std::size_t cut_at_end(std::string_view text, std::string_view value) {
  for (std::size_t n = std::min(text.size(), value.size() - 1); n >= least_hidden_bytes; --n) {
    if (text.ends_with(value.substr(0, n))) return n;
  }
  return 0;
}

std::size_t cut_at_begin(std::string_view text, std::string_view value) {
  for (std::size_t n = std::min(text.size(), value.size() - 1); n >= least_hidden_bytes; --n) {
    if (text.starts_with(value.substr(value.size() - n))) return n;
  }
  return 0;
}

}  // namespace

std::string attempt_secrets::value_of(std::string_view reference) {
  const std::string whole(reference);
  std::size_t dot = whole.find('.');
  const std::string name = whole.substr(0, dot);
  if (!source_) {
    throw secret_error("secret \"" + name + "\" can't be read: this process was given no secrets; start it with --secrets DIR, FILE or "
                       "env:PREFIX", false);
  }
  std::optional<json> value = source_->find(name);
  if (!value) throw secret_error("there is no secret \"" + name + "\" in " + source_->place(), false);
  while (dot != std::string::npos) {
    const std::size_t from = dot + 1;
    dot = whole.find('.', from);
    const std::string member = whole.substr(from, dot == std::string::npos ? dot : dot - from);
    const auto it = value->is_object() ? value->find(member) : value->end();
    if (!value->is_object() || it == value->end()) {
      throw secret_error("secret \"" + name + "\" in " + source_->place() + " has no member \"" + whole.substr(name.size() + 1) + "\"", false);
    }
    json inner = *it;
    value = std::move(inner);
  }
  std::string text = value->is_string() ? value->get<std::string>() : value->dump();
  keep(text);
  if (value->is_object()) {
    for (const auto& [key, member] : value->items()) {
      if (member.is_string()) keep(member.get<std::string>());
    }
  }
  return text;
}

std::string attempt_secrets::text_with_values(const std::string& text) {
  std::string made;
  std::size_t from = 0;
  while (true) {
    const std::size_t begin = text.find(secret_prefix, from);
    const std::size_t end = begin == std::string::npos ? begin : text.find(secret_suffix, begin);
    if (end == std::string::npos) return made + text.substr(from);
    made.append(text, from, begin - from);
    const std::size_t name = begin + secret_prefix.size();
    made.append(value_of(std::string_view(text).substr(name, end - name)));
    from = end + secret_suffix.size();
  }
}

void attempt_secrets::put_values(json& into) {
  if (into.is_string()) {
    const auto& text = into.get_ref<const std::string&>();
    if (text.find(secret_prefix) != std::string::npos) into = text_with_values(text);
    return;
  }
  if (into.is_structured()) {
    for (json& each : into) put_values(each);
  }
}

attempt_secrets::task_ptr attempt_secrets::reveal(const task_ptr& task) {
  const std::string& input = task->input().data();
  if (input.find(secret_marks) == std::string::npos || nests_too_deeply(input)) return task;
  json value = json::parse(input, nullptr, false);
  if (value.is_discarded()) return task;
  const json before = value;
  put_values(value);
  if (value == before) return task;
  auto revealed = std::make_shared<messages::ActivityTask>(*task);
  revealed->mutable_input()->set_data(value.dump());
  return revealed;
}

void attempt_secrets::keep(const std::string& value) {
  if (value.size() < least_hidden_bytes) return;
  const std::string quoted = json(to_utf8(value)).dump();
  for (std::string form : {value, quoted.substr(1, quoted.size() - 2), percent_encoded(value), base64_encoded(value)}) {
    if (std::find(hidden_.begin(), hidden_.end(), form) == hidden_.end()) hidden_.push_back(std::move(form));
  }
  std::stable_sort(hidden_.begin(), hidden_.end(), [](const auto& a, const auto& b) { return a.size() > b.size(); });
}

void attempt_secrets::hide(std::string& text) const {
  for (const std::string& value : hidden_) replace_all(text, value, stars);
  replace_all(text, secret_prefix, "\xEF\xBF\xBDsecret:");
}

void attempt_secrets::hide_cut(std::string& text) const {
  hide(text);
  for (const std::string& value : hidden_) {
    if (const std::size_t cut = cut_at_end(text, value); cut != 0) text.replace(text.size() - cut, cut, stars);
    if (const std::size_t cut = cut_at_begin(text, value); cut != 0) text.replace(0, cut, stars);
  }
}

void attempt_secrets::hide(json& value) const {
  if (value.is_string()) {
    hide(value.get_ref<std::string&>());
  } else if (value.is_array()) {
    for (json& each : value) hide(each);
  } else if (value.is_number()) {
    const std::string digits = value.dump();
    if (std::find(hidden_.begin(), hidden_.end(), digits) != hidden_.end()) value = stars;
  } else if (value.is_object()) {
    json made = json::object();
    for (const auto& [key, member] : value.items()) {
      std::string name = key;
      if (name.size() >= least_hidden_key_bytes) hide(name);
      json& into = made[name];
      into = member;
      hide(into);
    }
    value = std::move(made);
  }
}

/// Most hold none, which is found out without parsing.
void attempt_secrets::hide(messages::Payload& payload) const {
  std::string& data = *payload.mutable_data();
  const bool escaped = data.find('\\') != std::string::npos;
  const bool marked = data.find(secret_marks) != std::string::npos;
  const bool has_value = std::any_of(hidden_.begin(), hidden_.end(), [&](const std::string& value) { return data.find(value) != std::string::npos; });
  if (!marked && !has_value && !(escaped && !hidden_.empty())) return;
  json value = nests_too_deeply(data) ? json(json::value_t::discarded) : json::parse(data, nullptr, false);
  if (value.is_discarded()) return hide(data);
  hide(value);
  data = value.dump(-1, ' ', false, json::error_handler_t::replace);
}

void attempt_secrets::hide(messages::Failure& failure) const {
  hide(*failure.mutable_type());
  hide(*failure.mutable_message());
  if (failure.has_details()) hide(*failure.mutable_details());
  if (failure.has_cause()) hide(*failure.mutable_cause());
}

void attempt_secrets::hide(outcome& how) const {
  if (auto* const done = std::get_if<completed>(&how)) hide(done->result);
  if (auto* const why = std::get_if<failed>(&how)) hide(why->failure);
}

}  // namespace evermill::tasks
