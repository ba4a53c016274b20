// What Prometheus's client libraries tell of every process, under the names that they have agreed on (`process_…`).
#pragma once

#include "base/metrics.hpp"

namespace evermill::metrics {

/// Of this process, from /proc: resident and virtual memory, processor time, open file descriptors and their limit, when it
/// started, threads. What can't be read is left out. For a registry's `collect`.
void collect_process(scrape& into);

}  // namespace evermill::metrics
