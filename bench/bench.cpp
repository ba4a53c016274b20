#include "evermill/bench.hpp"

#include <unistd.h>

#include <functional>
#include <iostream>

#include "bench/measurements.hpp"

namespace evermill {
namespace bench {

engine_options engine_options_of(const bench_options& options, const std::filesystem::path& directory) {
  return {.data_directory = directory,
          .partitions = options.partitions,
          .queue = options.queue,
          .publish = {.to = options.publish},
          .native_threads = options.native_threads,
          .sync = options.sync};
}

namespace {

using measurement = std::function<figures(const bench_options&, const std::filesystem::path&)>;

/// Nothing for an unknown workload.
measurement find_measurement(const std::string& workload) {
  using namespace std::placeholders;
  if (is_throughput(workload)) return measure_throughput;
  if (workload == "sleepers") return measure_sleepers;
  if (workload == "lists") return measure_lists;
  if (workload == "history") return measure_long_history;
  if (workload == "recovery") return std::bind(measure_recovery, _1, _2, false);
  if (workload == "recovery-asleep") return std::bind(measure_recovery, _1, _2, true);
  if (workload == "takeover") return std::bind(measure_takeover, _1, _2, takeover_kind::warm);
  if (workload == "takeover-cold") return std::bind(measure_takeover, _1, _2, takeover_kind::cold);
  if (workload == "move") return std::bind(measure_takeover, _1, _2, takeover_kind::move);
  if (workload == "http-start") return measure_http_starts;
  if (workload == "http-followers") return measure_http_followers;
  if (workload == "api-start") return measure_api_starts;
  if (workload == "api-one") return measure_api_one;
  if (workload == "server-worker") return measure_server_worker;
  return {};
}

/// The directory that was asked for, or one that goes with the object.
class place {
 public:
  explicit place(const std::filesystem::path& asked)
      : own_(asked.empty()),
        path_(own_ ? std::filesystem::temp_directory_path() / ("evermill-bench-" + std::to_string(::getpid())) : asked) {}
  ~place() {
    std::error_code ignored;
    if (own_) std::filesystem::remove_all(path_, ignored);
  }
  place(const place&) = delete;
  place& operator=(const place&) = delete;
  const std::filesystem::path& path() const { return path_; }

 private:
  const bool own_;
  const std::filesystem::path path_;
};

}  // namespace
}  // namespace bench

int run_bench(const bench_options& options, std::ostream& out, std::ostream& err) {
  const bench::measurement measure = bench::find_measurement(options.workload);
  if (!measure || options.instances == 0) {
    err << "evermill: give --workload " << bench_workloads << ", and at least one instance\n";
    return 2;
  }
  const bench::place directory(options.data_directory);
  const bench::figures figures = measure(options, directory.path());
  if (options.json) {
    out << figures.dump() << "\n";
    return 0;
  }
  for (const auto& [name, value] : figures.items()) {
    out << name << std::string(name.size() < 28 ? 28 - name.size() : 1, ' ') << value << "\n";
  }
  return 0;
}

}  // namespace evermill
