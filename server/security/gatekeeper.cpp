#include "server/security/gatekeeper.hpp"

#include <algorithm>

namespace evermill::server::security {
namespace {

constexpr rate audited_rate{1, 1};

std::unique_ptr<audit_log> make_audit(const audit_place& place, const clock& time, const log& lines) {
  if (place.what == audit_place::kind::off) return nullptr;
  auto sink = place.what == audit_place::kind::file ? make_audit_file(place.file) : make_audit_to_log(lines);
  return std::make_unique<audit_log>(std::move(sink), time, lines, place.options);
}

std::string key_of(const principal& who) { return "p:" + who.id; }
std::string key_of_namespace(std::string_view name) { return "n:" + std::string(name); }

std::string_view resource_of(const request_facts& facts) {
  if (!facts.target.empty()) return facts.target;
  return facts.of.task_queue.empty() ? facts.of.workflow_type : facts.of.task_queue;
}

/// What request_facts views, for as long as keys are fetched.
struct kept_facts {
  explicit kept_facts(const request_facts& of)
      : what(of.what),
        name_space(of.name_space),
        target(resource_of(of)),
        address(of.address),
        request_id(of.request_id),
        trace_id(of.trace_id) {}
  request_facts view() const {
    request_facts made;
    made.what = what;
    made.name_space = name_space;
    made.target = target;
    made.address = address;
    made.request_id = request_id;
    made.trace_id = trace_id;
    return made;
  }
  action what;
  std::string name_space, target, address, request_id, trace_id;
};

}  // namespace

gatekeeper::gatekeeper(const security_options& options, const clock& time, log lines)
    : limits_(options.limits),
      log_(lines),
      requests_(time),
      audited_(time, 4096),
      audit_(make_audit(options.audit, time, lines)),
      authenticator_(options, time, lines) {}

void gatekeeper::authenticate(const credentials& shown, const request_facts& facts, authenticator::on_done done) {
  if (!authenticator_.enabled()) return authenticator_.authenticate(shown, std::move(done));
  authenticator_.authenticate(shown,
                              [this, kept = std::make_shared<kept_facts>(facts), done = std::move(done)](authenticated who) {
                                if (!who) {
                                  const refusal& why = who.error();
                                  refused_[kind_name(why.what)].add();
                                  // An address that fails all the time is written down as often as it is logged.
                                  if (why.what != refusal::kind::rate_limited)
                                    write(nullptr, kept->view(), kind_name(why.what), why.reason);
                                }
                                done(std::move(who));
                              });
}

const limits& gatekeeper::limits_of(const principal& who) const {
  const auto own = limits_.principals.find(who.name);
  return own == limits_.principals.end() ? limits_.everybody : own->second;
}

const limits& gatekeeper::limits_of_namespace(std::string_view name) const {
  static const limits none;
  const auto own = limits_.namespaces.find(name);
  return own == limits_.namespaces.end() ? none : own->second;
}

std::optional<refusal> gatekeeper::admit(const principal& who, const request_facts& facts) {
  const auto limited = [&](std::chrono::microseconds wait, std::string reason) {
    refusal why{refusal::kind::rate_limited, "too many requests (" + reason + "); try again later", wait, reason};
    return refuse(who, facts, std::move(why));
  };
  const rate& own = limits_of(who).requests;
  if (const auto wait = requests_.take(key_of(who), own)) return limited(*wait, "limit of \"" + who.name + "\"");
  if (auto refused = check(who, facts)) return refused;
  const rate& all = limits_of_namespace(facts.name_space).requests;
  if (all.per_second <= 0) return std::nullopt;
  const auto wait = requests_.take(key_of_namespace(facts.name_space), all);
  if (!wait) return std::nullopt;
  requests_.give_back(key_of(who), own);
  return limited(*wait, "limit of the namespace \"" + std::string(facts.name_space) + "\"");
}

std::optional<refusal> gatekeeper::check(const principal& who, const request_facts& facts) {
  const decision made = allows(who, facts.what, facts.name_space, facts.of);
  if (made == decision::allowed) return std::nullopt;
  const auto kind = made == decision::hidden ? refusal::kind::hidden : refusal::kind::forbidden;
  refusal why{kind, refusal_text(made, who, facts.what, facts.name_space, facts.of), std::chrono::microseconds(0), {}};
  return refuse(who, facts, std::move(why));
}

refusal gatekeeper::refuse(const principal& who, const request_facts& facts, refusal why) {
  refused_[kind_name(why.what)].add();
  const bool often = why.what == refusal::kind::rate_limited;
  if (!often || !audited_.take(who.id, audited_rate)) write(&who, facts, kind_name(why.what), why.reason);
  return why;
}

void gatekeeper::finished(const principal& who, const request_facts& facts, std::string_view outcome) {
  if (changes(facts.what)) write(&who, facts, outcome, {});
}

void gatekeeper::write(const principal* who, const request_facts& facts, std::string_view outcome, std::string_view reason) {
  if (!audit_) return;
  audit_record line;
  if (who != nullptr) {
    line.principal = who->id;
    line.name = who->name;
    line.how = who->how;
  }
  line.address = facts.address;
  line.action = action_name(facts.what);
  line.name_space = facts.name_space;
  line.resource = resource_of(facts);
  line.outcome = outcome;
  line.reason = reason;
  line.request_id = facts.request_id;
  line.trace_id = facts.trace_id;
  audit_->write(line);
}

result<gatekeeper::stream_permit, refusal> gatekeeper::open_stream(const principal& who, std::string_view name_space) {
  const auto limited = [&](const std::string& whose, std::uint32_t most) {
    refused_[kind_name(refusal::kind::rate_limited)].add();
    refusal why{refusal::kind::rate_limited,
                whose + " has " + std::to_string(most) + " open streams, which is its limit; end one, or try again later",
                std::chrono::seconds(1), "open streams"};
    return unexpected(std::move(why));
  };
  const std::uint32_t most = limits_of(who).max_open_streams, most_there = limits_of_namespace(name_space).max_open_streams;
  stream_permit made;
  if (most != 0) {
    made.of_principal = streams_.open(key_of(who), most);
    if (!made.of_principal) return limited("\"" + who.name + "\"", most);
  }
  if (most_there != 0) {
    made.of_namespace = streams_.open(key_of_namespace(name_space), most_there);
    if (!made.of_namespace) return limited("the namespace \"" + std::string(name_space) + "\"", most_there);
  }
  return made;
}

std::uint64_t gatekeeper::max_message_bytes(const principal& who, std::string_view name_space, std::uint64_t otherwise) const {
  std::uint64_t most = otherwise;
  for (const std::uint64_t each : {limits_of(who).max_message_bytes, limits_of_namespace(name_space).max_message_bytes}) {
    if (each != 0) most = std::min(most, each);
  }
  return most;
}

void gatekeeper::reopen_logs() {
  if (audit_) audit_->reopen();
}

void gatekeeper::collect(metrics::scrape& into) const {
  authenticator_.collect(into);
  constexpr metrics::description refused{"evermill_requests_refused_total", metrics::kind::counter,
                                         "Requests that were refused, by why."};
  into.describe(refused);
  refused_.for_each([&](std::string_view why, const metrics::counter& count) {
    into.add(refused, {{"reason", std::string(why)}}, count);
  });
  if (!audit_) return;
  into.add({"evermill_audit_lines_total", metrics::kind::counter, "Lines of the audit log that were written."}, {},
           audit_->written());
  into.add({"evermill_audit_lines_dropped_total", metrics::kind::counter, "Lines of the audit log that found no room."}, {},
           audit_->dropped());
}

}  // namespace evermill::server::security
