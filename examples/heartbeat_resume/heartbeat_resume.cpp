#include "heartbeat_resume.hpp"

#include <algorithm>
#include <condition_variable>
#include <fstream>
#include <mutex>
#include <vector>

namespace heartbeat_resume {
namespace {

void note(const import_job& job, std::int64_t offset, std::uint32_t attempt) {
  if (job.chunks_file.empty()) return;
  std::ofstream(job.chunks_file, std::ios::app) << offset << ' ' << attempt << '\n';
}

/// Ends early when the attempt is to stop.
void pause(const evermill::activity_context& about, int ms) {
  if (ms <= 0) return;
  std::mutex mutex;
  std::unique_lock lock(mutex);
  std::condition_variable_any nobody;
  nobody.wait_for(lock, about.stop_token(), std::chrono::milliseconds(ms), [] { return false; });
}

}  // namespace

evermill::task<progress> import(evermill::context ctx, import_job job) {
  const progress done = co_await ctx.call(import_file, job);
  ctx.log("imported " + job.file + ": " + std::to_string(done.lines) + " lines");
  co_return done;
}

progress read_chunks(const evermill::activity_context& about, const import_job& job) {
  progress done = about.heartbeat_details<progress>().value_or(progress{});
  std::ifstream in(job.file, std::ios::binary);
  if (!in.seekg(done.bytes)) throw evermill::application_error("CannotRead", "can't read \"" + job.file + "\"");
  std::vector<char> chunk(static_cast<std::size_t>(std::max<std::int64_t>(job.chunk_bytes, 1)));
  while (in) {
    if (about.stop_requested()) throw evermill::canceled_error();
    in.read(chunk.data(), static_cast<std::streamsize>(chunk.size()));
    if (in.gcount() == 0) break;
    note(job, done.bytes, about.attempt());
    done.bytes += in.gcount();
    done.lines += std::count(chunk.begin(), chunk.begin() + in.gcount(), '\n');
    about.heartbeat(done);
    pause(about, job.pause_ms);
  }
  return done;
}

evermill::registry definitions() {
  evermill::registry registry;
  registry.add("import", import);
  registry.add(import_file, read_chunks);
  return registry;
}

}  // namespace heartbeat_resume
