// Open human tasks: their ids, what a store says about them, and whether an answer fits the form.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/ids.hpp"
#include "evermill/engine.hpp"
#include "storage/key_value_store.hpp"

namespace evermill {

/// What a task id names: "WORKFLOW-ID/RUN.EVENT".
struct human_task_place {
  std::string workflow_id;
  run_number run;
  event_seq created;
};

/// Throws engine_error (invalid_argument) where it is no task id.
human_task_place parse_human_task_id(std::string_view task_id);
std::string human_task_id(const human_task_place& task);

namespace inspection {

/// Up to `limit` open tasks of the partition after the one of (`run`, `created`) that pass the filter. Throws engine_error
/// (storage).
std::vector<human_task_summary> human_tasks(const storage::key_value_store& store, partition_id partition,
                                            const human_task_filter& filter, run_number run, event_seq created,
                                            std::size_t limit);
/// Throws engine_error (storage, not_found, closed).
human_task_description describe_human_task(const storage::key_value_store& store, partition_id partition,
                                           const human_task_place& task);

}  // namespace inspection

/// Throws engine_error (invalid_argument) and says where the answer does not fit the JSON Schema; an empty one fits all.
void check_answer(const std::string& form_schema, const payload& answer);

}  // namespace evermill
