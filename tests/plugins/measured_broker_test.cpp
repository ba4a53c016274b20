#include "plugins/queue/measured_broker.hpp"

#include <gmock/gmock.h>

#include "broker_conformance.hpp"
#include "plugins/queue/memory/memory_broker.hpp"
#include "tests/support/manual_clock.hpp"

namespace evermill::tests {
namespace {

using namespace std::chrono_literals;
using testing::HasSubstr;

/// It is a broker like the one that it measures.
broker_factory measured_factory() {
  static const auto server = queue::make_memory_server();
  static queue::broker_metrics counts;
  static manual_clock time;
  broker_factory factory{.name = "measured"};
  factory.make = [](const std::string&, const broker_settings& settings) {
    queue::memory_broker_options options;
    options.max_pending_bytes = settings.max_pending_bytes.value_or(options.max_pending_bytes);
    return queue::measure(queue::make_memory_broker(server, options), counts, time);
  };
  factory.stop_server = [] { server->set_available(false); };
  factory.start_server = [] { server->set_available(true); };
  factory.lose_process = [](const std::string&, const queue::membership_options& joined) {
    ASSERT_TRUE(server->expel(joined.group, joined.member_id));
  };
  factory.comes_back = false;
  factory.buffered_bytes = [](const queue::stream_reader&) { return 0; };
  return factory;
}

INSTANTIATE_TEST_SUITE_P(Measured, broker_conformance, testing::Values(measured_factory()), broker_factory::name_of);

TEST(MeasuredBroker, CountsAndTimesWhatIsAppended) {
  const auto server = queue::make_memory_server();
  manual_clock time;
  queue::broker_metrics counts;
  const auto broker = queue::measure(queue::make_memory_broker(server), counts, time);
  ASSERT_TRUE(broker->ensure_stream("s", 1));
  int answers = 0;
  const auto done = [&](const queue::broker_result<queue::position>& at) { answers += at ? 1 : 0; };
  ASSERT_TRUE(broker->append({"s", 0}, {{"key", "value"}, {"", "another"}}, done));
  EXPECT_EQ(answers, 1);
  ASSERT_TRUE(broker->append({"s", 0}, {{"", std::string(broker->max_record_bytes() + 1, 'x')}}, done).error().code ==
              queue::broker_errc::too_large);
  static_cast<void>(broker->append({"none", 0}, {{"", "x"}}, done));
  EXPECT_EQ(answers, 1);
  metrics::scrape all;
  counts.collect(all);
  const std::string text = all.text();
  EXPECT_THAT(text, HasSubstr("evermill_broker_appended_records_total{stream=\"s\"} 2\n"));
  EXPECT_THAT(text, HasSubstr("evermill_broker_appended_bytes_total{stream=\"s\"} 15\n"));
  EXPECT_THAT(text, HasSubstr("evermill_broker_append_failures_total{stream=\"s\"} 1\n"));
  EXPECT_THAT(text, HasSubstr("evermill_broker_append_failures_total{stream=\"none\"} 1\n"));
  EXPECT_THAT(text, HasSubstr("evermill_broker_append_duration_seconds_count{stream=\"s\"} 1\n"));
}

}  // namespace
}  // namespace evermill::tests
