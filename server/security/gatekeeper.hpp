// What a request passes before it is carried out, the same for every API: who is it, may it, has it had enough; and what is
// written down of it.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "server/security/audit_log.hpp"
#include "server/security/authenticator.hpp"
#include "server/security/permission.hpp"
#include "server/security/rate_limiter.hpp"
#include "server/security/security_options.hpp"

namespace evermill::server::security {

/// What is asked for. Views for the length of a call.
struct request_facts {
  action what = action::describe_workflow;
  std::string_view name_space{};
  resource of{};
  std::string_view target{};  ///< for the audit log: a workflow id, a task
  std::string_view address{};
  std::string_view request_id{};
  std::string_view trace_id{};
};

/// Thread-safe. Its owner's order: `authenticate`, `admit`, do it, `finished`.
class gatekeeper {
 public:
  /// `time` outlives it. Throws std::runtime_error where a file can't be used.
  gatekeeper(const security_options& options, const clock& time, log lines);

  /// As authenticator::authenticate. A refusal is in the audit log when `done` is called. `facts` may be empty but for the
  /// address, where nothing is known of the request yet.
  void authenticate(const credentials& shown, const request_facts& facts, authenticator::on_done done);
  shared_principal still(const shared_principal& who) { return authenticator_.still(who); }

  /// Nothing: go on. Counts against the limits of the principal and of the namespace; asks `allows`; writes refusals down. Looks
  /// nothing up: ask it before anything that could tell whether something exists.
  std::optional<refusal> admit(const principal& who, const request_facts& facts);
  /// Only `allows`, with what is written of a refusal: for what is in a request that was admitted.
  std::optional<refusal> check(const principal& who, const request_facts& facts);

  /// How it went, where it changes something; does nothing for what only reads. "ok", or why not: the code of an error, no text
  /// of a user's.
  void finished(const principal& who, const request_facts& facts, std::string_view outcome);

  /// A permit of the principal's and one of the namespace's, for as long as the stream is open; or a refusal.
  struct stream_permit {
    stream_counter::permit of_principal;
    stream_counter::permit of_namespace;
  };
  result<stream_permit, refusal> open_stream(const principal& who, std::string_view name_space);

  /// The least of the limits that concern it; `otherwise` where there is none.
  std::uint64_t max_message_bytes(const principal& who, std::string_view name_space, std::uint64_t otherwise) const;

  bool has_authentication() const noexcept { return authenticator_.enabled(); }
  /// The audit log's file is opened again: for SIGHUP.
  void reopen_logs();
  /// As authenticator::reload.
  void reload() { authenticator_.reload(); }
  /// For a registry's `collect`.
  void collect(metrics::scrape& into) const;

 private:
  const limits& limits_of(const principal& who) const;
  const limits& limits_of_namespace(std::string_view name) const;
  refusal refuse(const principal& who, const request_facts& facts, refusal why);
  void write(const principal* who, const request_facts& facts, std::string_view outcome, std::string_view reason);

  const limit_options limits_;
  const log log_;
  rate_limiter requests_;
  rate_limiter audited_;  ///< refusals for rate: each principal's are written down once a second
  stream_counter streams_;
  metrics::by_label<metrics::counter> refused_;
  std::unique_ptr<audit_log> audit_;
  authenticator authenticator_;  // ended first: it answers those who wait
};

}  // namespace evermill::server::security
