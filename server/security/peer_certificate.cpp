#include "server/security/peer_certificate.hpp"

#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>

#include <algorithm>
#include <memory>

#include "base/text.hpp"
#include "server/security/openssl_owned.hpp"
#include "server/security/secrets_text.hpp"

namespace evermill::server::security {
namespace {

/// "" for what is no name.
std::string text_of(const ASN1_STRING* from) {
  unsigned char* text = nullptr;
  const int size = ASN1_STRING_to_UTF8(&text, from);
  if (size < 0) return {};
  std::string made(reinterpret_cast<const char*>(text), static_cast<std::size_t>(size));
  OPENSSL_free(text);
  return why_no_name(made) ? std::string() : made;
}

std::string common_name_of(const X509* of) {
  const X509_NAME* const subject = X509_get_subject_name(of);
  const int first = X509_NAME_get_index_by_NID(subject, NID_commonName, -1);
  if (first < 0 || X509_NAME_get_index_by_NID(subject, NID_commonName, first) >= 0) return {};  // of several none is it
  return text_of(X509_NAME_ENTRY_get_data(X509_NAME_get_entry(subject, first)));
}

void add_alternative_names(const X509* of, peer_certificate& to) {
  const owned<GENERAL_NAMES, GENERAL_NAMES_free> names(
      static_cast<GENERAL_NAMES*>(X509_get_ext_d2i(of, NID_subject_alt_name, nullptr, nullptr)));
  for (int i = 0; i < sk_GENERAL_NAME_num(names.get()); ++i) {
    int kind = 0;
    const void* const value = GENERAL_NAME_get0_value(sk_GENERAL_NAME_value(names.get(), i), &kind);
    if (kind != GEN_DNS && kind != GEN_URI && kind != GEN_EMAIL) continue;
    std::string text = text_of(static_cast<const ASN1_STRING*>(value));
    if (text.empty()) continue;
    (kind == GEN_DNS ? to.dns : kind == GEN_URI ? to.uris : to.emails).push_back(std::move(text));
  }
}

std::string fingerprint_of(const X509* of) {
  digest made{};
  unsigned size = 0;
  return X509_digest(of, EVP_sha256(), made.data(), &size) == 1 ? to_hex(made) : std::string();
}

bool equal_ignoring_case(std::string_view a, std::string_view b) {
  const auto lower = [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; };
  return std::equal(a.begin(), a.end(), b.begin(), b.end(), [&](char x, char y) { return lower(x) == lower(y); });
}

const std::string* match(const peer_certificate& of, const certificate_mapping& mapping) {
  using field = certificate_mapping::field;
  if (mapping.what == field::common_name)
    return !of.common_name.empty() && of.common_name == mapping.value ? &of.common_name : nullptr;
  const std::string_view wanted = mapping.value;
  const bool beginning = mapping.what == field::uri && wanted.ends_with('*');
  const auto& names = mapping.what == field::dns ? of.dns : mapping.what == field::uri ? of.uris : of.emails;
  for (const std::string& each : names) {
    if (beginning                    ? each.starts_with(wanted.substr(0, wanted.size() - 1))
        : mapping.what == field::dns ? equal_ignoring_case(each, wanted)
                                     : each == wanted) {
      return &each;
    }
  }
  return nullptr;
}

}  // namespace

result<peer_certificate, std::string> read_certificate(std::string_view pem) {
  const owned<BIO, BIO_free> bytes(BIO_new_mem_buf(pem.data(), static_cast<int>(pem.size())));
  const owned<X509, X509_free> certificate(bytes ? PEM_read_bio_X509(bytes.get(), nullptr, no_passphrase, nullptr) : nullptr);
  ERR_clear_error();
  if (!certificate) return unexpected(std::string("this is no certificate in PEM"));
  peer_certificate made;
  made.common_name = common_name_of(certificate.get());
  add_alternative_names(certificate.get(), made);
  made.fingerprint = fingerprint_of(certificate.get());
  made.expires = moment_of(X509_get0_notAfter(certificate.get()));
  ERR_clear_error();
  return made;
}

std::optional<principal> principal_of(const peer_certificate& of, const std::vector<certificate_mapping>& mappings) {
  for (const certificate_mapping& mapping : mappings) {
    const std::string* const value = match(of, mapping);
    if (value == nullptr) continue;
    principal made;
    made.name = mapping.name.empty() ? *value : mapping.name;
    made.id = "certificate:" + *value;
    made.how = authentication::certificate;
    made.grants = mapping.grants;
    made.expires = of.expires;
    return made;
  }
  return std::nullopt;
}

}  // namespace evermill::server::security
