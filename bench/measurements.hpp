// The workloads of `evermill bench`. Each opens an engine in `directory`, measures, and returns its figures.
#pragma once

#include <filesystem>
#include <nlohmann/json.hpp>
#include <string_view>

#include "evermill/bench.hpp"
#include "evermill/engine.hpp"

namespace evermill::bench {

using figures = nlohmann::ordered_json;

/// What `options` ask of the engine.
engine_options engine_options_of(const bench_options& options, const std::filesystem::path& directory);

/// steps10, start, fan100, chain40; nothing for another name.
bool is_throughput(std::string_view workload);
figures measure_throughput(const bench_options& options, const std::filesystem::path& directory);

/// `options.instances` that sleep: memory and disk for each.
figures measure_sleepers(const bench_options& options, const std::filesystem::path& directory);

/// One instance with `options.instances` steps: what a step costs at the beginning and at the end, and its replay.
figures measure_long_history(const bench_options& options, const std::filesystem::path& directory);

/// A process with `options.instances` instances is ended with SIGKILL: how long until the next one goes on with them.
/// Forks: no engine may be open in this process.
figures measure_recovery(const bench_options& options, const std::filesystem::path& directory, bool asleep);

}  // namespace evermill::bench
