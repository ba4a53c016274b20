#include <gtest/gtest.h>
#include <spdlog/sinks/ostream_sink.h>

#include <cstdlib>
#include <fstream>
#include <sstream>
#include <string>

#include "plugins/queue/kafka/kafka_broker.hpp"
#include "plugins/queue/kafka/settings.hpp"
#include "tests/support/temporary_directory.hpp"

namespace evermill::tests {
namespace {

using queue::broker_errc;
using queue::kafka::parse_address;

std::string refusal(const std::string& address) {
  const auto made = queue::make_kafka_broker(address);
  EXPECT_FALSE(made.has_value()) << address;
  if (made) return {};
  EXPECT_EQ(made.error().code, broker_errc::invalid) << address;
  return made.error().message;
}

TEST(KafkaAddress, TakesServersAndOptions) {
  const auto parsed = parse_address(
      "kafka://one:1,two,[::1]:3?prefix=orders&replication=3&operation-timeout-ms=7&ssl.ca.location=%2Fetc%2Fca%20x");
  ASSERT_TRUE(parsed.has_value()) << parsed.error().message;
  EXPECT_EQ(parsed->servers, "one:1,two:9092,[::1]:3");
  EXPECT_EQ(parsed->prefix, "orders");
  EXPECT_EQ(parsed->replication, 3);
  EXPECT_EQ(parsed->operation_timeout, std::chrono::milliseconds(7));
  EXPECT_EQ(parsed->given, (queue::kafka::properties{{"ssl.ca.location", "/etc/ca x"}}));
  EXPECT_EQ(parsed->topic("decisions"), "orders.decisions");
  EXPECT_EQ(parsed->address(), "kafka://one:1,two:9092,[::1]:3");
}

TEST(KafkaAddress, RefusesWhatIsNone) {
  for (const char* const address :
       {"", "redis://h:1", "kafka://", "kafka://:9092", "kafka://h:0", "kafka://h:65536", "kafka://h:x", "kafka://h:",
        "kafka://h,", "kafka://a b:1", "kafka://[::1:9092", "kafka://h?prefix", "kafka://h?=1", "kafka://h?prefix=",
        "kafka://h?prefix=a/b", "kafka://h?replication=0", "kafka://h?replication=many", "kafka://h?client.id=%4",
        "kafka://h?client.id=%zz", "kafka://h?client.id=a&client.id=b", "kafka://h?operation-timeout-ms=0", "kafka://h?insecure=maybe"}) {
    EXPECT_FALSE(refusal(address).empty());
  }
}

TEST(KafkaAddress, RefusesWhatLibrdkafkaRefusesInItsWords) {
  EXPECT_NE(refusal("kafka://h?insecure=yes&no.such.thing=1").find("No such configuration property: \"no.such.thing\""), std::string::npos);
  EXPECT_NE(refusal("kafka://h?insecure=yes&message.timeout.ms=soon").find("message.timeout.ms"), std::string::npos);
  EXPECT_NE(refusal("kafka://h?security.protocol=carrier-pigeon").find("security.protocol"), std::string::npos);
}

TEST(KafkaAddress, WhatGoesBeyondThisMachineIsEncryptedOrForced) {
  for (const char* const open : {"kafka://broker-1", "kafka://127.0.0.1:1,broker-1:1", "kafka://[2001:db8::1]:1",
                                 "kafka://127.0.0.1.example.org", "kafka://h?insecure=no", "kafka://h?security.protocol=PLAINTEXT",
                                 "kafka://h?security.protocol=sasl_plaintext"}) {
    EXPECT_NE(refusal(open).find("insecure=yes"), std::string::npos) << open;
  }
  for (const char* const fine : {"kafka://127.0.0.1:1,localhost:1,[::1]:1", "kafka://h?insecure=yes", "kafka://h?security.protocol=ssl",
                                 "kafka://h?security.protocol=SASL_SSL&sasl.mechanism=PLAIN"}) {
    EXPECT_TRUE(check_encrypted(*parse_address(fine)).has_value()) << fine;
  }
}

TEST(KafkaAddress, RefusesOptionsThatWouldBreakPromises) {
  for (const char* const option : {"acks=0", "enable.idempotence=false", "group.id=x", "auto.offset.reset=latest",
                                   "bootstrap.servers=other:1", "isolation.level=read_committed"}) {
    EXPECT_NE(refusal(std::string("kafka://h?") + option).find("leave it out"), std::string::npos) << option;
  }
}

TEST(KafkaAddress, TakesPasswordsFromFilesAndTheEnvironmentOnly) {
  const temporary_directory folder;
  const std::string file = folder.path() / "password";
  std::ofstream(file) << "tell-nobody\n";
  const auto from_file = parse_address("kafka://h?password-file=" + file);
  ASSERT_TRUE(from_file.has_value()) << from_file.error().message;
  EXPECT_EQ(from_file->given, (queue::kafka::properties{{"sasl.password", "tell-nobody"}}));
  ::setenv("EVERMILL_TEST_PASSWORD", "tell-nobody", 1);
  const auto from_environment = parse_address("kafka://h?password-env=EVERMILL_TEST_PASSWORD");
  ASSERT_TRUE(from_environment.has_value());
  EXPECT_EQ(from_environment->given, from_file->given);

  const std::string inside = refusal("kafka://h?sasl.password=tell-nobody");
  EXPECT_NE(inside.find("password-file"), std::string::npos);
  EXPECT_EQ(inside.find("tell-nobody"), std::string::npos);
  EXPECT_EQ(refusal("kafka://me:tell-nobody@h:1").find("tell-nobody"), std::string::npos);
  refusal("kafka://h?password-file=" + file + "x");
  refusal("kafka://h?password-env=EVERMILL_TEST_NO_SUCH_PASSWORD");
  refusal("kafka://h?password-env=EVERMILL_TEST_PASSWORD&password-file=" + file);
}

TEST(KafkaAddress, ShowsNoSecret) {
  ::setenv("EVERMILL_TEST_PASSWORD", "tell-nobody", 1);
  std::ostringstream lines;
  auto sink = std::make_shared<spdlog::logger>("kafka", std::make_shared<spdlog::sinks::ostream_sink_mt>(lines));
  sink->set_level(spdlog::level::trace);
  {
    // Nobody listens there; all that librdkafka can log of its settings and its attempts is logged.
    const auto made = queue::make_kafka_broker(
        "kafka://127.0.0.1:1?security.protocol=sasl_plaintext&sasl.mechanism=PLAIN&sasl.username=me&debug=all"
        "&password-env=EVERMILL_TEST_PASSWORD&operation-timeout-ms=500",
        log(sink));
    ASSERT_TRUE(made.has_value()) << made.error().message;
    EXPECT_EQ((*made)->address(), "kafka://127.0.0.1:1");
    const auto found = (*made)->find_stream("s");
    ASSERT_FALSE(found.has_value());
    EXPECT_EQ(found.error().code, broker_errc::unavailable);
    EXPECT_EQ(found.error().message.find("tell-nobody"), std::string::npos);
    EXPECT_NE(found.error().message.find("127.0.0.1:1"), std::string::npos);
  }
  EXPECT_NE(lines.str().find("sasl.username"), std::string::npos) << "nothing was logged that could have shown it";
  EXPECT_EQ(lines.str().find("tell-nobody"), std::string::npos);
  const std::string refused =
      refusal("kafka://h?security.protocol=ssl&ssl.key.pem=tell-nobody");
  EXPECT_EQ(refused.find("tell-nobody"), std::string::npos);
}

}  // namespace
}  // namespace evermill::tests
