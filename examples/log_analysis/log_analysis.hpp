// A durable analysis of this machine's own files: its package manager's logs and its packages' documentation.
//
// The workflow lists the files, reads each in an activity of its own (many at once, tried again when they fail), merges
// the counts of each group in a child workflow, waits for somebody's approval, and publishes a report. Kill it
// anywhere: the same command goes on where it was, and no finished activity is done again.
#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

#include "evermill/context.hpp"
#include "evermill/registry.hpp"

namespace log_analysis {  // not an unnamed one: clang warns of functions there that nlohmann's macro makes in vain

using namespace std::chrono_literals;
using evermill::context;
using evermill::task;

struct request {
  std::vector<std::string> roots = {"/var/log", "/usr/share/doc"};
  int max_files = 800;                ///< an equal share of them from each root
  bool auto_approve = true;           ///< false: waits for the signal "approve"
  int pause_ms = 0;                   ///< spent on each file, so that there is time to kill it
  int fail_first_percent = 10;        ///< of the files fail at their first attempt, to show retries
  std::string report = "report.json";
  std::string effects;                ///< where each activity that did its work adds a line; "": nowhere
};
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE_WITH_DEFAULT(request, roots, max_files, auto_approve, pause_ms, fail_first_percent,
                                                report, effects)

struct file_job {
  std::string path;
  int pause_ms = 0;
  int fail_first_percent = 0;
  std::string effects;
};
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE_WITH_DEFAULT(file_job, path, pause_ms, fail_first_percent, effects)

struct counts {
  std::int64_t files = 0;
  std::int64_t lines = 0;
  std::int64_t bytes = 0;
  std::int64_t errors = 0;  ///< lines that speak of an error or a failure
};
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE_WITH_DEFAULT(counts, files, lines, bytes, errors)

struct publication {
  std::string path;
  std::map<std::string, counts> groups;
  std::string approved_by;
  std::string effects;
};
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE_WITH_DEFAULT(publication, path, groups, approved_by, effects)

struct approval {
  std::string by;
};
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE_WITH_DEFAULT(approval, by)

constexpr evermill::retry_policy soon{.max_attempts = 5, .initial_interval = 50ms};
inline constexpr evermill::activity<std::vector<std::string>(request)> list_files{.name = "list_files"};
inline constexpr evermill::activity<counts(file_job)> analyse_file{.name = "analyse_file",
                                                                   .options = {.start_to_close = 30s, .retry = soon}};
inline constexpr evermill::activity<std::string(publication)> publish{.name = "publish", .options = {.retry = soon}};
inline constexpr evermill::signal<approval> approve{.name = "approve"};

/// Without an input the defaults of `request` are used.
task<std::map<std::string, counts>> analyse_logs(context ctx, std::optional<request> given);
/// Reads one group of files and adds up what is in them. A file that can't be read is left out.
task<counts> analyse_group(context ctx, std::vector<file_job> jobs);

/// All of it: workflows and activities.
evermill::registry definitions();

}  // namespace log_analysis
