// Reads a large file in one long activity that goes on where it was, however often its process is killed.
#pragma once

#include <chrono>
#include <cstdint>
#include <nlohmann/json.hpp>
#include <string>

#include "evermill/context.hpp"
#include "evermill/registry.hpp"

namespace heartbeat_resume {

using namespace std::chrono_literals;

struct import_job {
  std::string file;
  std::int64_t chunk_bytes = 1 << 20;
  int pause_ms = 0;         ///< after each chunk, to be able to watch it
  std::string chunks_file;  ///< "": none; otherwise gets a line for each chunk that is read: its offset and the attempt
};
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE_WITH_DEFAULT(import_job, file, chunk_bytes, pause_ms, chunks_file)

/// How far it has come. What the heartbeats say, and what the next attempt begins with.
struct progress {
  std::int64_t bytes = 0;
  std::int64_t lines = 0;
};
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE(progress, bytes, lines)

/// An attempt that says nothing for a second is given up: then, as after a crash, the next one goes on at the last chunk
/// that was told.
inline constexpr evermill::activity<progress(import_job)> import_file{
    .name = "import_file",
    .options = {.retry = {.initial_interval = 100ms, .non_retryable = {"CannotRead"}}, .heartbeat = 1s}};

evermill::task<progress> import(evermill::context ctx, import_job job);

/// One attempt. Throws application_error CannotRead.
progress read_chunks(const evermill::activity_context& about, const import_job& job);

evermill::registry definitions();

}  // namespace heartbeat_resume
