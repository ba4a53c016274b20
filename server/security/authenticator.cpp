#include "server/security/authenticator.hpp"

#include <arpa/inet.h>

#include <algorithm>
#include <cstring>
#include <future>
#include <utility>

#include "plugins/task/transfer/transfer_loop.hpp"

namespace evermill::server::security {
namespace {

constexpr std::size_t max_authorization_bytes = max_jwt_bytes + 64;
constexpr std::size_t max_verified_per_shard = 1024;
constexpr auto verified_for = std::chrono::seconds(30);  // then its issuer's keys are looked at again
constexpr auto retry_for_keys = std::chrono::seconds(1);

constexpr const char* refused_text = "the credentials are not valid";
constexpr const char* missing_text =
    "credentials are missing: send \"authorization: Bearer TOKEN\", or a client certificate where the server knows those";

/// The token, where the value is "Bearer TOKEN".
std::optional<std::string_view> bearer_of(std::string_view value) {
  constexpr std::string_view scheme = "bearer ";
  if (value.size() < scheme.size()) return std::nullopt;
  for (std::size_t i = 0; i < scheme.size(); ++i) {
    const char each = value[i];
    if ((each >= 'A' && each <= 'Z' ? static_cast<char>(each - 'A' + 'a') : each) != scheme[i]) return std::nullopt;
  }
  value.remove_prefix(scheme.size());
  while (value.starts_with(' ')) value.remove_prefix(1);
  while (value.ends_with(' ')) value.remove_suffix(1);
  return value;
}

/// Whose failures are counted together: an address of IPv4, a network (/64) of IPv6, as each host there has as many as it likes.
std::string failure_key(std::string_view address) {
  in6_addr v6{};
  const std::string text(address.substr(0, std::min<std::size_t>(64, address.find('%'))));
  if (::inet_pton(AF_INET6, text.c_str(), &v6) != 1 || IN6_IS_ADDR_V4MAPPED(&v6)) return text;
  return std::string(reinterpret_cast<const char*>(&v6), 8);
}

}  // namespace

struct authenticator::issuer_keys {
  jwt_issuer rules;
  std::unique_ptr<key_source> keys;
};

/// A token while its key is looked for.
struct authenticator::waiting_token {
  std::string text;
  std::string address;
  json_web_token read;  ///< of text
  on_done done;
};

std::string_view kind_name(refusal::kind what) noexcept {
  constexpr std::array<std::string_view, 5> names{"unauthenticated", "forbidden", "hidden", "rate_limited", "unavailable"};
  return names[static_cast<std::size_t>(what)];
}

std::string plain_address(std::string_view peer) {
  if (peer.starts_with("unix")) return "unix";
  for (const std::string_view scheme : {"ipv4:", "ipv6:"}) {
    if (peer.starts_with(scheme)) peer.remove_prefix(scheme.size());
  }
  std::string text(peer.substr(0, 128));
  for (const auto& [encoded, plain] : {std::pair("%5B", "["), std::pair("%5D", "]"), std::pair("%25", "%")}) {
    if (const std::size_t at = text.find(encoded); at != std::string::npos) text.replace(at, 3, plain);
  }
  if (text.starts_with('[')) return text.substr(1, text.find(']') - 1);
  const std::size_t colon = text.find(':');
  return colon != std::string::npos && colon == text.rfind(':') ? text.substr(0, colon) : text;
}

std::size_t authenticator::digest_hash::operator()(const digest& of) const noexcept {
  std::size_t value = 0;
  std::memcpy(&value, of.data(), sizeof value);
  return value;
}

authenticator::authenticator(const security_options& options, const clock& time, log lines)
    : enabled_(options.has_authentication()),
      clock_(time),
      log_(std::move(lines)),
      failure_rate_(options.limits.failures),
      certificates_(options.client_certificates),
      anonymous_(std::make_shared<const principal>(make_anonymous())),
      failures_(time) {
  if (!options.tokens_file.empty()) tokens_ = std::make_unique<token_store>(options.tokens_file, time, log_);
  for (const trusted_issuer& each : options.jwt) {
    auto made = std::make_unique<issuer_keys>();
    made->rules = each.rules;
    if (each.keys.file.empty()) {
      if (!fetches_) fetches_ = std::make_unique<tasks::transfer_loop>();
      made->keys = make_url_keys(each.keys, time, *fetches_, log_);
    } else {
      made->keys = make_file_keys(each.keys, time, log_);
    }
    issuers_.push_back(std::move(made));
  }
}

authenticator::~authenticator() { issuers_.clear(); }

void authenticator::authenticate(const credentials& shown, on_done done) {
  if (!enabled_) return done(anonymous_);
  if (shown.authorization.empty()) {
    if (!shown.certificate_pem.empty()) return done(by_certificate(shown));
    authenticated missing = failed(shown.address, "none", "no credentials");
    if (missing.error().what == refusal::kind::unauthenticated) missing.error().text = missing_text;
    return done(std::move(missing));
  }
  const auto token = bearer_of(shown.authorization);
  if (!token || shown.authorization.size() > max_authorization_bytes) {
    return done(failed(shown.address, "none", token ? "the authorization is too long" : "the authorization is no bearer token"));
  }
  if (token->starts_with(token_prefix) || !looks_like_jwt(*token)) return done(by_token(*token, shown.address));
  by_jwt(*token, shown.address, std::move(done));
}

authenticated authenticator::authenticate(const credentials& shown) {
  auto promise = std::make_shared<std::promise<authenticated>>();
  auto answer = promise->get_future();
  authenticate(shown, [promise](authenticated who) { promise->set_value(std::move(who)); });
  return answer.get();
}

authenticated authenticator::by_token(std::string_view token, std::string_view address) {
  if (!tokens_) return failed(address, "token", "no tokens file is configured");
  const token_store::finding found = tokens_->find(token);
  if (found.what == token_store::verdict::valid) return succeeded(found.token->who);
  std::string reason = "token: " + std::string(verdict_text(found.what));
  if (found.token) reason += " (id " + found.token->record.id + ", " + found.token->record.name + ")";
  return failed(address, "token", std::move(reason));
}

authenticated authenticator::by_certificate(const credentials& shown) {
  if (certificates_.empty()) return failed(shown.address, "certificate", "client certificates stand for nobody here");
  const auto certificate = read_certificate(shown.certificate_pem);
  if (!certificate) return failed(shown.address, "certificate", certificate.error());
  if (certificate->expires <= clock_.now()) return failed(shown.address, "certificate", "the certificate has expired");
  auto who = principal_of(*certificate, certificates_);
  if (who) return succeeded(std::make_shared<const principal>(std::move(*who)));
  return failed(shown.address, "certificate",
                "no mapping fits the certificate (common name \"" + certificate->common_name + "\", fingerprint " +
                    certificate->fingerprint + ")");
}

void authenticator::by_jwt(std::string_view token, std::string_view address, on_done done) {
  if (shared_principal known = remembered(sha256(token))) return done(succeeded(std::move(known)));
  if (auto limited = too_many_failures(address)) return done(unexpected(std::move(*limited)));
  auto waiting = std::make_shared<waiting_token>();
  waiting->text = token;
  waiting->address = address;
  auto read = read_jwt(waiting->text);
  if (!read) return done(failed(address, "jwt", "JWT: " + read.error()));
  waiting->read = std::move(*read);
  issuer_keys* const by = issuer_of(waiting->read.issuer);
  if (by == nullptr)
    return done(failed(address, "jwt", "JWT: its issuer is not trusted here: " + waiting->read.issuer.substr(0, 200)));
  // Before the signature, which costs more. Nothing of what is found wrong is told.
  if (auto wrong = check_claims(waiting->read, by->rules, clock_.now())) return done(failed(address, "jwt", "JWT: " + *wrong));
  waiting->done = std::move(done);
  const std::uint64_t generation = by->keys->generation();
  by->keys->find(
      waiting->read.kid, waiting->read.how, [this, waiting, by, generation](key_answer answer, const json_web_key* key) {
        if (answer == key_answer::unavailable) {
          refusal away{refusal::kind::unavailable, "the keys of the token's issuer can't be fetched now; try again",
                       retry_for_keys, "JWT: no keys of " + by->rules.issuer};
          return waiting->done(unexpected(std::move(away)));
        }
        if (answer == key_answer::unknown) {
          return waiting->done(
              failed(waiting->address, "jwt", "JWT: its issuer has no such key: " + waiting->read.kid.value_or("(no kid)")));
        }
        judge_jwt(*waiting, *by, generation,
                  key->verifies(waiting->read.how, waiting->read.signed_text, waiting->read.signature));
      });
}

void authenticator::judge_jwt(const waiting_token& token, const issuer_keys& by, std::uint64_t generation, bool is_verified) {
  if (!is_verified) return token.done(failed(token.address, "jwt", "JWT: its signature is wrong"));
  auto who = security::principal_of(token.read, by.rules);
  if (!who) return token.done(failed(token.address, "jwt", "JWT: " + who.error()));
  if (who->grants.empty())
    return token.done(failed(token.address, "jwt", "JWT: its claims grant nothing (" + who->name.substr(0, 200) + ")"));
  auto shared = std::make_shared<const principal>(std::move(*who));
  const timestamp until = std::min(clock_.now() + verified_for, shared->expires.value_or(timestamp::max()));
  remember(sha256(token.text), {shared, until, generation, &by});
  token.done(succeeded(std::move(shared)));
}

authenticated authenticator::succeeded(shared_principal who) {
  succeeded_[static_cast<std::size_t>(who->how)].add();
  return who;
}

authenticated authenticator::failed(std::string_view address, const char* how, std::string reason) {
  failed_[how].add();
  if (const auto wait = failures_.take(failure_key(address), failure_rate_)) {
    limited_.add();
    refusal limited{refusal::kind::rate_limited, "too many requests without valid credentials", *wait, std::move(reason)};
    return unexpected(std::move(limited));
  }
  log_.warn({}, "a request from {} was not authenticated: {}", address.empty() ? "(unknown)" : address, reason);
  refusal refused{refusal::kind::unauthenticated, refused_text, std::chrono::microseconds(0), std::move(reason)};
  return unexpected(std::move(refused));
}

std::optional<refusal> authenticator::too_many_failures(std::string_view address) {
  const auto wait = failures_.would_wait(failure_key(address), failure_rate_);
  if (!wait) return std::nullopt;
  limited_.add();
  return refusal{refusal::kind::rate_limited, "too many requests without valid credentials", *wait,
                 "too many failures from this address"};
}

shared_principal authenticator::remembered(const digest& token) {
  shard& in = verified_[token[31] % verified_.size()];
  const std::lock_guard lock(in.mutex);
  const auto found = in.tokens.find(token);
  if (found == in.tokens.end()) return nullptr;
  const verified& known = found->second;
  if (known.until > clock_.now() && known.generation == known.by->keys->generation()) return known.who;
  in.tokens.erase(found);
  return nullptr;
}

void authenticator::remember(const digest& token, verified what) {
  shard& in = verified_[token[31] % verified_.size()];
  const std::lock_guard lock(in.mutex);
  if (in.tokens.size() >= max_verified_per_shard) in.tokens.clear();  // all are verified again, which is cheap enough once
  in.tokens.insert_or_assign(token, std::move(what));
}

authenticator::issuer_keys* authenticator::issuer_of(const std::string& name) const {
  for (const auto& each : issuers_) {
    if (each->rules.issuer == name) return each.get();
  }
  return nullptr;
}

void authenticator::reload() {
  if (tokens_) tokens_->reload();
  for (const auto& each : issuers_) each->keys->refresh();
}

shared_principal authenticator::still(const shared_principal& who) {
  if (who->how == authentication::none) return enabled_ ? nullptr : who;
  if (who->how == authentication::token)
    return tokens_ ? tokens_->still(std::string_view(who->id).substr(sizeof "token:" - 1)) : nullptr;
  return !who->expires || *who->expires > clock_.now() ? who : nullptr;
}

void authenticator::collect(metrics::scrape& into) const {
  constexpr metrics::description about{"evermill_authentications_total", metrics::kind::counter,
                                       "Requests by how they showed who makes them, and whether that was right."};
  into.describe(about);
  for (std::size_t i = 1; i < std::size(succeeded_); ++i) {
    into.add(about, {{"method", std::string(authentication_name(static_cast<authentication>(i)))}, {"outcome", "ok"}},
             succeeded_[i]);
  }
  failed_.for_each([&](std::string_view how, const metrics::counter& count) {
    into.add(about, {{"method", std::string(how)}, {"outcome", "refused"}}, count);
  });
  into.add({"evermill_authentication_failures_limited_total", metrics::kind::counter,
            "Requests that were refused as too many of their address had failed."},
           {}, limited_);
}

}  // namespace evermill::server::security
