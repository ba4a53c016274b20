// What travels between the workflow, its activities and the command line: all of it is journaled as JSON.
#pragma once

#include <cstdint>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "tally.hpp"

namespace log_analysis {

/// Files that are read by one parser and summed up together.
struct file_group {
  std::string name;
  std::string parser;  ///< "dpkg_log", "apt_history", "dpkg_status", "file_list", "changelog" or "copyright"
  std::vector<std::string> globs;  ///< glob(7)
};
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE_WITH_DEFAULT(file_group, name, parser, globs)

std::vector<file_group> debian_groups();

/// The workflow's input. Every field may be left out.
struct analysis_request {
  std::vector<file_group> groups = debian_groups();
  std::uint64_t max_files_per_group = 150;
  std::uint64_t max_bytes_per_file = 8 << 20;  ///< of the unpacked text
  std::uint64_t in_flight = 16;                ///< files that are analysed at once
  std::uint64_t pace_ms = 0;                   ///< each activity takes at least this long: for watching it
  std::uint64_t chaos_percent = 5;             ///< of the files fail at the first attempt: for watching retries
  bool auto_approve = false;                   ///< publish without asking
  std::uint64_t approval_timeout_seconds = 600;
  std::string output_directory = "log-analysis-report";
};
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE_WITH_DEFAULT(analysis_request, groups, max_files_per_group, max_bytes_per_file,
                                                in_flight, pace_ms, chaos_percent, auto_approve,
                                                approval_timeout_seconds, output_directory)

struct list_request {
  file_group group;
  std::uint64_t max_files = 0;
  std::string output_directory;
};
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE_WITH_DEFAULT(list_request, group, max_files, output_directory)

struct file_job {
  std::string path;
  std::string parser;
  std::uint64_t max_bytes = 0;
  std::uint64_t pace_ms = 0;
  std::uint64_t chaos_percent = 0;
  std::string output_directory;
};
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE_WITH_DEFAULT(file_job, path, parser, max_bytes, pace_ms, chaos_percent,
                                                output_directory)

struct group_parts {
  std::string name;
  std::vector<tally> parts;
  std::string output_directory;
};
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE_WITH_DEFAULT(group_parts, name, parts, output_directory)

struct group_summary {
  std::string name;
  tally total;
};
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE_WITH_DEFAULT(group_summary, name, total)

struct report {
  std::vector<group_summary> groups;
  tally total;
  std::vector<std::string> skipped;  ///< files that could not be read, and why
};
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE_WITH_DEFAULT(report, groups, total, skipped)

struct publish_request {
  report what;
  std::string output_directory;
};
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE_WITH_DEFAULT(publish_request, what, output_directory)

/// The signal's content.
struct approval_note {
  std::string by;
};
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE_WITH_DEFAULT(approval_note, by)

/// The workflow's result.
struct analysis_result {
  std::string status;  ///< "published", or "not approved" when nobody approved in time
  std::string approved_by;
  std::uint64_t files = 0;
  std::uint64_t bytes = 0;
  std::uint64_t lines = 0;
  std::uint64_t anomalies = 0;
  std::uint64_t skipped = 0;
  std::vector<std::string> top_packages;
  std::string report_path;
  std::string report_sha256;
};
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE_WITH_DEFAULT(analysis_result, status, approved_by, files, bytes, lines, anomalies,
                                                skipped, top_packages, report_path, report_sha256)

}  // namespace log_analysis
