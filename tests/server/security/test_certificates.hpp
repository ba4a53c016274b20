// Certificates that tests make: an authority, and what it vouches for.
#pragma once

#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>

#include <memory>
#include <stdexcept>
#include <string>

#include "evermill/timestamp.hpp"

namespace evermill::tests {

struct issued {
  std::shared_ptr<X509> certificate;
  std::shared_ptr<EVP_PKEY> key;

  std::string certificate_pem() const {
    return written([&](BIO* to) { PEM_write_bio_X509(to, certificate.get()); });
  }
  std::string key_pem() const {
    return written([&](BIO* to) { PEM_write_bio_PKCS8PrivateKey(to, key.get(), nullptr, nullptr, 0, nullptr, nullptr); });
  }
  std::string encrypted_key_pem() const {
    return written(
        [&](BIO* to) { PEM_write_bio_PKCS8PrivateKey(to, key.get(), EVP_aes_256_cbc(), "pass", 4, nullptr, nullptr); });
  }

 private:
  template <class Write>
  static std::string written(Write&& write) {
    const std::unique_ptr<BIO, decltype(&BIO_free)> bytes(BIO_new(BIO_s_mem()), BIO_free);
    write(bytes.get());
    char* data = nullptr;
    const long size = BIO_get_mem_data(bytes.get(), &data);
    return {data, static_cast<std::size_t>(size)};
  }
};

struct certificate_request {
  std::string common_name;
  std::string names;  ///< "DNS:localhost,IP:127.0.0.1"; "": none
  timestamp begins =
      std::chrono::time_point_cast<std::chrono::microseconds>(std::chrono::system_clock::now() - std::chrono::hours(1));
  timestamp expires =
      std::chrono::time_point_cast<std::chrono::microseconds>(std::chrono::system_clock::now() + std::chrono::hours(24 * 365));
  bool authority = false;
};

/// By `by`, or by itself.
inline issued issue(const certificate_request& wanted, const issued* by = nullptr) {
  static long serial = 0;
  issued made{std::shared_ptr<X509>(X509_new(), X509_free),
              std::shared_ptr<EVP_PKEY>(EVP_PKEY_Q_keygen(nullptr, nullptr, "EC", "P-256"), EVP_PKEY_free)};
  X509* const certificate = made.certificate.get();
  const issued& signer = by == nullptr ? made : *by;
  const auto seconds = [](timestamp of) { return std::chrono::floor<std::chrono::seconds>(of).time_since_epoch().count(); };
  X509_set_version(certificate, 2);
  ASN1_INTEGER_set(X509_get_serialNumber(certificate), ++serial);
  ASN1_TIME_set(X509_getm_notBefore(certificate), seconds(wanted.begins));
  ASN1_TIME_set(X509_getm_notAfter(certificate), seconds(wanted.expires));
  X509_set_pubkey(certificate, made.key.get());
  X509_NAME_add_entry_by_txt(X509_get_subject_name(certificate), "CN", MBSTRING_UTF8,
                             reinterpret_cast<const unsigned char*>(wanted.common_name.data()),
                             static_cast<int>(wanted.common_name.size()), -1, 0);
  X509_set_issuer_name(certificate, X509_get_subject_name(signer.certificate.get()));
  X509V3_CTX context{};
  X509V3_set_ctx(&context, signer.certificate.get(), certificate, nullptr, nullptr, 0);
  const auto add = [&](int kind, const std::string& value) {
    X509_EXTENSION* const extension = X509V3_EXT_conf_nid(nullptr, &context, kind, value.c_str());
    if (extension == nullptr) throw std::runtime_error("no extension " + value);
    X509_add_ext(certificate, extension, -1);
    X509_EXTENSION_free(extension);
  };
  add(NID_basic_constraints, wanted.authority ? "critical,CA:TRUE" : "CA:FALSE");
  if (!wanted.names.empty()) add(NID_subject_alt_name, wanted.names);
  if (X509_sign(certificate, signer.key.get(), EVP_sha256()) == 0) throw std::runtime_error("not signed");
  return made;
}

inline issued make_authority(const std::string& name) {
  certificate_request wanted;
  wanted.common_name = name;
  wanted.authority = true;
  return issue(wanted);
}

inline issued make_server_certificate(const issued& by) {
  certificate_request wanted;
  wanted.common_name = "server";
  wanted.names = "DNS:localhost,IP:127.0.0.1";
  return issue(wanted, &by);
}

}  // namespace evermill::tests
