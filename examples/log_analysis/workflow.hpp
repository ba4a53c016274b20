// Reads hundreds of files of this machine, sums them up, and publishes a report when somebody approves.
#pragma once

#include <evermill/context.hpp>
#include <evermill/handles.hpp>
#include <evermill/registry.hpp>
#include <evermill/task.hpp>
#include <optional>

#include "model.hpp"

namespace log_analysis {

inline constexpr evermill::signal<approval_note> approve{.name = "approve"};

evermill::task<analysis_result> analyse_logs(evermill::context ctx, std::optional<analysis_request> request);

/// Child of analyse_logs: one group's total.
evermill::task<group_summary> summarise_group(evermill::context ctx, group_parts group);

void add_workflows(evermill::registry& to);

}  // namespace log_analysis
