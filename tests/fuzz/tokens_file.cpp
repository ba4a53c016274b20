// Tokens files.
#include "fuzz_input.hpp"
#include "server/security/token.hpp"

using namespace evermill;
using namespace evermill::server;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  fuzz::input in(data, size);
  const auto read = security::read_tokens(in.rest());
  if (!read) {
    fuzz::expect(!read.error().empty(), "a refusal says why");
    return 0;
  }
  const std::string written = security::write_tokens(*read);
  const auto again = security::read_tokens(written);
  fuzz::expect(again.has_value() && again->size() == read->size(), "what is read can be written and read again");
  fuzz::expect(security::write_tokens(*again) == written, "and is the same then");
  return 0;
}
