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

/// `options.instances` of five types, three fifths asleep, the others ended: the first page of filtered lists, and a count.
figures measure_lists(const bench_options& options, const std::filesystem::path& directory);

/// One instance with `options.instances` steps: what a step costs at the beginning and at the end, and its replay.
figures measure_long_history(const bench_options& options, const std::filesystem::path& directory);

/// A process with `options.instances` instances is ended with SIGKILL: how long until the next one goes on with them.
/// Forks: no engine may be open in this process.
figures measure_recovery(const bench_options& options, const std::filesystem::path& directory, bool asleep);

/// How another node's partitions come to this one: it is killed while this one follows them, or does not; or it is told to stop.
enum class takeover_kind { warm, cold, move };
/// With `options.instances` live instances in them. Forks, as measure_recovery.
figures measure_takeover(const bench_options& options, const std::filesystem::path& directory, takeover_kind kind);

/// `options.instances` starts over HTTP, by a client process with 64 connections. Forks, as measure_recovery.
figures measure_http_starts(const bench_options& options, const std::filesystem::path& directory);
/// As many streams of events over HTTP, each of an execution that sleeps: memory for each. Forks, as measure_recovery.
figures measure_http_followers(const bench_options& options, const std::filesystem::path& directory);

/// `options.instances` starts over gRPC, by a client process that sends many in each request. Forks, as measure_recovery.
figures measure_api_starts(const bench_options& options, const std::filesystem::path& directory);
/// As many executions with one activity over gRPC, one after the other: from the start to the result. Forks, as measure_recovery.
figures measure_api_one(const bench_options& options, const std::filesystem::path& directory);
/// As many executions with ten activities each, in turn, that a worker process runs over one stream. Forks, as measure_recovery.
figures measure_server_worker(const bench_options& options, const std::filesystem::path& directory);

}  // namespace evermill::bench
