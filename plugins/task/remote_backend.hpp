// A backend whose attempts run in other processes, and may go on when this one ends.
#pragma once

#include <memory>
#include <vector>

#include "plugins/task/task_backend.hpp"

namespace evermill::tasks {

class remote_backend : public task_backend {
 public:
  /// Attempts that another process handed out, which had their partition before: they go on where they run, and are reported as lost
  /// where they run nowhere.
  virtual void adopt(std::vector<std::shared_ptr<const messages::ActivityTask>> tasks) = 0;
};

}  // namespace evermill::tasks
