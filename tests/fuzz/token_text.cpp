// What comes as the value of an authorization header, and where a request comes from.
#include "server/security/authenticator.hpp"

#include "fuzz_input.hpp"
#include "server/security/grants_json.hpp"

using namespace evermill;
using namespace evermill::server;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  fuzz::input in(data, size);
  const std::string_view text = in.rest();
  if (const auto token = security::read_token(text)) {
    fuzz::expect(text.size() == security::token_bytes && text.substr(4, 10) == token->id, "a token has its parts");
    fuzz::expect(security::checksum_of(text.substr(0, text.size() - 6)) == text.substr(text.size() - 6), "and its checksum");
  }
  fuzz::expect(security::plain_address(text).size() <= 128, "an address is bounded");
  if (const auto word = security::read_scope_word(text))
    fuzz::expect(security::why_no_grant(*word).empty(), "a grant that is read is one");
  return 0;
}
