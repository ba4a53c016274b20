// JSON Web Key Sets, as the server of an issuer may send them.
#include "fuzz_input.hpp"
#include "server/security/json_web_key.hpp"

using namespace evermill;
using namespace evermill::server;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  fuzz::input in(data, size);
  const std::string_view text = in.rest();
  const auto keys = security::read_key_set(text);
  if (!keys) {
    fuzz::expect(!keys.error().empty(), "a refusal says why");
    return 0;
  }
  fuzz::expect(!keys->keys.empty() && keys->keys.size() <= security::max_keys, "a set has keys, and not too many");
  for (std::size_t i = 0; i < security::algorithm_count; ++i) {
    const auto how = static_cast<security::algorithm>(i);
    for (const security::json_web_key& key : keys->keys) {
      fuzz::expect(!key.verifies(how, "text", std::string(64, 'x')), "nothing is a signature by chance");
    }
  }
  return 0;
}
