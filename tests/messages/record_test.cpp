#include "messages/record.hpp"

#include <google/protobuf/wrappers.pb.h>
#include <gtest/gtest.h>
#include <xxhash.h>

#include <cstdint>

namespace evermill::tests {
namespace {

google::protobuf::StringValue text(std::string value) {
  google::protobuf::StringValue content;
  content.set_value(std::move(value));
  return content;
}
std::string record_of(std::string_view key, const google::protobuf::MessageLite& content) {
  std::string record;
  append_record(record, key, content);
  return record;
}
result<std::string, record_error> read(std::string_view key, std::string_view record) {
  google::protobuf::StringValue content;
  if (const auto parsed = parse_record(key, record, content); !parsed) return unexpected(parsed.error());
  return content.value();
}

TEST(Record, ComesBack) {
  EXPECT_EQ(read("key", record_of("key", text("value"))), "value");
  EXPECT_EQ(read("", record_of("", text(""))), "");
}

TEST(Record, IsVersionChecksumContent) {
  // As docs/storage-format.md describes it, computed here without the code under test.
  const auto content = text("value");
  const std::string body = content.SerializeAsString();
  const std::uint64_t seed = XXH3_64bits_withSeed("key", 3, 1);
  const auto sum = static_cast<std::uint32_t>(XXH3_64bits_withSeed(body.data(), body.size(), seed));
  std::string expected = "\x01";
  for (int i = 0; i < 4; ++i) expected.push_back(static_cast<char>(sum >> (8 * i)));
  EXPECT_EQ(record_of("key", content), expected + body);
}

TEST(Record, IsAppendedBehindWhatIsThere) {
  std::string out = "before";
  append_record(out, "key", text("value"));
  EXPECT_EQ(out, "before" + record_of("key", text("value")));
}

TEST(Record, ReplacesTheContent) {
  auto content = text("old");
  ASSERT_TRUE(parse_record("key", record_of("key", text("")), content).has_value());
  EXPECT_EQ(content.value(), "");
}

TEST(Record, IsRefusedWhereAnyBitIsChanged) {
  const std::string good = record_of("key", text("value"));
  for (std::size_t bit = 0; bit < good.size() * 8; ++bit) {
    std::string changed = good;
    changed[bit / 8] = static_cast<char>(changed[bit / 8] ^ (1 << (bit % 8)));
    const auto found = read("key", changed);
    ASSERT_FALSE(found.has_value()) << bit;
    const bool later = static_cast<unsigned char>(changed[0]) > record_format_version;
    EXPECT_EQ(found.error(), later ? record_error::newer_version : record_error::checksum) << bit;
  }
}

TEST(Record, IsRefusedWhereItWasCutOrGrew) {
  const std::string good = record_of("key", text("value"));
  for (std::size_t size = 0; size < good.size(); ++size) {
    EXPECT_EQ(read("key", good.substr(0, size)).error(), size < 5 ? record_error::truncated : record_error::checksum);
  }
  EXPECT_EQ(read("key", good + '\0').error(), record_error::checksum);
}

TEST(Record, IsRefusedUnderAnotherKey) {
  EXPECT_EQ(read("kez", record_of("key", text("value"))).error(), record_error::checksum);
  EXPECT_EQ(read("", record_of("key", text("value"))).error(), record_error::checksum);
}

TEST(Record, WithAGoodChecksumAndOtherContentIsMalformed) {
  google::protobuf::BytesValue content;  // the same bytes on the wire, but not UTF-8
  content.set_value("\xff");
  EXPECT_EQ(read("key", record_of("key", content)).error(), record_error::malformed);
}

TEST(Record, ErrorsHaveWords) {
  EXPECT_EQ(to_string(record_error::truncated), "truncated");
  EXPECT_EQ(to_string(record_error::newer_version), "written by a newer version of evermill");
  EXPECT_EQ(to_string(record_error::checksum), "checksum mismatch");
  EXPECT_EQ(to_string(record_error::malformed), "malformed");
}

}  // namespace
}  // namespace evermill::tests
