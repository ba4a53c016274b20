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
  void TearDown() override { kafka_service::end_shared(); }
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

void kafka_service::end_shared() { shared_service().reset(); }

}  // namespace evermill::tests

int main(int argc, char** argv) {
  using namespace evermill::tests;
  if (argc == 6 && std::string_view(argv[1]) == "--member") return be_member(argv[2], argv[3], argv[4], argv[5]);
  testing::InitGoogleTest(&argc, argv);
  testing::AddGlobalTestEnvironment(new shared_service_environment);
  const int status = RUN_ALL_TESTS();
  const auto& all = *testing::UnitTest::GetInstance();
  if (status != 0 || all.test_to_run_count() == 0 || all.skipped_test_count() < all.test_to_run_count()) return status;
  std::cerr << "SKIPPED: the tests that need Kafka did not run; each says why\n";
  return 77;
}
