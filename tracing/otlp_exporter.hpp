// Sends spans to a collector: OTLP over HTTP, as JSON.
#pragma once

#include <chrono>
#include <condition_variable>
#include <cstddef>
#include <deque>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "base/log.hpp"
#include "base/metrics.hpp"
#include "base/span.hpp"
#include "tracing/otlp_json.hpp"

namespace evermill::tracing {

struct otlp_options {
  std::string url;  ///< where batches are posted: https://collector:4318/v1/traces
  std::vector<std::pair<std::string, std::string>> headers;  ///< may be secret: never logged
  otlp_resource resource;
  double sample_ratio = 1;         ///< of traces about which no caller has decided: 0 to 1
  std::size_t queue_limit = 8192;  ///< spans that wait, at most; further ones are dropped
  std::size_t batch = 512;
  std::chrono::milliseconds gather{1'000};   ///< a span waits so long for others
  std::chrono::milliseconds timeout{10'000}; ///< of one request
  std::chrono::milliseconds first_retry{1'000};
  std::chrono::milliseconds longest_retry{30'000};
  std::chrono::milliseconds flush_limit{5'000};  ///< how long the destructor tries to send what is left
};

/// Thread-safe. One thread sends; whoever has a span takes a lock for a moment, and never waits for the collector.
class otlp_exporter final : public span_sink {
 public:
  /// Throws std::invalid_argument for a URL that is none of http or https, or a ratio that is none.
  otlp_exporter(otlp_options options, log lines);
  /// Sends what is left; what can't be sent within flush_limit is dropped.
  ~otlp_exporter() override;

  bool samples(const trace_context& root) const noexcept override;
  void offer(std::vector<span>&& spans) override;

  void collect(metrics::scrape& into) const;

 private:
  class sender;

  bool wait_for_batch(std::vector<span>& batch);
  bool wait_to_retry(std::chrono::milliseconds time);
  void work();

  const otlp_options options_;
  const log log_;
  const std::uint64_t sampled_below_;
  metrics::counter sent_;
  metrics::counter failures_;
  metrics::counter dropped_full_;
  metrics::counter dropped_rejected_;
  metrics::counter dropped_stopping_;
  mutable std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<span> waiting_;
  bool stopping_ = false;
  bool finished_ = false;  ///< nothing is sent any more
  std::chrono::steady_clock::time_point stop_by_{};
  const std::unique_ptr<sender> sender_;
  std::thread thread_;  ///< last: it uses the rest
};

}  // namespace evermill::tracing
