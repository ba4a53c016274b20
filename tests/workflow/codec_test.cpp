#include "evermill/codec.hpp"

#include <gmock/gmock.h>

#include <cstdint>
#include <limits>
#include <map>
#include <string>
#include <vector>

#include "messages/payload.pb.h"

namespace evermill {
namespace {

struct order {
  std::string id;
  std::vector<int> items;
  friend bool operator==(const order&, const order&) = default;
};
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE(order, id, items)

template <class T>
T round_trip(const T& value) {
  return codec<T>::decode(codec<T>::encode(value));
}

template <class T>
std::string refusal(const payload& from) {
  try {
    codec<T>::decode(from);
  } catch (const payload_error& e) {
    return e.what();
  }
  return "accepted";
}

TEST(Codec, NumbersAreJsonAndKeepTheirValue) {
  EXPECT_EQ(codec<int>::encode(-5), json_payload("-5"));
  EXPECT_EQ(codec<bool>::encode(true), json_payload("true"));
  EXPECT_EQ(round_trip(std::numeric_limits<std::int64_t>::min()), std::numeric_limits<std::int64_t>::min());
  EXPECT_EQ(round_trip(std::numeric_limits<std::uint64_t>::max()), std::numeric_limits<std::uint64_t>::max());
  EXPECT_EQ(round_trip(0.1), 0.1);
  EXPECT_EQ(round_trip(1e300), 1e300);
}

TEST(Codec, AnIntegerThatDoesNotFitIsRefused) {
  EXPECT_THAT(refusal<std::int8_t>(json_payload("128")), testing::HasSubstr("out of range"));
  EXPECT_EQ(codec<std::int8_t>::decode(json_payload("-128")), -128);
  EXPECT_NE(refusal<unsigned>(json_payload("-1")), "accepted");
}

TEST(Codec, ARefusalSaysWhatWasExpectedAndWhatCame) {
  EXPECT_THAT(refusal<int>(json_payload("\"seven\"")),
              testing::AllOf(testing::HasSubstr("an integer"), testing::HasSubstr("\"seven\"")));
  EXPECT_THAT(refusal<int>(payload{}), testing::HasSubstr("no value"));
  EXPECT_NE(refusal<int>(json_payload("12x")), "accepted");
  EXPECT_NE(refusal<order>(json_payload("{\"id\":")), "accepted");
  EXPECT_NE(refusal<order>(json_payload("{\"id\":1}")), "accepted");
  EXPECT_NE(refusal<std::vector<int>>(json_payload("[1,\"a\"]")), "accepted");
  EXPECT_NE(refusal<std::string>(json_payload("5")), "accepted");
}

TEST(Codec, StringsAreJsonWhereTheyAreUtf8AndBytesOtherwise) {
  EXPECT_EQ(codec<std::string>::encode("a\"b\n"), json_payload("\"a\\\"b\\n\""));
  EXPECT_EQ(round_trip(std::string("gr\xc3\xbc\xc3\x9f")), "gr\xc3\xbc\xc3\x9f");
  const std::string raw("\xff\x00x", 3);
  EXPECT_EQ(codec<std::string>::encode(raw).type, payload::content_type::bytes);
  EXPECT_EQ(round_trip(raw), raw);
  EXPECT_EQ(round_trip(std::string()), "");
}

TEST(Codec, StructsContainersJsonAndBytesKeepTheirValue) {
  const order o{"o-1", {1, 2}};
  EXPECT_EQ(round_trip(o), o);
  EXPECT_EQ(round_trip(std::vector<order>{o, o}), (std::vector<order>{o, o}));
  const std::map<std::string, double> map{{"a", 1.5}, {"b", -2}};
  EXPECT_EQ(round_trip(map), map);
  const nlohmann::json json{{"a", {1, nullptr}}};
  EXPECT_EQ(round_trip(json), json);
  const std::vector<std::byte> bytes{std::byte{0}, std::byte{255}};
  EXPECT_EQ(round_trip(bytes), bytes);
  EXPECT_EQ(codec<std::vector<std::byte>>::encode(bytes).type, payload::content_type::bytes);
  const payload other{payload::content_type::other, "image/png", "x"};
  EXPECT_EQ(round_trip(other), other);
}

TEST(Codec, ProtobufMessagesTravelSerialisedWithTheirName) {
  messages::Payload message;
  message.set_type_name("t");
  message.set_data("d");
  const payload encoded = codec<messages::Payload>::encode(message);
  EXPECT_EQ(encoded.type, payload::content_type::protobuf);
  EXPECT_EQ(encoded.type_name, "evermill.messages.Payload");
  EXPECT_EQ(codec<messages::Payload>::decode(encoded).data(), "d");
  EXPECT_NE(refusal<messages::Failure>(encoded), "accepted") << "another message's bytes";
  EXPECT_NE(refusal<messages::Payload>({payload::content_type::protobuf, "evermill.messages.Payload", "\xff"}),
            "accepted");
}

TEST(Codec, JsonWithoutUtf8IsRefusedWhenItIsWritten) {
  EXPECT_THROW(codec<order>::encode({"\xff", {}}), payload_error);
  EXPECT_EQ(round_trip(std::string("\xff")), "\xff") << "a string by itself may hold any bytes";
}

TEST(Codec, JsonThatIsNestedTooDeeplyIsRefused) {
  const auto nested = [](std::size_t depth) { return json_payload(std::string(depth, '[') + std::string(depth, ']')); };
  EXPECT_EQ(refusal<nlohmann::json>(nested(1000)), "accepted");
  EXPECT_THAT(refusal<nlohmann::json>(nested(1'000'000)), testing::HasSubstr("nested too deeply"));
  EXPECT_EQ(refusal<std::vector<std::string>>(json_payload("[\"" + std::string(5000, '[') + "\\\"[\"]")), "accepted")
      << "brackets in a string are no nesting";
}

}  // namespace
}  // namespace evermill
