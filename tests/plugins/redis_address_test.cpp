#include "plugins/queue/redis/address.hpp"

#include <gtest/gtest.h>

#include <chrono>
#include <cstdlib>
#include <fstream>
#include <string>
#include <vector>

#include "tests/support/temporary_directory.hpp"

namespace evermill::tests {
namespace {

TEST(RedisAddress, ReadsAllItsParts) {
  const auto read = queue::parse_redis_address(
      "redis://us%65r:p%40ss%3a@localhost:7000,127.0.0.1,[::1]:7002/3?prefix=my-app&timeout-ms=250&insecure=no");
  ASSERT_TRUE(read.has_value()) << read.error().message;
  ASSERT_EQ(read->servers.size(), 3U);
  EXPECT_EQ(read->show(0), "localhost:7000");
  EXPECT_EQ(read->show(1), "127.0.0.1:6379");
  EXPECT_EQ(read->show(2), "[::1]:7002");
  EXPECT_EQ(read->user, "user");
  EXPECT_EQ(read->password, "p@ss:");
  EXPECT_EQ(read->database, 3U);
  EXPECT_EQ(read->prefix, "my-app");
  EXPECT_EQ(read->timeout, std::chrono::milliseconds(250));
  EXPECT_EQ(read->show(), "redis://localhost:7000,127.0.0.1:6379,[::1]:7002/3?prefix=my-app");
}

TEST(RedisAddress, HasDefaults) {
  const auto read = queue::parse_redis_address("redis://localhost");
  ASSERT_TRUE(read.has_value()) << read.error().message;
  EXPECT_EQ(read->show(), "redis://localhost:6379/0?prefix=evermill");
  EXPECT_EQ(read->password, "");
}

TEST(RedisAddress, ReadsThePasswordFromAFileOrTheEnvironment) {
  const temporary_directory directory;
  const std::string path = (directory.path() / "password").string();
  std::ofstream(path) << "from file\r\n";
  EXPECT_EQ(queue::parse_redis_address("redis://localhost?password-file=" + path).value().password, "from file");
  ::setenv("EVERMILL_TEST_PASSWORD", "from environment", 1);
  const auto read = queue::parse_redis_address("redis://localhost?user=me&password-env=EVERMILL_TEST_PASSWORD").value();
  EXPECT_EQ(read.password, "from environment");
  EXPECT_EQ(read.user, "me");
  ::unsetenv("EVERMILL_TEST_PASSWORD");
}

TEST(RedisAddress, RefusesWhatIsWrongAndSaysWhat) {
  struct wrong {
    std::string text;
    std::string said;
  };
  const std::vector<wrong> all{
      {"kafka://localhost", "redis://"},
      {"rediss://localhost", "TLS"},
      {"redis://", "0 servers"},
      {"redis://localhost,localhost", "2 servers"},
      {"redis://localhost,localhost,localhost,localhost", "4 servers"},
      {"redis://localhost:0", "server 1"},
      {"redis://localhost:66000", "server 1"},
      {"redis://localhost,localhost:x,localhost", "server 2"},
      {"redis://[::1", "server 1"},
      {"redis://localhost/x", "number of a database"},
      {"redis://localhost?colour=red", "there is no such option"},
      {"redis://localhost?prefix=", "prefix"},
      {"redis://localhost?prefix=a}b", "prefix"},
      {"redis://localhost?insecure=perhaps", "insecure"},
      {"redis://localhost?timeout-ms=0", "timeout-ms"},
      {"redis://localhost?timeout-ms=soon", "timeout-ms"},
      {"redis://localhost?prefix=%4", "hexadecimal"},
      {"redis://localhost?password-env=EVERMILL_NO_SUCH", "EVERMILL_NO_SUCH"},
      {"redis://localhost?password-file=/no/such", "/no/such"},
      {"redis://localhost?user=me", "password-file"},
      {"redis://me:%zz@localhost", "hexadecimal"},
  };
  for (const wrong& each : all) {
    const auto read = queue::parse_redis_address(each.text);
    ASSERT_FALSE(read.has_value()) << each.text;
    EXPECT_EQ(read.error().code, queue::broker_errc::invalid);
    EXPECT_NE(read.error().message.find(each.said), std::string::npos) << each.text << ": " << read.error().message;
  }
}

TEST(RedisAddress, RefusesHostsOfOtherMachinesUnlessTheyAreAskedFor) {
  for (const std::string host : {"redis.example", "10.0.0.1", "127.evil.example", "localhost.example"}) {
    const auto read = queue::parse_redis_address("redis://" + host);
    ASSERT_FALSE(read.has_value()) << host;
    EXPECT_EQ(read.error().code, queue::broker_errc::invalid);
    EXPECT_NE(read.error().message.find("insecure=yes"), std::string::npos);
    EXPECT_TRUE(queue::parse_redis_address("redis://" + host + "?insecure=yes").has_value());
  }
  EXPECT_FALSE(queue::parse_redis_address("redis://localhost,localhost,redis.example").has_value());
}

TEST(RedisAddress, RepeatsNoSecret) {
  for (const std::string text :
       {"redis://me:geheim@localhost:1,localhost", "redis://:geheim@remote", "redis://me:geheim/x@localhost",
        "redis://me:ge/geheim@localhost", "redis://me:x?geheim@localhost", "redis://me:geheim@localhost:geheim",
        "redis://:geheim@localhost/x", "redis://me:geheim@localhost?colour=red", "redis://localhost?password=geheim",
        "redis://localhost?geheim", "geheim", "redis://geheim:geheim@:1", "redis://me:geheim%@localhost"}) {
    const auto read = queue::parse_redis_address(text);
    ASSERT_FALSE(read.has_value()) << text;
    EXPECT_EQ(read.error().message.find("geheim"), std::string::npos) << text << ": " << read.error().message;
  }
  const auto read = queue::parse_redis_address("redis://geheim:geheim@localhost");
  EXPECT_EQ(read.value().show().find("geheim"), std::string::npos);
}

}  // namespace
}  // namespace evermill::tests
