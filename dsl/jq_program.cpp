#include "dsl/jq_program.hpp"

#include <optional>

#include "base/check.hpp"
#include "dsl/jq_library.hpp"
#include "dsl/jq_value.hpp"
#include "dsl/jq_watchdog.hpp"

namespace evermill::dsl::jq {
namespace {

// libjq 1.6 ends the process for some values, which may come with a workflow's input: INT64_MIN % -1 is a hardware exception
// there, and a time that is no date breaks an assertion. NaN, which JSON does not have but its parser reads, breaks others. An
// operator is a call of a function of jq, which these stand in for.
constexpr std::string_view prelude = R"(
def _evermill_mod(a; b): _mod(a; b);
def _mod(a; b): b as $b | a as $a |
  if ($a | type) == "number" and ($b | type) == "number" and $b > -2 and $b <= -1 then 0 else _evermill_mod($a; $b) end;
def _evermill_strftime(f): strftime(f);
def strftime(f): if type == "number" then gmtime | _evermill_strftime(f) else _evermill_strftime(f) end;
def todate: strftime("%Y-%m-%dT%H:%M:%SZ");
def todateiso8601: todate;
def _evermill_finite: if any(..; type == "number" and isnan) then error("NaN is no number of JSON") else . end;
def _evermill_tonumber: tonumber;
def tonumber: _evermill_tonumber | _evermill_finite;
def _evermill_fromjson: fromjson;
def fromjson: _evermill_fromjson | _evermill_finite;
)";

void remember(void* into, jv message) {
  auto& text = *static_cast<std::string*>(into);
  if (jv_get_kind(message) == JV_KIND_STRING && text.empty()) {
    text.assign(jv_string_value(message), static_cast<std::size_t>(jv_string_length_bytes(jv_copy(message))));
  }
  jv_free(message);
}

void forget(void*, jv message) { jv_free(message); }

/// What an error's value says: error({…}) is shown as JSON.
std::string message_of(jv invalid) {
  const jv message = jv_invalid_get_msg(invalid);
  const jv text = jv_get_kind(message) == JV_KIND_STRING ? message : jv_dump_string(message, 0);
  std::string said(jv_string_value(text), static_cast<std::size_t>(jv_string_length_bytes(jv_copy(text))));
  jv_free(text);
  return said;
}

struct state_deleter {
  void operator()(jq_state* state) const { jq_teardown(&state); }
};

}  // namespace

class program::machine {
 public:
  /// Nothing where libjq refuses the text; `why` says what.
  static std::unique_ptr<machine> compile(const std::string& text, std::optional<std::size_t> only, std::string& why) {
    std::unique_ptr<jq_state, state_deleter> state(jq_init());
    EVERMILL_CHECK(state != nullptr, "libjq starts");
    jq_set_error_cb(state.get(), remember, &why);
    if (jq_compile(state.get(), text.c_str()) == 0) {
      if (why.empty()) why = "libjq does not compile it";
      return nullptr;
    }
    jq_set_error_cb(state.get(), forget, nullptr);
    return std::unique_ptr<machine>(new machine(std::move(state), only));
  }

  std::optional<std::size_t> only() const { return only_; }
  bool spoilt() const { return spoilt_; }

  /// Takes `input`.
  result<json, evaluation_error> run(jv input, std::size_t rounded, std::chrono::milliseconds limit) {
    using kind = evaluation_error::kind;
    jq_start(state_.get(), input, 0);  // forgets an earlier stop, so the watch begins behind it
    watch_.begin(limit);
    jv value = jq_next(state_.get());
    const bool any = jv_is_valid(value) != 0;
    jv second = any ? jq_next(state_.get()) : jv_invalid();
    spoilt_ = watch_.end();
    if (spoilt_) {
      free_flat(value);
      free_flat(second);
      return unexpected(
          evaluation_error{kind::stopped, "the expression took longer than " + std::to_string(limit.count()) + " ms"});
    }
    const bool several = jv_is_valid(second) != 0;
    jv& last = any ? second : value;
    if (!several && jv_invalid_has_msg(jv_copy(last)) != 0) {
      std::string said = message_of(last);
      if (any) free_flat(value);
      return unexpected(evaluation_error{kind::failed, std::move(said)});
    }
    free_flat(several ? second : last);
    if (!any) return json(nullptr);
    if (several) {
      free_flat(value);
      jq_start(state_.get(), jv_null(), 0);  // lets go of what would give further results
      return unexpected(evaluation_error{kind::several, "the expression has more than one result; put it into [ ] for a list"});
    }
    auto converted = from_jv(value, rounded);
    if (!converted) return unexpected(evaluation_error{kind::number, std::move(converted.error())});
    return std::move(*converted);
  }

 private:
  machine(std::unique_ptr<jq_state, state_deleter> state, std::optional<std::size_t> only)
      : state_(std::move(state)), only_(only), watch_(state_.get()) {}

  std::unique_ptr<jq_state, state_deleter> state_;
  std::optional<std::size_t> only_;
  watched watch_;
  bool spoilt_ = false;
};

program::program(std::chrono::milliseconds limit) : limit_(limit) {}
program::~program() = default;

std::size_t program::add(std::string source, std::vector<std::string> variables) {
  sources_.push_back({std::move(source), std::move(variables)});
  const std::lock_guard lock(mutex_);
  idle_.clear();  // they were compiled without it
  return sources_.size() - 1;
}

// The input is [number, input, variable, variable, …]. The expression stands on lines of its own: it may end with a comment.
std::string program::text_of_one(std::size_t number) const {
  const source& from = sources_[number];
  std::string text = "(";
  for (std::size_t i = 0; i < from.variables.size(); ++i) {
    text.append(".[").append(std::to_string(i + 2)).append("] as $").append(from.variables[i]).append(" | ");
  }
  return text.append(".[1] | (\n").append(from.text).append("\n))");
}

std::string program::text_of(std::size_t first, std::size_t last) const {
  if (last - first == 1) return text_of_one(first);
  const std::size_t middle = first + (last - first) / 2;
  std::string text = "if .[0] < ";
  text.append(std::to_string(middle)).append(" then ").append(text_of(first, middle));
  return text.append(" else ").append(text_of(middle, last)).append(" end");
}

result<std::unique_ptr<program::machine>, std::string> program::take(std::size_t number) const {
  bool apart = false;
  {
    const std::lock_guard lock(mutex_);
    apart = apart_;
    for (auto& idle : idle_) {
      if (idle->only() && *idle->only() != number) continue;
      std::unique_ptr<machine> found = std::move(idle);
      idle = std::move(idle_.back());
      idle_.pop_back();
      return found;
    }
  }
  std::string why;
  if (!apart) {
    if (auto made = machine::compile(std::string(prelude).append(text_of(0, sources_.size())), std::nullopt, why)) return made;
    const std::lock_guard lock(mutex_);
    apart_ = true;
  }
  why.clear();
  if (auto made = machine::compile(std::string(prelude).append(text_of_one(number)), number, why)) return made;
  return unexpected(std::move(why));
}

void program::give_back(std::unique_ptr<machine> used) const {
  if (used->spoilt()) return;
  const std::lock_guard lock(mutex_);
  idle_.push_back(std::move(used));
}

result<json, evaluation_error> program::evaluate(std::size_t number, const json& input,
                                                 std::span<const json* const> variables) const {
  EVERMILL_CHECK(number < sources_.size() && variables.size() == sources_[number].variables.size(),
                 "an expression is given what it was compiled for");
  auto compiled = take(number);
  if (!compiled) return unexpected(evaluation_error{evaluation_error::kind::failed, std::move(compiled.error())});
  std::size_t rounded = 0;
  jv given = jv_array_sized(static_cast<int>(variables.size() + 2));
  given = jv_array_append(given, jv_number(static_cast<double>(number)));
  given = jv_array_append(given, to_jv(input, rounded));
  for (const json* variable : variables) given = jv_array_append(given, to_jv(*variable, rounded));
  auto evaluated = (*compiled)->run(given, rounded, limit_);
  give_back(std::move(*compiled));
  return evaluated;
}

std::string program::prepare() const {
  if (sources_.empty()) return {};
  for (std::size_t i = 0; i < sources_.size(); ++i) {
    auto compiled = take(i);
    if (!compiled) return compiled.error();
    const bool all = !(*compiled)->only();
    give_back(std::move(*compiled));
    if (all) break;
  }
  return {};
}

}  // namespace evermill::dsl::jq
