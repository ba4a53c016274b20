// Who makes a request: by its bearer token, its JSON Web Token or its client certificate.
#pragma once

#include <array>
#include <chrono>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "base/clock.hpp"
#include "base/log.hpp"
#include "base/metrics.hpp"
#include "server/security/secrets_text.hpp"
#include "server/security/security_options.hpp"
#include "server/security/token_store.hpp"

namespace evermill::server::security {

/// What a request brings along to show who makes it. Views for the length of the call.
struct credentials {
  std::string_view authorization{};    ///< the header's value ("Bearer …"); "": there is none
  std::string_view certificate_pem{};  ///< of the other side, whose chain TLS has checked; "": none
  std::string_view address{};          ///< of the other side, as plain_address gives it
};

/// The address alone, of "ipv4:10.1.2.3:5555", "ipv6:%5B::1%5D:5555", "[::1]:80", "10.1.2.3:80"; "unix:…" is "unix".
std::string plain_address(std::string_view peer);

/// Why a request is not carried out.
struct refusal {
  enum class kind : unsigned char {
    unauthenticated,  ///< UNAUTHENTICATED, 401
    forbidden,        ///< PERMISSION_DENIED, 403
    hidden,           ///< NOT_FOUND, 404: as if the namespace did not exist
    rate_limited,     ///< RESOURCE_EXHAUSTED, 429
    unavailable,      ///< UNAVAILABLE, 503
  };
  kind what = kind::unauthenticated;
  std::string text;  ///< for whoever asks: the same for an unknown, a forged, an expired and a revoked token
  std::chrono::microseconds retry_after{0};  ///< of rate_limited and unavailable
  std::string reason{};                      ///< for the log and the audit log: what it really was
};
/// "unauthenticated", "rate_limited" …: for logs and metrics.
std::string_view kind_name(refusal::kind what) noexcept;

using shared_principal = std::shared_ptr<const principal>;
using authenticated = result<shared_principal, refusal>;

/// Thread-safe.
class authenticator {
 public:
  using on_done = std::function<void(authenticated)>;

  /// `time` outlives it. Throws std::runtime_error where files can't be used.
  authenticator(const security_options& options, const clock& time, log lines);
  /// Whoever waits for keys is answered before it returns.
  ~authenticator();
  authenticator(const authenticator&) = delete;
  authenticator& operator=(const authenticator&) = delete;

  /// Calls `done` once: at once, but for a JSON Web Token whose issuer's keys have to be fetched, which takes their timeout at
  /// most; then on a thread of the authenticator, where it must be short and must not throw. Without authentication everybody is
  /// `anonymous`.
  ///
  /// A bearer token that is there counts alone, also where it is not valid and the certificate would be. Tokens of the tokens
  /// file that are valid always pass. Who has failed too often from an address is answered rate_limited for what fails, and for
  /// JSON Web Tokens that were not verified lately, as their signatures cost time.
  void authenticate(const credentials& shown, on_done done);
  /// The same, waiting for it. Not on a thread that must not wait.
  authenticated authenticate(const credentials& shown);

  /// Who it is now, with its rights of today; null: what it has shown is no longer valid. For what lasts: streams ask every now
  /// and then, and before they give out something of worth.
  shared_principal still(const shared_principal& who);

  /// Looks at its files, and has keys fetched anew, without waiting for them.
  void reload();

  bool enabled() const noexcept { return enabled_; }
  /// evermill_authentications_total, by how and outcome.
  void collect(metrics::scrape& into) const;

 private:
  struct issuer_keys;
  struct waiting_token;
  struct verified {
    shared_principal who;
    timestamp until;
    std::uint64_t generation = 0;
    const issuer_keys* by = nullptr;
  };
  struct digest_hash {
    std::size_t operator()(const digest& of) const noexcept;
  };
  struct shard {
    std::mutex mutex;
    std::unordered_map<digest, verified, digest_hash> tokens;
  };

  authenticated by_token(std::string_view token, std::string_view address);
  authenticated by_certificate(const credentials& shown);
  void by_jwt(std::string_view token, std::string_view address, on_done done);
  void judge_jwt(const waiting_token& token, const issuer_keys& by, std::uint64_t generation, bool verified);
  authenticated succeeded(shared_principal who);
  authenticated failed(std::string_view address, const char* how, std::string reason);
  std::optional<refusal> too_many_failures(std::string_view address);
  shared_principal remembered(const digest& token);
  void remember(const digest& token, verified what);
  issuer_keys* issuer_of(const std::string& name) const;

  const bool enabled_;
  const clock& clock_;
  const log log_;
  const rate failure_rate_;
  const std::vector<certificate_mapping> certificates_;
  const shared_principal anonymous_;
  rate_limiter failures_;
  metrics::counter succeeded_[4];
  metrics::by_label<metrics::counter> failed_;
  metrics::counter limited_;
  std::array<shard, 16> verified_;
  std::unique_ptr<token_store> tokens_;
  std::unique_ptr<tasks::transfer_loop> fetches_;
  std::vector<std::unique_ptr<issuer_keys>> issuers_;  // ended first: their ends answer those who wait
};

}  // namespace evermill::server::security
