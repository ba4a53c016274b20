#include "tracing/otlp_exporter.hpp"

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <unistd.h>

#include <stdexcept>

namespace evermill::tracing::tests {
namespace {

using namespace std::chrono_literals;

/// Takes connections, and never says a word.
class silent_listener {
 public:
  silent_listener() : descriptor_(::socket(AF_INET, SOCK_STREAM, 0)) {
    sockaddr_in where{};
    where.sin_family = AF_INET;
    where.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof where;
    if (::bind(descriptor_, reinterpret_cast<const sockaddr*>(&where), size) != 0 || ::listen(descriptor_, 64) != 0 ||
        ::getsockname(descriptor_, reinterpret_cast<sockaddr*>(&where), &size) != 0) {
      throw std::runtime_error("no listener");
    }
    port_ = ntohs(where.sin_port);
  }
  ~silent_listener() { ::close(descriptor_); }
  silent_listener(const silent_listener&) = delete;
  silent_listener& operator=(const silent_listener&) = delete;
  std::string url() const { return "http://127.0.0.1:" + std::to_string(port_) + "/v1/traces"; }

 private:
  const int descriptor_;
  int port_ = 0;
};

std::vector<span> spans(std::size_t count) { return std::vector<span>(count); }

std::string shown_by(const otlp_exporter& exporter) {
  metrics::scrape into;
  exporter.collect(into);
  return into.text();
}

TEST(OtlpExporter, RefusesWhatCanNotBe) {
  EXPECT_THROW(otlp_exporter({.url = "collector:4318"}, log()), std::invalid_argument);
  EXPECT_THROW(otlp_exporter({.url = ""}, log()), std::invalid_argument);
  EXPECT_THROW(otlp_exporter({.url = "http://localhost:4318/v1/traces", .sample_ratio = 1.5}, log()), std::invalid_argument);
}

TEST(OtlpExporter, KeepsWhatThereIsRoomForAndCountsTheRest) {
  const silent_listener nobody;
  otlp_exporter exporter({.url = nobody.url(), .queue_limit = 10, .batch = 100, .gather = 1h, .flush_limit = 0ms}, log());
  exporter.offer(spans(7));
  exporter.offer(spans(7));
  exporter.offer(spans(7));
  const std::string shown = shown_by(exporter);
  EXPECT_NE(shown.find("evermill_trace_spans_queued 10\n"), std::string::npos) << shown;
  EXPECT_NE(shown.find("evermill_trace_spans_dropped_total{reason=\"queue_full\"} 11\n"), std::string::npos) << shown;
}

// Without its limit it would wait for ever; so would this test.
TEST(OtlpExporter, EndsAlthoughTheCollectorDoesNotAnswer) {
  const silent_listener nobody;
  otlp_exporter exporter({.url = nobody.url(), .batch = 2, .timeout = 24h, .flush_limit = 1ms}, log());
  exporter.offer(spans(5));
}

TEST(OtlpExporter, EndsAlthoughItWaitsToTryAgain) {
  otlp_exporter exporter({.url = "http://127.0.0.1:1/v1/traces", .gather = 0ms, .first_retry = 24h, .longest_retry = 24h, .flush_limit = 1ms},
                         log());
  exporter.offer(spans(5));
  while (shown_by(exporter).find("evermill_trace_export_failures_total 1\n") == std::string::npos) std::this_thread::yield();
}

TEST(OtlpExporter, SamplesTheSamePartOfTracesWhoeverAsks) {
  const otlp_exporter none({.url = "http://localhost/", .sample_ratio = 0}, log());
  const otlp_exporter half({.url = "http://localhost/", .sample_ratio = 0.5}, log());
  const otlp_exporter all({.url = "http://localhost/", .sample_ratio = 1}, log());
  std::size_t sampled = 0;
  for (std::uint64_t n = 0; n < 10'000; ++n) {
    const trace_context root{1, span_id_of("run", "trace", n), 0, 0};
    EXPECT_FALSE(none.samples(root));
    EXPECT_TRUE(all.samples(root));
    EXPECT_EQ(half.samples(root), half.samples(root));
    if (half.samples(root)) ++sampled;
  }
  EXPECT_GT(sampled, 4'500u);
  EXPECT_LT(sampled, 5'500u);
  EXPECT_TRUE(all.samples({~0ull, ~0ull, 0, 0}));
}

}  // namespace
}  // namespace evermill::tracing::tests
