#include <map>
#include <memory>
#include <string>
#include <vector>

#include "broker_conformance.hpp"
#include "plugins/queue/redis/reader.hpp"
#include "plugins/queue/redis/redis_broker.hpp"
#include "tests/support/redis_server.hpp"
#include "tcp_proxy.hpp"
#include "tests/support/temporary_directory.hpp"

namespace evermill::tests {
namespace {

/// So many servers for all tests of a suite, started when the first test comes.
class servers {
 public:
  explicit servers(std::size_t count) {
    for (std::size_t i = 0; i < count; ++i) {
      all_.push_back(std::make_unique<redis_server>(directory_.path() / std::to_string(i)));
    }
  }

  void stop() {
    for (const auto& each : all_) each->kill();
  }
  void start() {
    for (const auto& each : all_) each->start();
  }
  std::unique_ptr<queue::broker> make(const std::string& process, const broker_settings& settings) {
    const bool can_be_lost = process == "lost";
    std::string hosts;
    for (const auto& each : all_) {
      if (!hosts.empty()) hosts += ",";
      if (can_be_lost) proxies_.push_back(std::make_unique<tcp_proxy>(each->port()));
      hosts += can_be_lost ? proxies_.back()->host() : each->host();
    }
    queue::redis_broker_options options;
    options.max_pending_bytes = settings.max_pending_bytes.value_or(options.max_pending_bytes);
    auto made = queue::make_redis_broker("redis://" + hosts + "/?timeout-ms=60000", options);
    EXPECT_TRUE(made.has_value()) << made.error().message;
    return made ? std::move(*made) : nullptr;
  }
  void lose() {
    for (const auto& each : proxies_) each->cut_off();
  }

 private:
  temporary_directory directory_;
  std::vector<std::unique_ptr<redis_server>> all_;
  std::vector<std::unique_ptr<tcp_proxy>> proxies_;
};

template <std::size_t count>
broker_factory redis_factory(std::string name) {
  const auto shared = []() -> servers& {
    static servers these(count);
    return these;
  };
  broker_factory factory;
  factory.name = std::move(name);
  factory.why_not = why_no_redis;
  factory.make = [shared](const std::string& process, const broker_settings& settings) {
    return shared().make(process, settings);
  };
  factory.stop_server = [shared] { shared().stop(); };
  factory.start_server = [shared] { shared().start(); };
  factory.lose_process = [shared](const std::string&, const queue::membership_options&) { shared().lose(); };
  factory.comes_back = false;  // its connection stays lost
  factory.buffered_bytes = queue::buffered_bytes;
  return factory;
}

INSTANTIATE_TEST_SUITE_P(Redis, broker_conformance,
                         testing::Values(redis_factory<1>("one_server"), redis_factory<3>("three_servers")),
                         broker_factory::name_of);

}  // namespace
}  // namespace evermill::tests
