// Plays whole_story, a run that does everything, and lets the process die at a commit.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <functional>
#include <string>
#include <vector>

#include "partition_rig.hpp"
#include "test_workflows.hpp"

namespace evermill::actors {

enum class death {
  before_the_write,   ///< the commit is lost
  before_the_news,    ///< it is durable, but nothing of it has left
  after_the_effects,  ///< all has left, and all that is under way is lost
};

class storyteller {
 public:
  explicit storyteller(partition_options options = {}) : rig_(test_workflows(), options) {}

  /// Runs whole_story, dying once at commit `at` (0: never). Returns whether it died.
  bool run(std::uint64_t at, death how) {
    rig_.start("w", "whole_story", "[2,0]");
    for (int steps = 0; rig_.status("w") != messages::COMPLETED; ++steps) {
      EXPECT_LT(steps, 10'000) << "it does not end";
      if (steps == 10'000) return died_;
      rig_.pump();
      after_each_step();
      if (rig_.commit_pending()) {
        if (!died_ && rig_.commits() + 1 == at) {
          die(how);
        } else {
          rig_.make_durable();
        }
      } else if (!work() && !rig_.tick()) {
        ADD_FAILURE() << "nothing goes on";
        return died_;
      }
    }
    rig_.subject().drain();
    rig_.settle();
    return died_;
  }

  partition_rig& rig() { return rig_; }

  std::function<void()> after_each_step = [] {};
  std::function<void()> on_death = [] {};  ///< before the process lives again

 private:
  void die(death how) {
    died_ = true;
    if (how != death::before_the_write) rig_.write_without_telling();
    if (how == death::after_the_effects) {
      rig_.tell_durable();
      rig_.pump();
    }
    on_death();
    rig_.restart();
    next_task_ = rig_.tasks.size();
    if (!rig_.header("w")) rig_.start("w", "whole_story", "[2,0]");  // a client that got no answer asks again
  }

  /// Does what a backend or a client would do next. False: nothing.
  bool work() {
    if (next_task_ < rig_.tasks.size()) {
      const messages::ActivityTask& task = *rig_.tasks[next_task_++];
      rig_.complete(task, task.input().data());
      return true;
    }
    if (!rig_.steps.empty()) {
      rig_.run_steps();
      return true;
    }
    // One signal for each run, once its child has ended; a client looks first whether it was taken.
    const run_number run(rig_.header("w")->run_number());
    const std::vector<std::string> so_far = rig_.events(run);
    const auto has = [&](const char* type) { return std::find(so_far.begin(), so_far.end(), type) != so_far.end(); };
    if (!has("ChildWorkflowExecutionCompleted") || has("WorkflowExecutionSignaled")) return false;
    rig_.signal("w", "number", "5");
    return true;
  }

  partition_rig rig_;
  std::size_t next_task_ = 0;
  bool died_ = false;
};

}  // namespace evermill::actors
