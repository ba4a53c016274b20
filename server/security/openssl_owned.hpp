// What OpenSSL gives, owned. Only for sources that include OpenSSL anyway.
#pragma once

#include <openssl/asn1.h>
#include <openssl/err.h>

#include <chrono>
#include <ctime>
#include <memory>
#include <string>

#include "evermill/timestamp.hpp"

namespace evermill::server::security {

template <auto function>
struct freed_by {
  template <class T>
  void operator()(T* what) const {
    function(what);
  }
};
template <class T, auto function>
using owned = std::unique_ptr<T, freed_by<function>>;

/// Nobody is there to be asked: OpenSSL would ask on the terminal.
inline int no_passphrase(char*, int, int, void*) { return -1; }

/// The epoch, where it can't be told.
inline timestamp moment_of(const ASN1_TIME* time) {
  std::tm parts{};
  if (ASN1_TIME_to_tm(time, &parts) != 1) return {};
  return std::chrono::sys_seconds(std::chrono::seconds(::timegm(&parts)));
}

/// What went wrong last on this thread, which is forgotten then.
inline std::string openssl_error() {
  const unsigned long code = ERR_peek_last_error();
  const char* const reason = code == 0 ? nullptr : ERR_reason_error_string(code);
  std::string text = reason == nullptr ? "no reason was given" : reason;
  ERR_clear_error();
  return text;
}

}  // namespace evermill::server::security
