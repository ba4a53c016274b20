#include "server/security/security_options.hpp"

#include <algorithm>
#include <array>
#include <filesystem>
#include <utility>

#include "base/spelling.hpp"
#include "server/security/listener_policy.hpp"
#include "server/security/option_fields.hpp"

namespace evermill::server::security {
namespace {

using std::chrono::hours;
using std::chrono::milliseconds;
using std::chrono::minutes;
using std::chrono::seconds;

class options_reader {
 public:
  options_reader(std::string directory, dsl::problems& found) : directory_(std::move(directory)), found_(found) {}

  security_options read(const dsl::node& from) {
    security_options made;
    const option_fields fields(found_, from, "", "the configuration of security",
                               {"tokens", "jwt", "client_certificates", "tls", "audit", "limits"});
    if (!fields) return made;
    if (const dsl::node* const node = fields.find("tokens")) made.tokens_file = tokens(*node);
    for (const auto& [item, pointer] : fields.items("jwt")) made.jwt.push_back(issuer(*item, pointer));
    for (const auto& [item, pointer] : fields.items("client_certificates"))
      made.client_certificates.push_back(certificate(*item, pointer));
    if (const dsl::node* const node = fields.find("tls")) made.tls = tls(*node);
    if (const dsl::node* const node = fields.find("audit")) made.audit = audit(*node);
    if (const dsl::node* const node = fields.find("limits")) made.limits = all_limits(*node);
    check_together(fields, made);
    return made;
  }

 private:
  std::string path(const option_fields& fields, std::string_view key) const {
    const std::string given = fields.text(key);
    return given.empty() || directory_.empty() ? given : (std::filesystem::path(directory_) / given).string();
  }

  std::string tokens(const dsl::node& from) {
    const option_fields fields(found_, from, "/tokens", "\"tokens\"", {"file"});
    fields.need("file");
    return path(fields, "file");
  }

  void check_together(const option_fields& fields, const security_options& made) const {
    for (std::size_t i = 0; i < made.jwt.size(); ++i) {
      for (std::size_t before = 0; before < i; ++before) {
        if (made.jwt[before].rules.issuer != made.jwt[i].rules.issuer || made.jwt[i].rules.issuer.empty()) continue;
        fields.report(fields.find("jwt")->items[i], "jwt", dsl::rule::duplicate,
                      "the issuer " + dsl::in_quotes(made.jwt[i].rules.issuer) + " stands there twice");
      }
    }
    if (!made.client_certificates.empty() && made.tls.client_ca.empty()) {
      fields.report(*fields.find("client_certificates"), "client_certificates", dsl::rule::missing_property,
                    "client certificates need somebody who vouches for them", "set tls: client_ca");
    }
  }

  trusted_issuer issuer(const dsl::node& from, const std::string& pointer) {
    const option_fields fields(found_, from, pointer, "an issuer in \"jwt\"",
                               {"issuer", "audience", "keys", "algorithms", "leeway", "name_claim", "grants_claim", "scope_claim",
                                "scope_prefix", "mappings"});
    trusted_issuer made;
    for (const char* const needed : {"issuer", "audience", "keys"}) fields.need(needed);
    made.rules.issuer = fields.text("issuer");
    made.rules.audiences = fields.texts("audience");
    made.rules.algorithms = algorithms(fields);
    made.rules.leeway = std::chrono::floor<seconds>(fields.duration("leeway", seconds(0), minutes(10), made.rules.leeway));
    made.rules.name_claim = fields.text("name_claim", made.rules.name_claim);
    made.rules.grants_claim = fields.text("grants_claim", made.rules.grants_claim);
    made.rules.scope_claim = fields.text("scope_claim", made.rules.scope_claim);
    made.rules.scope_prefix = fields.text("scope_prefix", made.rules.scope_prefix);
    for (const auto& [item, where] : fields.items("mappings")) made.rules.mappings.push_back(mapping(*item, where));
    if (const dsl::node* const node = fields.find("keys")) made.keys = keys(*node, pointer + "/keys");
    return made;
  }

  static std::vector<algorithm> algorithms(const option_fields& fields) {
    std::vector<algorithm> all;
    std::vector<std::string> names;
    for (std::size_t i = 0; i < algorithm_count; ++i) names.emplace_back(algorithm_name(static_cast<algorithm>(i)));
    for (const std::string& name : fields.texts("algorithms")) {
      const auto known = algorithm_named(name);
      if (known) {
        all.push_back(*known);
        continue;
      }
      std::string hint = "allowed are";
      for (const std::string& each : names) hint += " " + each;
      fields.report(*fields.find("algorithms"), "algorithms", dsl::rule::value,
                    "the algorithm " + dsl::in_quotes(name) + " is not taken", std::move(hint));
    }
    return all;
  }

  claim_mapping mapping(const dsl::node& from, const std::string& pointer) {
    const option_fields fields(found_, from, pointer, "a mapping of claims", {"claim", "value", "grants"});
    for (const char* const needed : {"claim", "value", "grants"}) fields.need(needed);
    claim_mapping made{fields.text("claim"), fields.text("value"), fields.grants("grants")};
    return made;
  }

  key_source_options keys(const dsl::node& from, const std::string& pointer) {
    const option_fields fields(found_, from, pointer, "\"keys\"",
                               {"url", "file", "ca_file", "refresh", "refetch_pause", "timeout"});
    key_source_options made;
    if (fields && fields.has("url") == fields.has("file")) {
      fields.report(dsl::rule::conflict, "\"keys\" needs either \"url\" or \"file\"");
    }
    made.url = fields.text("url");
    made.file = path(fields, "file");
    made.ca_file = path(fields, "ca_file");
    made.refresh = fields.duration("refresh", seconds(10), hours(24), made.refresh);
    made.refetch_pause = fields.duration("refetch_pause", seconds(1), hours(1), made.refetch_pause);
    made.timeout = std::chrono::floor<milliseconds>(fields.duration("timeout", milliseconds(100), minutes(1), made.timeout));
    if (!made.url.empty() && !is_safe_url(made.url)) {
      fields.report(*fields.find("url"), "url", dsl::rule::uri,
                    "keys must come over https, or from this machine: whoever can change them can be anybody");
    }
    return made;
  }

  static bool is_safe_url(const std::string& url) {
    if (url.starts_with("https://")) return true;
    if (!url.starts_with("http://")) return false;
    std::string host = url.substr(7, url.find_first_of("/?#", 7) - 7);
    if (host.find('@') != std::string::npos) return false;
    if (host.starts_with('[')) {
      const std::size_t end = host.find(']');
      if (end == std::string::npos) return false;
      host = host.substr(1, end - 1);
    } else {
      host = host.substr(0, host.find(':'));
    }
    const auto no_names = [](const std::string& name) {
      return name == "localhost" ? std::vector<std::string>{"127.0.0.1"} : std::vector<std::string>();
    };
    return is_loopback(host, no_names) && host.find("unix:") != 0;
  }

  certificate_mapping certificate(const dsl::node& from, const std::string& pointer) {
    using field = certificate_mapping::field;
    constexpr std::array<std::pair<const char*, field>, 4> names{
        {{"common_name", field::common_name}, {"dns", field::dns}, {"uri", field::uri}, {"email", field::email}}};
    const option_fields fields(found_, from, pointer, "an entry of \"client_certificates\"",
                               {"common_name", "dns", "uri", "email", "name", "grants"});
    certificate_mapping made;
    std::size_t given = 0;
    for (const auto& [name, what] : names) {
      if (!fields.has(name)) continue;
      ++given;
      made.what = what;
      made.value = fields.text(name);
    }
    if (fields && given != 1)
      fields.report(dsl::rule::conflict, fields.what() + " needs one of \"common_name\", \"dns\", \"uri\" and \"email\"");
    made.name = fields.text("name");
    fields.need("grants");
    made.grants = fields.grants("grants");
    return made;
  }

  tls_files tls(const dsl::node& from) {
    const option_fields fields(found_, from, "/tls", "\"tls\"",
                               {"certificate", "key", "client_ca", "require_client_certificate"});
    tls_files made;
    for (const char* const needed : {"certificate", "key"}) fields.need(needed);
    made.certificate = path(fields, "certificate");
    made.key = path(fields, "key");
    made.client_ca = path(fields, "client_ca");
    made.require_client_certificate = fields.boolean("require_client_certificate", false);
    if (made.require_client_certificate && made.client_ca.empty()) {
      fields.report(*fields.find("require_client_certificate"), "require_client_certificate", dsl::rule::missing_property,
                    "client certificates can't be required without somebody who vouches for them", "set client_ca");
    }
    return made;
  }

  audit_place audit(const dsl::node& from) {
    const option_fields fields(found_, from, "/audit", "\"audit\"", {"to", "file", "max_bytes"});
    audit_place made;
    const std::string to = fields.text("to", fields.has("file") ? "file" : "log");
    made.what = to == "off" ? audit_place::kind::off : to == "file" ? audit_place::kind::file : audit_place::kind::log;
    if (to != "off" && to != "file" && to != "log") {
      fields.report(*fields.find("to"), "to", dsl::rule::value, "\"to\" can't be " + dsl::in_quotes(to),
                    "allowed are file, log and off");
    } else if (to == "file") {
      fields.need("file");
    } else if (fields.has("file")) {
      fields.report(*fields.find("file"), "file", dsl::rule::conflict, "a file is for \"to: file\"");
    }
    made.file = path(fields, "file");
    made.options.max_bytes = fields.whole("max_bytes", 64 * 1024, std::uint64_t{1} << 30, made.options.max_bytes);
    return made;
  }

  limits limits_of(const dsl::node& from, const std::string& pointer) {
    const option_fields fields(found_, from, pointer, "limits",
                               {"requests_per_second", "burst", "max_open_streams", "max_message_bytes"});
    limits made;
    made.requests.per_second = fields.number("requests_per_second", 0.001, 1e9, 0);
    made.requests.burst = fields.number("burst", 1, 1e9, std::max(1.0, made.requests.per_second));
    if (fields.has("burst") && !fields.has("requests_per_second"))
      fields.report(*fields.find("burst"), "burst", dsl::rule::conflict, "\"burst\" needs \"requests_per_second\"");
    made.max_open_streams = static_cast<std::uint32_t>(fields.whole("max_open_streams", 1, 1'000'000, 0));
    made.max_message_bytes = fields.whole("max_message_bytes", 1024, std::uint64_t{256} << 20, 0);
    return made;
  }

  std::map<std::string, limits, std::less<>> named_limits(const option_fields& fields, std::string_view key) {
    std::map<std::string, limits, std::less<>> all;
    const dsl::node* const node = fields.find(key);
    if (node == nullptr) return all;
    if (!node->is(dsl::node::kind::mapping)) {
      fields.report(*node, key, dsl::rule::type, dsl::in_quotes(key) + " must be an object of names and limits");
      return all;
    }
    for (const dsl::node::member& member : node->members) {
      all.emplace(member.key, limits_of(member.value, fields.pointer(key) + "/" + dsl::pointer_token(member.key)));
    }
    return all;
  }

  limit_options all_limits(const dsl::node& from) {
    const option_fields fields(found_, from, "/limits", "\"limits\"", {"everybody", "principals", "namespaces", "failures"});
    limit_options made;
    if (const dsl::node* const node = fields.find("everybody")) made.everybody = limits_of(*node, "/limits/everybody");
    made.principals = named_limits(fields, "principals");
    made.namespaces = named_limits(fields, "namespaces");
    if (const dsl::node* const node = fields.find("failures")) {
      const option_fields of(found_, *node, "/limits/failures", "\"failures\"", {"per_second", "burst"});
      made.failures.per_second = of.number("per_second", 0.001, 1e6, made.failures.per_second);
      made.failures.burst = of.number("burst", 1, 1e6, made.failures.burst);
    }
    return made;
  }

  const std::string directory_;
  dsl::problems& found_;
};

}  // namespace

security_options read_security_options(const dsl::node& from, const std::string& directory, dsl::problems& found) {
  security_options made = options_reader(directory, found).read(from);
  dsl::sort(found);
  return made;
}

security_options read_security_text(std::string_view text, const std::string& directory, dsl::problems& found) {
  const auto root = dsl::read_document(text, dsl::text_format::detect, found);
  if (root) return read_security_options(*root, directory, found);
  found.push_back(root.error());
  return {};
}

}  // namespace evermill::server::security
