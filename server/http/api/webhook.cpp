#include "server/http/api/webhook.hpp"

#include <algorithm>
#include <cctype>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>

#include "base/spelling.hpp"
#include "base/text.hpp"
#include "dsl/document.hpp"
#include "server/http/api/object_reader.hpp"

namespace evermill::server::http::api {
namespace {

using dsl::node;
using style = webhook_signature::style;

constexpr std::size_t min_secret_bytes = 8;
constexpr std::int64_t most_body_bytes = 64 << 20;

struct style_name {
  std::string_view name;
  style kind;
  std::string_view header;
};
constexpr style_name styles[] = {{"github", style::github, "X-Hub-Signature-256"},
                                 {"stripe", style::stripe, "Stripe-Signature"},
                                 {"hex", style::hex, ""},
                                 {"none", style::none, ""}};

bool is_header_name(std::string_view name) {
  constexpr std::string_view others = "!#$%&'*+-.^_`|~";
  for (const char c : name) {
    if (std::isalnum(static_cast<unsigned char>(c)) == 0 && others.find(c) == others.npos) return false;
  }
  return !name.empty();
}

/// RFC 6901: "" or "/a/b", with ~0 and ~1 only.
bool is_pointer(std::string_view text) {
  if (!text.starts_with('/')) return false;
  for (std::size_t at = text.find('~'); at != text.npos; at = text.find('~', at + 1)) {
    if (at + 1 >= text.size() || (text[at + 1] != '0' && text[at + 1] != '1')) return false;
  }
  return true;
}

/// One reading of one file: every problem is noted, and what is wrong is left out.
class hook_reader {
 public:
  hook_reader(dsl::problems& found, std::filesystem::path folder) : found_(found), folder_(std::move(folder)) {}

  std::vector<webhook> read(const node& document) {
    std::vector<webhook> hooks;
    if (!is_object(document, "the file")) return hooks;
    check_known(document, "the file", {"hooks"});
    const node* const all = document.find("hooks");
    if (all == nullptr) return report(document, dsl::rule::missing_property, "\"hooks\" is missing"), hooks;
    if (!is_object(*all, "\"hooks\"")) return hooks;
    for (const node::member& each : all->members) hooks.push_back(read_hook(each));
    return hooks;
  }

 private:
  void report(const node& at, dsl::rule which, std::string message, std::string hint = {}) {
    found_.push_back({at.at, which, dsl::severity::error, {}, std::move(message), std::move(hint)});
  }

  bool is_object(const node& value, const std::string& what) {
    if (value.is(node::kind::mapping)) return true;
    report(value, dsl::rule::type, what + " is " + std::string(dsl::kind_name(value.what)) + "; an object is expected");
    return false;
  }

  void check_known(const node& of, const std::string& what, const std::vector<std::string>& known) {
    for (const node::member& each : of.members) {
      if (std::find(known.begin(), known.end(), each.key) != known.end()) continue;
      const std::string near = nearest(each.key, known);
      found_.push_back({each.key_at,
                        dsl::rule::unknown_property,
                        dsl::severity::error,
                        {},
                        what + " has no property " + dsl::in_quotes(each.key),
                        near.empty() ? "" : "did you mean \"" + near + "\"?"});
    }
  }

  /// "" where it is missing, or wrong.
  std::string text(const node& of, std::string_view key) {
    const node* const value = of.find(key);
    if (value == nullptr) return {};
    if (value->is(node::kind::string) && !value->text().empty()) return value->text();
    report(*value, dsl::rule::type, dsl::in_quotes(key) + " is no text, or empty");
    return {};
  }

  webhook read_hook(const node::member& from) {
    webhook hook;
    hook.name = from.key;
    const std::string what = "the hook " + dsl::in_quotes(from.key);
    if (const auto why = why_no_name(from.key)) report(from.value, dsl::rule::value, "a hook's name " + *why);
    if (!is_object(from.value, what)) return hook;
    check_known(from.value, what, {"namespace", "start", "signal", "workflow_id", "request_id", "signature", "max_body_bytes"});
    hook.name_space = name(from.value, "namespace");
    hook.workflow_type = name(from.value, "start");
    hook.signal_name = name(from.value, "signal");
    hook.workflow_id = source(from.value, "workflow_id");
    hook.request_id = source(from.value, "request_id");
    hook.signature = signature(from.value, what);
    hook.max_body_bytes = bytes(from.value, hook.max_body_bytes);
    if (!from.value.find("start") && !from.value.find("signal")) {
      report(from.value, dsl::rule::missing_property, what + " does nothing", "it needs \"start\", \"signal\" or both");
    }
    if (from.value.find("signal") && !from.value.find("workflow_id")) {
      report(from.value, dsl::rule::missing_property, what + " does not say which execution is signaled",
             "it needs \"workflow_id\"");
    }
    return hook;
  }

  std::string name(const node& of, std::string_view key) {
    std::string value = text(of, key);
    if (value.empty()) return value;
    if (const auto why = why_no_name(value)) report(*of.find(key), dsl::rule::value, dsl::in_quotes(key) + " " + *why);
    return value;
  }

  value_source source(const node& of, std::string_view key) {
    value_source from;
    const node* const value = of.find(key);
    if (value == nullptr || !is_object(*value, dsl::in_quotes(key))) return from;
    check_known(*value, dsl::in_quotes(key), {"header", "pointer", "prefix"});
    from.header = text(*value, "header");
    from.pointer = text(*value, "pointer");
    from.prefix = text(*value, "prefix");
    if ((value->find("header") != nullptr) == (value->find("pointer") != nullptr)) {
      report(*value, dsl::rule::conflict, dsl::in_quotes(key) + " needs either \"header\" or \"pointer\"");
    }
    if (!from.header.empty() && !is_header_name(from.header))
      report(*value, dsl::rule::value, "\"header\" is no header's name");
    if (!from.pointer.empty() && !is_pointer(from.pointer)) {
      report(*value, dsl::rule::value, "\"pointer\" is no JSON Pointer", "write for example /data/id");
    }
    return from;
  }

  webhook_signature signature(const node& of, const std::string& what) {
    webhook_signature how;
    const node* const value = of.find("signature");
    if (value == nullptr) {
      report(of, dsl::rule::missing_property, what + " has no \"signature\"",
             "say how its sender signs; {kind: none} takes notifications from everybody who can reach the server");
      return how;
    }
    if (!is_object(*value, "\"signature\"")) return how;
    check_known(*value, "\"signature\"", {"kind", "header", "secret_file", "secret_env", "tolerance"});
    const style_name* const known = style_of(*value);
    if (known == nullptr) return how;
    how.kind = known->kind;
    how.header = text(*value, "header");
    if (how.header.empty()) how.header = known->header;
    if (how.kind == style::none) return how;
    if (!is_header_name(how.header))
      report(*value, dsl::rule::value, "\"header\" of a signature is missing, or no header's name");
    how.tolerance = tolerance(*value, how.tolerance);
    how.secret = secret(*value);
    return how;
  }

  const style_name* style_of(const node& of) {
    const std::string name = text(of, "kind");
    for (const style_name& each : styles) {
      if (each.name == name) return &each;
    }
    report(of, dsl::rule::value, "\"kind\" of a signature is missing, or none of github, stripe, hex, none");
    return nullptr;
  }

  std::chrono::seconds tolerance(const node& of, std::chrono::seconds otherwise) {
    const std::string words = text(of, "tolerance");
    if (words.empty()) return otherwise;
    const auto length = parse_duration(words);
    if (!length || *length < std::chrono::seconds(1)) {
      report(*of.find("tolerance"), dsl::rule::duration, "\"tolerance\" is no duration of at least a second",
             "write for example 5m");
    }
    return length ? std::chrono::duration_cast<std::chrono::seconds>(*length) : otherwise;
  }

  std::string secret(const node& of) {
    const std::string file = text(of, "secret_file"), variable = text(of, "secret_env");
    if (file.empty() == variable.empty()) {
      report(of, dsl::rule::conflict, "a signature needs either \"secret_file\" or \"secret_env\"");
      return {};
    }
    std::string value;
    if (!file.empty()) {
      std::ifstream in(folder_ / file, std::ios::binary);
      if (!in || !std::getline(in, value))
        report(*of.find("secret_file"), dsl::rule::reference, "no secret can be read from " + dsl::in_quotes(file));
    } else if (const char* const set = std::getenv(variable.c_str())) {
      value = set;
    } else {
      report(*of.find("secret_env"), dsl::rule::reference, "the environment has no " + dsl::in_quotes(variable));
    }
    if (!value.empty() && value.back() == '\r') value.pop_back();
    if (value.size() < min_secret_bytes) report(of, dsl::rule::value, "the secret has fewer than 8 characters");
    return value;
  }

  std::size_t bytes(const node& of, std::size_t otherwise) {
    const node* const value = of.find("max_body_bytes");
    if (value == nullptr) return otherwise;
    if (value->is(node::kind::number) && value->scalar.is_number_integer()) {
      const auto number = value->scalar.get<std::int64_t>();
      if (number >= 1 && number <= most_body_bytes) return static_cast<std::size_t>(number);
    }
    report(*value, dsl::rule::value,
           "\"max_body_bytes\" is no whole number from 1 to " + std::to_string(most_body_bytes));
    return otherwise;
  }

  dsl::problems& found_;
  const std::filesystem::path folder_;
};

}  // namespace

std::string_view header_of(const webhook_signature& how) noexcept { return how.header; }

std::vector<webhook> read_webhooks(std::string_view text, const std::string& file) {
  dsl::problems found;
  std::vector<webhook> hooks;
  const auto document = dsl::read_document(text, dsl::text_format::detect, found);
  if (document) {
    hooks = hook_reader(found, std::filesystem::path(file).parent_path()).read(*document);
  } else {
    found.push_back(document.error());
  }
  if (!dsl::has_errors(found)) return hooks;
  dsl::sort(found);
  std::string all;
  for (const dsl::problem& each : found) {
    if (!all.empty()) all.push_back('\n');
    all.append(dsl::describe(each, file));
  }
  throw webhook_error(all);
}

std::vector<webhook> load_webhooks(const std::string& file) {
  std::ifstream in(file, std::ios::binary);
  const std::string text{std::istreambuf_iterator<char>(in), {}};
  if (!in.is_open() || in.bad()) throw webhook_error("the webhooks' file \"" + file + "\" can't be read");
  return read_webhooks(text, file);
}

}  // namespace evermill::server::http::api
