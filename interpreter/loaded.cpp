#include "interpreter/loaded.hpp"

#include <algorithm>
#include <atomic>
#include <cctype>
#include <list>
#include <mutex>
#include <unordered_map>
#include <utility>
#include <vector>

#include "evermill/exceptions.hpp"

namespace evermill::interpreter {
namespace {

constexpr std::size_t kept_definitions = 256;
constexpr std::size_t kept_bytes = std::size_t{64} << 20;  // of their texts
constexpr std::string_view secret_begin = "\uE000";
std::atomic<std::size_t> loads{0};

bool is_name_start(char c) { return std::isalpha(static_cast<unsigned char>(c)) != 0 || c == '_'; }
bool is_name_part(char c) { return std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '_'; }

/// ".db.password", `["db"].password`: the steps at the beginning of the text.
std::vector<std::string> path_at(std::string_view text) {
  std::vector<std::string> steps;
  while (!text.empty()) {
    if (text.size() > 1 && text[0] == '.' && is_name_start(text[1])) {
      std::size_t end = 1;
      while (end < text.size() && is_name_part(text[end])) ++end;
      steps.emplace_back(text.substr(1, end - 1));
      text.remove_prefix(end);
    } else if (text.starts_with("[\"") || text.starts_with(".[\"") || text.starts_with(".\"")) {
      const std::size_t open = text.find('"');
      const std::size_t close = text.find('"', open + 1);
      if (close == std::string_view::npos) break;
      steps.emplace_back(text.substr(open + 1, close - open - 1));
      const bool bracket = text[open == 0 ? 0 : open - 1] == '[';
      text.remove_prefix(std::min(close + (bracket ? 2 : 1), text.size()));
    } else {
      break;
    }
  }
  return steps;
}

/// Puts the text of a secret's part where the path leads. What has members stays an object: its members are texts then.
void add_secret(json& into, const std::vector<std::string>& steps) {
  json* at = &into;
  std::string path;
  for (std::size_t i = 0; i < steps.size(); ++i) {
    path.append(i == 0 ? "" : ".").append(steps[i]);
    json& next = (*at)[steps[i]];
    const bool last = i + 1 == steps.size();
    if (last && next.is_null()) next = secret_text(path);
    if (!last && !next.is_object()) next = json::object();
    at = &next;
  }
}

void find_secrets(const json& value, loaded& into) {
  if (value.is_string()) {
    constexpr std::string_view variable = "$secrets";
    const std::string_view text = value.get_ref<const std::string&>();
    for (std::size_t at = text.find(variable); at != std::string_view::npos; at = text.find(variable, at + 1)) {
      const auto steps = path_at(text.substr(at + variable.size()));
      if (steps.empty()) continue;
      const auto& declared = into.definition->secrets;
      if (std::find(declared.begin(), declared.end(), steps.front()) == declared.end()) {
        into.undeclared_secrets.insert(steps.front());
      } else {
        add_secret(into.secrets, steps);
      }
    }
  } else if (value.is_structured()) {
    for (const json& each : value) find_secrets(each, into);
  }
}

loaded_pointer read(const std::string& text) {
  ++loads;
  dsl::reading_options options;
  options.any_function = true;  // what a process has registered must not decide whether it can replay
  dsl::read_result result = dsl::read_definition(text, options);
  std::string why;
  for (const dsl::problem& each : result.problems) {
    if (each.severity == dsl::severity::error) why.append(why.empty() ? "" : "\n").append(dsl::describe(each, "definition"));
  }
  if (result.definition != nullptr) {
    if (std::string refused = result.definition->expressions.prepare(); !refused.empty()) {
      why = "libjq does not take one of the expressions: " + refused;
    }
  }
  if (!why.empty()) throw application_error("InvalidDefinition", why, std::nullopt, true);
  auto made = std::make_shared<loaded>();
  made->definition = std::move(result.definition);
  made->qualified_name = made->definition->name + "." + made->definition->workflow_namespace;
  for (const std::string& name : made->definition->secrets) made->secrets[name] = nullptr;
  find_secrets(made->definition->source, *made);
  for (const std::string& name : made->definition->secrets) {
    if (made->secrets[name].is_null()) made->secrets[name] = secret_text(name);
  }
  return made;
}

/// The most recently used ones. What is thrown away lives on with those that use it.
class cache {
 public:
  loaded_pointer find(const std::string& text) {
    const std::lock_guard lock(mutex_);
    const auto known = places_.find(text);
    if (known == places_.end()) return nullptr;
    order_.splice(order_.begin(), order_, known->second);
    return known->second->second;
  }
  loaded_pointer keep(const std::string& text, loaded_pointer made) {
    const std::lock_guard lock(mutex_);
    if (const auto known = places_.find(text); known != places_.end()) return known->second->second;
    order_.emplace_front(text, made);
    places_.emplace(order_.front().first, order_.begin());
    bytes_ += text.size();
    while (order_.size() > kept_definitions || (bytes_ > kept_bytes && order_.size() > 1)) {
      bytes_ -= order_.back().first.size();
      places_.erase(order_.back().first);
      order_.pop_back();
    }
    return made;
  }
  std::vector<loaded_pointer> all() {
    const std::lock_guard lock(mutex_);
    std::vector<loaded_pointer> found;
    for (auto each = order_.rbegin(); each != order_.rend(); ++each) found.push_back(each->second);
    return found;
  }

 private:
  using entries = std::list<std::pair<std::string, loaded_pointer>>;
  std::mutex mutex_;
  entries order_;
  std::unordered_map<std::string_view, entries::iterator> places_;  // names lie in order_
  std::size_t bytes_ = 0;
};

cache& known_texts() {
  static cache& known = *new cache;  // lives as long as libjq's watchdog, which ends with the process
  return known;
}

}  // namespace

std::string secret_text(std::string_view path) { return std::string(secret_begin).append("secret:").append(path).append("\uE001"); }

// Without its first character no text stands for a secret, nor do two that are joined.
json without_secret_texts(json value) {
  if (value.is_string()) {
    auto& text = value.get_ref<std::string&>();
    for (std::size_t at = text.find(secret_begin); at != std::string::npos; at = text.find(secret_begin, at)) {
      text.replace(at, secret_begin.size(), "\uFFFD");
    }
  } else if (value.is_structured()) {
    for (json& each : value) each = without_secret_texts(std::move(each));
  }
  return value;
}

loaded_pointer load(const std::string& text) {
  cache& known = known_texts();
  if (loaded_pointer found = known.find(text)) return found;
  return known.keep(text, read(text));
}

std::vector<loaded_pointer> loaded_now() { return known_texts().all(); }

std::size_t loads_so_far() { return loads; }

}  // namespace evermill::interpreter
