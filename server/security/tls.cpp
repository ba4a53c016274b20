#include "server/security/tls.hpp"

#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>

#include <stdexcept>
#include <string_view>
#include <utility>

#include "server/security/openssl_owned.hpp"
#include "server/security/time_text.hpp"

namespace evermill::server::security {
namespace {

using certificate = owned<X509, X509_free>;
using private_key = owned<EVP_PKEY, EVP_PKEY_free>;
using memory = owned<BIO, BIO_free>;
using certificates = std::vector<certificate>;

constexpr auto warned_before_end = std::chrono::days(14);
constexpr auto warning_pause = std::chrono::days(1);

memory memory_of(const std::string& text) { return memory(BIO_new_mem_buf(text.data(), static_cast<int>(text.size()))); }

certificates certificates_of(const std::string& pem) {
  certificates all;
  const memory bytes = memory_of(pem);
  while (X509* const one = PEM_read_bio_X509(bytes.get(), nullptr, no_passphrase, nullptr)) all.emplace_back(one);
  ERR_clear_error();
  return all;
}

private_key key_of(const std::string& pem) {
  const memory bytes = memory_of(pem);
  return private_key(PEM_read_bio_PrivateKey(bytes.get(), nullptr, no_passphrase, nullptr));
}

std::string named(const std::filesystem::path& path) { return "\"" + path.string() + "\""; }

std::string read_into(std::vector<std::string>& wrong, const std::filesystem::path& path, file_rule rule, const char* what) {
  if (path.empty()) {
    wrong.push_back("TLS needs the server's " + std::string(what) + " (PEM)");
    return {};
  }
  auto text = read_guarded_file(path, rule);
  if (text) return std::move(*text);
  wrong.push_back("the " + std::string(what) + " " + text.error());
  return {};
}

void check_certificate(const tls_files& files, tls_material& made, timestamp now, const certificates& chain,
                       std::vector<std::string>& wrong) {
  if (chain.empty()) {
    wrong.push_back(named(files.certificate) + " holds no certificate in PEM");
    return;
  }
  made.begins = moment_of(X509_get0_notBefore(chain.front().get()));
  made.expires = moment_of(X509_get0_notAfter(chain.front().get()));
  if (made.expires <= now)
    wrong.push_back("the certificate " + named(files.certificate) + " has expired: " + utc_text(made.expires));
  if (made.begins > now)
    wrong.push_back("the certificate " + named(files.certificate) + " is not valid before " + utc_text(made.begins));
}

void check_key(const tls_files& files, const tls_material& made, const certificates& chain, std::vector<std::string>& wrong) {
  const private_key key = key_of(made.key_pem);
  if (!key) {
    const bool encrypted = made.key_pem.find("ENCRYPTED") != std::string::npos;
    wrong.push_back(named(files.key) + (encrypted ? " is encrypted, and nobody is there to be asked for its passphrase"
                                                  : " holds no private key in PEM"));
  } else if (!chain.empty() && X509_check_private_key(chain.front().get(), key.get()) != 1) {
    wrong.push_back("the key " + named(files.key) + " does not belong to the certificate " + named(files.certificate));
  }
  ERR_clear_error();
}

int choose_protocol(SSL*, const unsigned char** chosen, unsigned char* size, const unsigned char* offered, unsigned offered_size,
                    void*) {
  static constexpr unsigned char ours[] = "\x08http/1.1";
  unsigned char* found = nullptr;
  if (SSL_select_next_proto(&found, size, ours, sizeof ours - 1, offered, offered_size) != OPENSSL_NPN_NEGOTIATED)
    return SSL_TLSEXT_ERR_NOACK;
  *chosen = found;
  return SSL_TLSEXT_ERR_OK;
}

[[noreturn]] void context_failed(const char* what) {
  throw std::runtime_error(std::string("TLS: ") + what + ": " + openssl_error());
}

void use_chain(SSL_CTX* context, const tls_material& from) {
  certificates chain = certificates_of(from.certificate_pem);
  if (chain.empty() || SSL_CTX_use_certificate(context, chain.front().get()) != 1)
    context_failed("the certificate can't be used");
  for (std::size_t i = 1; i < chain.size(); ++i) {
    if (SSL_CTX_add1_chain_cert(context, chain[i].get()) != 1) context_failed("a certificate of the chain can't be used");
  }
  const private_key key = key_of(from.key_pem);
  if (!key || SSL_CTX_use_PrivateKey(context, key.get()) != 1) context_failed("the key can't be used");
}

void ask_clients(SSL_CTX* context, const tls_material& from) {
  if (from.client_ca_pem.empty()) return;
  for (const certificate& each : certificates_of(from.client_ca_pem)) {
    if (X509_STORE_add_cert(SSL_CTX_get_cert_store(context), each.get()) != 1 ||
        SSL_CTX_add_client_CA(context, each.get()) != 1) {
      context_failed("a certificate authority of clients can't be used");
    }
  }
  SSL_CTX_set_verify(context, SSL_VERIFY_PEER | (from.require_client_certificate ? SSL_VERIFY_FAIL_IF_NO_PEER_CERT : 0), nullptr);
}

std::string all_of(const std::vector<std::string>& sentences) {
  std::string text;
  for (const std::string& each : sentences) text.append(text.empty() ? "" : "\n").append(each);
  return text;
}

}  // namespace

result<tls_material, std::vector<std::string>> load_tls(const tls_files& files, timestamp now) {
  std::vector<std::string> wrong;
  tls_material made;
  made.require_client_certificate = files.require_client_certificate;
  made.certificate_pem = read_into(wrong, files.certificate, file_rule::any, "certificate");
  made.key_pem = read_into(wrong, files.key, file_rule::secret, "key");
  if (!files.client_ca.empty()) {
    made.client_ca_pem = read_into(wrong, files.client_ca, file_rule::any, "certificate authority of clients");
    if (!made.client_ca_pem.empty() && certificates_of(made.client_ca_pem).empty())
      wrong.push_back(named(files.client_ca) + " holds no certificate in PEM");
  } else if (files.require_client_certificate) {
    wrong.emplace_back("client certificates are required, but there is no client_ca that vouches for them");
  }
  const certificates chain = certificates_of(made.certificate_pem);
  if (!made.certificate_pem.empty()) check_certificate(files, made, now, chain, wrong);
  if (!made.key_pem.empty()) check_key(files, made, chain, wrong);
  if (wrong.empty()) {
    try {
      make_server_context(made);  // what OpenSSL would refuse is told now: a key that is too short
    } catch (const std::runtime_error& error) {
      wrong.emplace_back(error.what());
    }
  }
  if (!wrong.empty()) return unexpected(std::move(wrong));
  return made;
}

std::shared_ptr<ssl_ctx_st> make_server_context(const tls_material& from) {
  std::shared_ptr<SSL_CTX> context(SSL_CTX_new(TLS_server_method()), SSL_CTX_free);
  if (!context) context_failed("no context can be made");
  SSL_CTX_set_min_proto_version(context.get(), TLS1_2_VERSION);
  SSL_CTX_set_security_level(context.get(), 2);
  SSL_CTX_set_options(context.get(), SSL_OP_NO_COMPRESSION | SSL_OP_NO_RENEGOTIATION | SSL_OP_CIPHER_SERVER_PREFERENCE);
  constexpr std::string_view sessions = "evermill";
  SSL_CTX_set_session_id_context(context.get(), reinterpret_cast<const unsigned char*>(sessions.data()), sessions.size());
  SSL_CTX_set_alpn_select_cb(context.get(), choose_protocol, nullptr);
  use_chain(context.get(), from);
  ask_clients(context.get(), from);
  return context;
}

tls_reloader::tls_reloader(tls_files files, const clock& time, log lines)
    : files_(std::move(files)),
      clock_(time),
      log_(std::move(lines)),
      watch_({files_.certificate, files_.key, files_.client_ca}, time, std::chrono::seconds(1)) {
  auto loaded = load_tls(files_, time.now());
  if (!loaded) throw std::runtime_error(all_of(loaded.error()));
  loaded->generation = 1;
  in_use_.context = make_server_context(*loaded);
  in_use_.material = std::make_shared<const tls_material>(std::move(*loaded));
  warn_of_end(in_use_.material->expires);
}

void tls_reloader::warn_of_end(timestamp expires) {
  const timestamp now = clock_.now();
  if (expires - now > warned_before_end || now < next_warning_) return;
  next_warning_ = now + warning_pause;
  log_.warn({}, "the certificate \"{}\" {} {}; replace the files, which are read without a restart", files_.certificate.string(),
            expires <= now ? "has expired:" : "expires soon:", utc_text(expires));
}

tls_reloader::in_use tls_reloader::current() {
  std::optional<result<tls_material, std::vector<std::string>>> loaded;
  if (watch_.changed()) loaded = load_tls(files_, clock_.now());
  const std::lock_guard lock(mutex_);
  if (loaded && *loaded) {
    tls_material& read = **loaded;
    read.generation = in_use_.material->generation + 1;
    in_use_.context = make_server_context(read);
    in_use_.material = std::make_shared<const tls_material>(std::move(read));
    next_warning_ = {};
    log_.info({}, "the certificate \"{}\" was read anew, and is valid until {}", files_.certificate.string(),
              utc_text(in_use_.material->expires));
  } else if (loaded) {
    log_.error({}, "the files of TLS have changed and can't be used; those that were read before stay in use: {}",
               all_of(loaded->error()));
  }
  warn_of_end(in_use_.material->expires);
  return in_use_;
}

std::shared_ptr<const tls_material> tls_reloader::material() { return current().material; }
std::shared_ptr<ssl_ctx_st> tls_reloader::context() { return current().context; }

}  // namespace evermill::server::security
