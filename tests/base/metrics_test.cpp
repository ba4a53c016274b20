#include "base/metrics.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <thread>
#include <vector>

#include "base/process_metrics.hpp"

namespace evermill::metrics {
namespace {

using testing::HasSubstr;
using testing::Not;

constexpr description requests{"test_requests_total", kind::counter, "Requests."};
constexpr description size{"test_size_bytes", kind::gauge, "A size."};
constexpr description latency{"test_latency_seconds", kind::histogram, "How long it takes."};
constexpr std::array<double, 3> three_bounds{0.1, 1, 2.5};

void show(const by_label<counter>& counts, scrape& into) {
  counts.for_each([&](std::string_view name, const counter& value) {
    into.add(requests, {{"name", std::string(name)}}, value);
  });
}

TEST(Metrics, AScrapeIsPrometheusText) {
  counter ok, failed;
  ok.add(3);
  failed.add();
  gauge bytes;
  bytes.set(10);
  bytes.add(-12);
  scrape all;
  all.add(size, {}, bytes);
  all.add(requests, {{"code", "200"}, {"method", "GET"}}, ok);
  all.add(requests, {{"code", "500"}, {"method", "GET"}}, failed);
  EXPECT_EQ(all.text(),
            "# HELP test_requests_total Requests.\n"
            "# TYPE test_requests_total counter\n"
            "test_requests_total{code=\"200\",method=\"GET\"} 3\n"
            "test_requests_total{code=\"500\",method=\"GET\"} 1\n"
            "# HELP test_size_bytes A size.\n"
            "# TYPE test_size_bytes gauge\n"
            "test_size_bytes -2\n");
}

TEST(Metrics, ALabelMayHoldAnyText) {
  scrape all;
  all.add(size, {{"name", "a\\b\"c\nd"}, {"other", "\xff\xc3\xa9"}}, 1.0);
  EXPECT_THAT(all.text(), HasSubstr("{name=\"a\\\\b\\\"c\\nd\",other=\"\xef\xbf\xbd\xc3\xa9\"} 1\n"));
}

TEST(Metrics, AHelpMayHoldAnyText) {
  scrape all;
  all.describe({"test_help", kind::gauge, "back\\slash, \"quotes\"\nand a line"});
  EXPECT_EQ(all.text(), "# HELP test_help back\\\\slash, \"quotes\"\\nand a line\n# TYPE test_help gauge\n");
}

TEST(Metrics, NumbersReadBackAsTheyWere) {
  scrape all;
  all.add(size, {{"n", "fraction"}}, 0.1);
  all.add(size, {{"n", "large"}}, std::uint64_t{18'446'744'073'709'551'615u});
  all.add(size, {{"n", "infinite"}}, std::numeric_limits<double>::infinity());
  all.add(size, {{"n", "below"}}, -std::numeric_limits<double>::infinity());
  all.add(size, {{"n", "none"}}, std::nan(""));
  const std::string text = all.text();
  EXPECT_THAT(text, HasSubstr("\"fraction\"} 0.1\n"));
  EXPECT_THAT(text, HasSubstr("\"large\"} 18446744073709551615\n"));
  EXPECT_THAT(text, HasSubstr("\"infinite\"} +Inf\n"));
  EXPECT_THAT(text, HasSubstr("\"below\"} -Inf\n"));
  EXPECT_THAT(text, HasSubstr("\"none\"} NaN\n"));
}

TEST(Metrics, AHistogramsBucketsHoldWhatDoesNotExceedThem) {
  histogram times(three_bounds);
  for (const double each : {0.05, 0.1, 0.11, 1.0, 2.5, 2.6, 100.0}) times.observe(each);
  scrape all;
  all.add(latency, {{"partition", "3"}}, times);
  EXPECT_EQ(all.text(),
            "# HELP test_latency_seconds How long it takes.\n"
            "# TYPE test_latency_seconds histogram\n"
            "test_latency_seconds_bucket{partition=\"3\",le=\"0.1\"} 2\n"
            "test_latency_seconds_bucket{partition=\"3\",le=\"1\"} 4\n"
            "test_latency_seconds_bucket{partition=\"3\",le=\"2.5\"} 5\n"
            "test_latency_seconds_bucket{partition=\"3\",le=\"+Inf\"} 7\n"
            "test_latency_seconds_sum{partition=\"3\"} 106.36\n"
            "test_latency_seconds_count{partition=\"3\"} 7\n");
}

TEST(Metrics, AHistogramWithoutLabels) {
  histogram times(three_bounds);
  scrape all;
  all.add(latency, {}, times);
  EXPECT_THAT(all.text(), HasSubstr("test_latency_seconds_bucket{le=\"+Inf\"} 0\ntest_latency_seconds_sum 0\n"));
}

TEST(Metrics, NothingIsLostWhereManyCountAtOnce) {
  constexpr int threads = 4;
  constexpr int each = 20'000;
  counter counted;
  gauge balance;
  histogram times(three_bounds);
  by_label<counter> labelled;
  std::vector<std::thread> running;
  for (int n = 0; n < threads; ++n) {
    running.emplace_back([&] {
      for (int i = 0; i < each; ++i) {
        counted.add();
        balance.add(i % 2 == 0 ? 1 : -1);
        times.observe(i % 4);
        labelled[std::to_string(i % 50)].add();
      }
    });
  }
  for (int i = 0; i < 100; ++i) {
    scrape meanwhile;
    meanwhile.add(latency, {}, times);
    show(labelled, meanwhile);
  }
  for (std::thread& one : running) one.join();
  EXPECT_EQ(counted.value(), std::uint64_t{threads} * each);
  EXPECT_EQ(balance.value(), 0);
  EXPECT_EQ(times.read().cumulative, (std::vector<std::uint64_t>{20'000, 40'000, 60'000, 80'000}));
  EXPECT_EQ(times.read().sum, 120'000.0);
  std::size_t values = 0;
  labelled.for_each([&](std::string_view, const counter& value) {
    ++values;
    EXPECT_EQ(value.value(), 1'600u);
  });
  EXPECT_EQ(values, 50u);
}

TEST(Metrics, ALabelWithTooManyValuesCostsNoMore) {
  by_label<counter> labelled;
  for (int i = 0; i < 1'000; ++i) labelled["queue " + std::to_string(i)].add();
  labelled["queue 7"].add();
  std::map<std::string, std::uint64_t> seen;
  labelled.for_each([&](std::string_view value, const counter& count) { seen[std::string(value)] = count.value(); });
  EXPECT_EQ(seen.size(), by_label<counter>::max_values + 1);
  EXPECT_EQ(seen["queue 7"], 2u);
  EXPECT_EQ(seen["(others)"], 900u);
}

TEST(Metrics, ValuesThatLookTheSameAreOneSeries) {
  by_label<counter> labelled;
  for (const char* name : {"(others)", "\xff", "\xfe", "q"}) labelled[name].add();
  scrape all;
  show(labelled, all);
  EXPECT_THAT(all.text(), HasSubstr("{name=\"q\"} 1\ntest_requests_total{name=\"(others)\"} 3\n"));
}

TEST(Metrics, ARegistryAsksItsCollectorsAtEachScrape) {
  registry all;
  double now = 1;
  auto first = all.collect([&](scrape& into) { into.add(size, {{"of", "first"}}, now); });
  {
    const auto second = all.collect([&](scrape& into) { into.add(size, {{"of", "second"}}, 7.0); });
    EXPECT_THAT(all.text(), HasSubstr("test_size_bytes{of=\"first\"} 1\ntest_size_bytes{of=\"second\"} 7\n"));
  }
  now = 2;
  EXPECT_THAT(all.text(), HasSubstr("{of=\"first\"} 2\n"));
  EXPECT_THAT(all.text(), Not(HasSubstr("second")));
  auto moved = std::move(first);
  first.reset();
  EXPECT_THAT(all.text(), HasSubstr("first"));
  moved.reset();
  EXPECT_EQ(all.text(), "");
}

TEST(MetricsDeathTest, WhatCanNotBeIsAMistake) {
  const auto shows = [](const description& of, const labels& which) {
    scrape all;
    all.add(of, which, 1.0);
    all.add(of, which, 1.0);
  };
  EXPECT_DEATH(shows(size, {{"a", "b"}}), "a series is shown once");
  EXPECT_DEATH(shows({"1st", kind::gauge, ""}, {}), "a metric's name");
  EXPECT_DEATH(shows(size, {{"le", "1"}}), "a label's name");
  EXPECT_DEATH(shows(size, {{"a:b", "1"}}), "a label's name");
  EXPECT_DEATH(shows(latency, {}), "no histogram");
}

TEST(ProcessMetrics, AreThoseOfThisProcess) {
  scrape all;
  collect_process(all);
  const std::string text = all.text();
  for (const char* name : {"process_resident_memory_bytes", "process_virtual_memory_bytes", "process_cpu_seconds_total",
                           "process_open_fds", "process_max_fds", "process_start_time_seconds", "process_threads"}) {
    const std::size_t at = text.find("\n" + std::string(name) + " ");
    ASSERT_NE(at, std::string::npos) << name << " in\n" << text;
    EXPECT_GE(std::stod(text.substr(at + std::string(name).size() + 2)), 0) << name;
  }
}

}  // namespace
}  // namespace evermill::metrics
