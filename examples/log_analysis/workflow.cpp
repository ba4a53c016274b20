#include "workflow.hpp"

#include <algorithm>
#include <chrono>
#include <deque>
#include <evermill/exceptions.hpp>
#include <evermill/future.hpp>
#include <evermill/shell.hpp>
#include <utility>

#include "activities.hpp"

namespace log_analysis {

using evermill::context;
using evermill::future;
using evermill::task;

std::vector<file_group> debian_groups() {
  return {
      {"dpkg log", "dpkg_log", {"/var/log/dpkg.log", "/var/log/dpkg.log.*"}},
      {"apt history", "apt_history", {"/var/log/apt/history.log", "/var/log/apt/history.log.*"}},
      {"package database", "dpkg_status", {"/var/lib/dpkg/status"}},
      {"file lists", "file_list", {"/var/lib/dpkg/info/*.list", "/var/lib/dpkg/info/*.md5sums"}},
      {"changelogs", "changelog", {"/usr/share/doc/*/changelog*.gz"}},
      {"copyrights", "copyright", {"/usr/share/doc/*/copyright"}},
  };
}

namespace {

constexpr std::size_t merge_width = 50;  // tallies that one activity adds up

struct analysed_files {
  std::vector<tally> parts;
  std::vector<std::string> skipped;
};

task<std::vector<std::string>> find_files(context ctx, file_group group, analysis_request request) {
  list_request wanted{std::move(group), request.max_files_per_group, request.output_directory};
  std::vector<std::string> files = co_await ctx.call(list_files, wanted);
  co_return files;
}

/// At most `in_flight` files at once: the oldest is awaited before the next one is started.
task<analysed_files> analyse_files(context ctx, std::vector<std::string> paths, file_group group,
                                   analysis_request request) {
  analysed_files done;
  std::deque<std::pair<std::string, future<tally>>> running;
  std::size_t next = 0;
  while (next < paths.size() || !running.empty()) {
    while (next < paths.size() && running.size() < std::max<std::uint64_t>(request.in_flight, 1)) {
      const std::string& path = paths[next++];
      const file_job job{path,
                         group.parser,
                         request.max_bytes_per_file,
                         request.pace_ms,
                         request.chaos_percent,
                         request.output_directory};
      running.emplace_back(path, ctx.call(analyse_file, job));
    }
    auto [path, oldest] = std::move(running.front());
    running.pop_front();
    try {
      tally part = co_await std::move(oldest);
      done.parts.push_back(std::move(part));
    } catch (const evermill::activity_error& error) {
      done.skipped.push_back(path + ": " + error.why().message);  // named in the report, not the end of it
    }
  }
  co_return done;
}

task<report> analyse_groups(context ctx, analysis_request request) {
  report result;
  std::vector<future<group_summary>> summaries;
  for (const file_group& group : request.groups) {
    std::vector<std::string> paths = co_await find_files(ctx, group, request);
    analysed_files done = co_await analyse_files(ctx, std::move(paths), group, request);
    result.skipped.insert(result.skipped.end(), done.skipped.begin(), done.skipped.end());
    const group_parts parts{group.name, std::move(done.parts), request.output_directory};
    summaries.push_back(ctx.start(summarise_group, parts));  // while the next group is read
  }
  result.groups = co_await evermill::all(std::move(summaries));
  for (const group_summary& group : result.groups) add(result.total, group.total);
  trim(result.total);
  co_return result;
}

/// Who approved; nothing when nobody did in time.
task<std::optional<std::string>> wait_for_approval(context ctx, analysis_request request) {
  if (request.auto_approve) co_return "auto_approve";
  ctx.log("waiting for the signal \"approve\"");
  const std::optional<approval_note> note =
      co_await ctx.wait(approve, std::chrono::seconds(request.approval_timeout_seconds));
  if (!note) co_return std::nullopt;
  co_return note->by;
}

task<std::string> sha256_of(context ctx, std::string path) {
  evermill::shell_command command;
  command.argv = {"sha256sum", "--", path};
  const evermill::shell_result done = co_await ctx.call(evermill::shell.with(patient), command);
  co_return done.stdout_text.substr(0, done.stdout_text.find(' '));
}

analysis_result describe(const report& what) {
  analysis_result result;
  result.files = what.total.files;
  result.bytes = what.total.bytes;
  result.lines = what.total.lines;
  result.anomalies = what.total.anomaly_count;
  result.skipped = what.skipped.size();
  result.top_packages = most_frequent(what.total.packages, 10);
  return result;
}

}  // namespace

task<group_summary> summarise_group(context ctx, group_parts group) {
  // A few wide steps: each round adds up batches at the same time, until one tally is left.
  std::vector<tally> parts = std::move(group.parts);
  do {
    std::vector<future<tally>> merging;
    for (std::size_t from = 0; from < parts.size() || merging.empty(); from += merge_width) {
      const std::size_t to = std::min(from + merge_width, parts.size());
      const group_parts batch{group.name, {parts.begin() + from, parts.begin() + to}, group.output_directory};
      merging.push_back(ctx.call(merge_tallies, batch));
    }
    parts = co_await evermill::all(std::move(merging));
  } while (parts.size() > 1);
  group_summary summary{group.name, std::move(parts.front())};
  co_return summary;
}

task<analysis_result> analyse_logs(context ctx, std::optional<analysis_request> given) {
  analysis_request request = given.value_or(analysis_request{});
  request.output_directory = co_await ctx.call(prepare_output, request.output_directory);
  const report found = co_await analyse_groups(ctx, request);
  analysis_result result = describe(found);

  const std::optional<std::string> approved_by = co_await wait_for_approval(ctx, request);
  if (!approved_by) {
    result.status = "not approved";
    co_return result;
  }
  const publish_request publication{found, request.output_directory};
  result.report_path = co_await ctx.call(publish, publication);
  result.report_sha256 = co_await sha256_of(ctx, result.report_path);
  result.approved_by = *approved_by;
  result.status = "published";
  co_return result;
}

void add_workflows(evermill::registry& to) {
  to.add("analyse_logs", analyse_logs);
  to.add("summarise_group", summarise_group);
}

}  // namespace log_analysis
