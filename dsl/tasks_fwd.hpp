// Lists of tasks, for what tasks are made of.
#pragma once

#include <memory>
#include <vector>

namespace evermill::dsl {

struct task;
using task_list = std::vector<task>;
/// Where the list is part of something that is part of a task.
using task_list_pointer = std::shared_ptr<const task_list>;

}  // namespace evermill::dsl
