// The tests' program is also a process of its own in tests that kill one:
//
//   kafka_tests --member ADDRESS GROUP ID MILLISECONDS   joins, writes a line when it has joined, and stays until it is killed
#include <gtest/gtest.h>

#include <cstdio>
#include <cstdlib>
#include <iostream>
#include <memory>
#include <string_view>

#include "plugins/queue/kafka/kafka_broker.hpp"
#include "tests/plugins/kafka_service.hpp"
#include "tests/support/permits.hpp"

namespace evermill::tests {
namespace {

std::unique_ptr<kafka_service>& shared_service() {
  static std::unique_ptr<kafka_service> service;
  return service;
}

class shared_service_environment final : public testing::Environment {
 public:
  void TearDown() override { why_not() = kafka_service::end_shared(); }
  static std::optional<std::string>& why_not() {
    static std::optional<std::string> reason;
    return reason;
  }
};

int be_member(const char* address, const char* group, const char* id, const char* milliseconds) {
  const auto broker = queue::make_kafka_broker(address);
  if (!broker) return 2;
  permits changed;
  const queue::membership_options options{.group = group,
                                          .member_id = id,
                                          .description = id,
                                          .session_timeout = std::chrono::milliseconds(std::atoi(milliseconds))};
  const auto joined = (*broker)->join(options, [&] { changed.release(); });
  if (!joined) return 2;
  while (!(*joined)->view().joined) changed.acquire();
  std::puts("joined");
  std::fflush(stdout);
  for (;;) changed.acquire();
}

}  // namespace

kafka_service& kafka_service::shared() {
  if (!shared_service()) shared_service() = std::make_unique<kafka_service>(1);
  return *shared_service();
}

std::optional<std::string> kafka_service::end_shared() {
  std::optional<std::string> reason = shared_service() ? shared_service()->why_not() : std::nullopt;
  shared_service().reset();
  return reason;
}

}  // namespace evermill::tests

int main(int argc, char** argv) {
  using namespace evermill::tests;
  if (argc == 6 && std::string_view(argv[1]) == "--member") return be_member(argv[2], argv[3], argv[4], argv[5]);
  testing::InitGoogleTest(&argc, argv);
  testing::AddGlobalTestEnvironment(new shared_service_environment);
  const int status = RUN_ALL_TESTS();
  if (status != 0 || !shared_service_environment::why_not()) return status;
  std::cerr << "SKIPPED: the tests that need Kafka did not run: " << *shared_service_environment::why_not() << '\n';
  return 77;
}
