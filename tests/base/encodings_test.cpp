#include "base/encodings.hpp"

#include <gtest/gtest.h>

#include <string>

namespace evermill {
namespace {

std::string every_byte() {
  std::string bytes;
  for (int byte = 0; byte < 256; ++byte) bytes.push_back(static_cast<char>(byte));
  return bytes;
}

TEST(PercentEncoded, IsWhatRfc3986Says) {
  EXPECT_EQ(percent_encoded("a b/%~\xC3\xA9"), "a%20b%2F%25~%C3%A9");
  EXPECT_EQ(percent_encoded("a/b c", "/"), "a/b%20c");
}

TEST(PercentDecoded, ReadsWhatWasEncodedAndEitherCaseOfADigit) {
  EXPECT_EQ(percent_decoded(percent_encoded(every_byte())), every_byte());
  EXPECT_EQ(percent_decoded("%c3%A9+"), "\xC3\xA9+");
}

TEST(PercentDecoded, IsNothingWhereTwoDigitsAreMissing) {
  for (const char* text : {"%", "a%", "%4", "%4G", "%G4", "%-1", "% 1", "%%41"}) EXPECT_FALSE(percent_decoded(text)) << text;
}

TEST(Base64, ReadsWhatWasEncoded) {
  for (std::size_t length = 0; length < 256; ++length) {
    const std::string bytes = every_byte().substr(256 - length);
    EXPECT_EQ(base64_decoded(base64_encoded(bytes)), bytes) << length;
  }
}

TEST(Base64, AlsoReadsTheAlphabetOfUrlsWithoutPadding) {
  EXPECT_EQ(base64_encoded("\xFB\xFF"), "+/8=");
  EXPECT_EQ(base64_decoded("-_8"), "\xFB\xFF");
}

TEST(Base64, IsNothingWhereACharacterIsNoneOfIts) {
  for (const char* text : {"A", "AA*A", "A A", "AAAAA"}) EXPECT_FALSE(base64_decoded(text)) << text;
}

}  // namespace
}  // namespace evermill
