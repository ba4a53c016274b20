/// @file
/// How a program reaches a server.
#pragma once

#include <string>

namespace evermill {

/// Where a server listens, and what it is shown.
struct server_address {
  std::string address;      ///< HOST:PORT
  std::string name_space;   ///< "": the default one
  std::string token;        ///< a bearer token; "": none. Without TLS it can be read on the way
  bool tls = false;         ///< the connection is encrypted, and the server's certificate checked
  std::string ca_file;      ///< with tls: who vouches for the server, PEM; "": whom the system trusts
  std::string certificate_file;  ///< with tls: of this program, PEM; "": none
  std::string key_file;          ///< of the certificate, PEM
};

}  // namespace evermill
