// Payloads as they come from elsewhere: decoded into every kind of type or refused with payload_error, and what was decoded
// means the same when it is encoded again.
#include <google/protobuf/wrappers.pb.h>

#include <cstddef>
#include <map>
#include <optional>
#include <vector>

#include "evermill/codec.hpp"
#include "evermill/shell.hpp"
#include "fuzz_input.hpp"

using namespace evermill;

namespace {

struct order {
  std::string id;
  int cents = 0;
  std::optional<std::string> note;
  std::map<std::string, std::vector<double>> weights;
};
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE_WITH_DEFAULT(order, id, cents, note, weights)

template <class T>
void check(const payload& from) {
  try {
    const payload once = codec<T>::encode(codec<T>::decode(from));
    const payload twice = codec<T>::encode(codec<T>::decode(once));
    fuzz::expect(once == twice, "what was decoded is encoded the same way again");
  } catch (const payload_error& error) {
    fuzz::expect(*error.what() != '\0', "a refusal says why");
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  fuzz::input in(data, size);
  payload from;
  from.type = static_cast<payload::content_type>(in.byte() % 4);
  if (from.type == payload::content_type::protobuf) from.type_name = "google.protobuf.StringValue";
  from.data = in.rest();
  check<bool>(from);
  check<int>(from);
  check<std::uint64_t>(from);
  check<double>(from);
  check<std::string>(from);
  check<nlohmann::json>(from);
  check<std::vector<std::string>>(from);
  check<std::vector<std::byte>>(from);
  check<std::map<std::string, std::optional<int>>>(from);
  check<order>(from);
  check<shell_command>(from);
  check<google::protobuf::StringValue>(from);
  return 0;
}
