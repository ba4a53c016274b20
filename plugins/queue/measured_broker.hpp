// A broker that measures what another one is asked to write, and remembers whether it answers.
#pragma once

#include <atomic>
#include <memory>

#include "base/clock.hpp"
#include "base/metrics.hpp"
#include "evermill/broker.hpp"

namespace evermill::queue {

/// Thread-safe, without locks.
class broker_metrics {
 public:
  /// Of one stream.
  struct of_stream {
    metrics::histogram duration;  ///< seconds until an append is answered, well or not
    metrics::counter records;     ///< that were answered well
    metrics::counter bytes;       ///< of their keys and values
    metrics::counter failures;    ///< appends that were refused, or of which nobody knows
  };
  metrics::by_label<of_stream> streams;

  void collect(metrics::scrape& into) const;
};

/// `real` with all that it does; `counts` and `time` outlive the broker.
std::unique_ptr<broker> measure(std::unique_ptr<broker> real, broker_metrics& counts, clock& time);

}  // namespace evermill::queue
