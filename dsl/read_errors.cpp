#include <limits>

#include "dsl/names.hpp"
#include "dsl/readers.hpp"

namespace evermill::dsl {
namespace {

constexpr std::int64_t any_integer = std::numeric_limits<std::int64_t>::max();

value_template read_error_type(const fields& of) {
  const node* type = of.need("type");
  if (type == nullptr) return {};
  if (type->is(node::kind::string) && !enclosed_expression(type->text())) {
    if (auto uri = uri_template::parse(type->text()); !uri) {
      of.in().report(type->at, rule::uri, of.pointer("type"), std::move(uri.error()),
                     "the standard's types begin with https://serverlessworkflow.io/spec/1.0.0/errors/");
    }
  }
  return of.need_text_value("type", scope::task);
}

std::optional<value_template> read_instance(const fields& of) {
  auto made = of.text_value("instance", scope::task);
  if (made && made->is_constant() && made->constant()->is_string() && !is_json_pointer(made->constant()->get<std::string>())) {
    of.in().report(of.find("instance")->at, rule::value, of.pointer("instance"),
                   "\"instance\" must be a JSON Pointer such as /do/0/build");
  }
  return made;
}

void read_backoff(const fields& of, retry_policy& into) {
  const fields backoff(of.in(), *of.find("backoff"), of.pointer("backoff"), "`backoff`", {"constant", "exponential", "linear"});
  const auto chosen = backoff.need_one({"constant", "exponential", "linear"});
  if (!chosen) return;
  using growth = retry_policy::backoff;
  into.growth = *chosen == "constant" ? growth::constant : *chosen == "linear" ? growth::linear : growth::exponential;
  if (json options = backoff.free_object(*chosen); !options.is_null()) into.growth_options = std::move(options);
}

void read_limit(const fields& of, retry_policy& into) {
  reading& in = of.in();
  const fields limit(in, *of.find("limit"), of.pointer("limit"), "`limit`", {"attempt", "duration"});
  into.total_duration = limit.duration_of("duration", scope::task);
  const node* attempt = limit.find("attempt");
  if (attempt == nullptr) return;
  const fields each(in, *attempt, limit.pointer("attempt"), "`attempt`", {"count", "duration"});
  into.attempt_limit = each.integer("count", 0, any_integer);
  into.attempt_duration = each.duration_of("duration", scope::task);
}

void read_jitter(const fields& of, retry_policy& into) {
  const fields jitter(of.in(), *of.find("jitter"), of.pointer("jitter"), "`jitter`", {"from", "to"});
  if (jitter.need("from") == nullptr || jitter.need("to") == nullptr) return;
  auto from = jitter.duration_of("from", scope::task), to = jitter.duration_of("to", scope::task);
  if (!from || !to) return;
  if (from->known() && to->known() && *from->known() > *to->known()) {
    of.in().report(jitter.find("to")->at, rule::value, jitter.pointer("to"), "\"to\" must not be shorter than \"from\"");
  }
  into.jitter = retry_policy::jitter_range{std::move(*from), std::move(*to)};
}

template <class Pointer, class Map>
Pointer referred(reading& in, const node& from, const std::string& pointer, const Map& known, const std::string& what,
                 const std::string& where) {
  const auto found = known.find(from.text());
  if (found != known.end()) return found->second;
  in.report(from.at, rule::reference, pointer, "no " + what + " " + in_quotes(from.text()) + " is defined in `" + where + "`",
            reading::did_you_mean(from.text(), names_of(known)));
  return nullptr;
}

}  // namespace

error_pointer read_error(reading& in, const node& from, const std::string& pointer) {
  const fields of(in, from, pointer, "an error", {"type", "status", "instance", "title", "detail"});
  auto made = std::make_shared<error_definition>();
  if (!of) return made;
  made->type = read_error_type(of);
  if (of.need("status") != nullptr) made->status = of.integer("status", 0, any_integer).value_or(0);
  made->instance = read_instance(of);
  made->title = of.text_value("title", scope::task);
  made->detail = of.text_value("detail", scope::task);
  return made;
}

error_pointer read_error_or_reference(reading& in, const node& from, const std::string& pointer) {
  if (!from.is(node::kind::string)) return read_error(in, from, pointer);
  return referred<error_pointer>(in, from, pointer, in.use.errors, "error", "use.errors");
}

std::optional<error_filter> read_error_filter(reading& in, const node& from, const std::string& pointer) {
  const fields errors(in, from, pointer, "`errors`", {"with"}, others::suspect);
  const node* with = errors.find("with");
  if (with == nullptr) return std::nullopt;
  const fields of(in, *with, errors.pointer("with"), "an error filter", {"type", "status", "instance", "title", "details"},
                  others::suspect);
  if (of && with->members.empty())
    in.report(with->at, rule::value, of.pointer(), "an error filter names at least one property");
  error_filter made;
  made.type = of.text_value("type", scope::task);
  made.status = of.integer("status", 0, any_integer);
  made.instance = of.text_value("instance", scope::task);
  made.title = of.text_value("title", scope::task);
  made.details = of.text_value("details", scope::task);
  return made;
}

retry_pointer read_retry(reading& in, const node& from, const std::string& pointer) {
  const fields of(in, from, pointer, "a retry policy", {"when", "exceptWhen", "delay", "backoff", "limit", "jitter"});
  auto made = std::make_shared<retry_policy>();
  if (!of) return made;
  made->when = of.condition("when", scope::task);
  made->except_when = of.condition("exceptWhen", scope::task);
  made->delay = of.duration_of("delay", scope::task);
  if (of.has("backoff")) read_backoff(of, *made);
  if (of.has("limit")) read_limit(of, *made);
  if (of.has("jitter")) read_jitter(of, *made);
  return made;
}

retry_pointer read_retry_or_reference(reading& in, const node& from, const std::string& pointer) {
  if (!from.is(node::kind::string)) return read_retry(in, from, pointer);
  return referred<retry_pointer>(in, from, pointer, in.use.retries, "retry policy", "use.retries");
}

}  // namespace evermill::dsl
