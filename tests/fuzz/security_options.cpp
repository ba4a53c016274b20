// The configuration of security, YAML or JSON.
#include "server/security/security_options.hpp"

#include "fuzz_input.hpp"

using namespace evermill;
using namespace evermill::server;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  fuzz::input in(data, size);
  const std::string_view text = in.rest();
  dsl::problems found, again;
  const security::security_options read = security::read_security_text(text, "/etc", found);
  security::read_security_text(text, "/etc", again);
  fuzz::expect(found == again, "the same text has the same problems");
  for (const dsl::problem& what : found) {
    fuzz::expect(what.at.line > 0 && what.at.column > 0, "each problem has a place");
    fuzz::expect(dsl::describe(what, "f").find('\n') == std::string::npos, "each problem is one line");
  }
  if (!found.empty()) return 0;
  for (const security::trusted_issuer& each : read.jwt) {
    fuzz::expect(!each.rules.issuer.empty() && !each.rules.audiences.empty(), "an issuer is one issuer's, for somebody");
    fuzz::expect(each.keys.url.empty() != each.keys.file.empty(), "with keys from one place");
  }
  fuzz::expect(read.client_certificates.empty() || !read.tls.client_ca.empty(), "somebody vouches for clients");
  return 0;
}
