// The work with side effects: each activity's name, types and how it is tried again.
#pragma once

#include <evermill/handles.hpp>
#include <evermill/registry.hpp>
#include <string>
#include <vector>

#include "model.hpp"

namespace log_analysis {

inline constexpr evermill::activity_options patient{
    .start_to_close = std::chrono::minutes(2),
    .retry = {.max_attempts = 5, .initial_interval = std::chrono::milliseconds(100)}};

/// Makes the output folder and gives its absolute path, so that a resumed run finds it from any working directory.
inline constexpr evermill::activity<std::string(std::string)> prepare_output{.name = "prepare_output",
                                                                             .options = patient};
inline constexpr evermill::activity<std::vector<std::string>(list_request)> list_files{.name = "list_files",
                                                                                       .options = patient};
/// Fails with Unreadable (not tried again) where the file can't be read.
inline constexpr evermill::activity<tally(file_job)> analyse_file{.name = "analyse_file", .options = patient};
inline constexpr evermill::activity<tally(group_parts)> merge_tallies{.name = "merge_tallies", .options = patient};
/// Writes report.json and report.md; gives the path of the first.
inline constexpr evermill::activity<std::string(publish_request)> publish{.name = "publish", .options = patient};

void add_activities(evermill::registry& to);

}  // namespace log_analysis
