// Runs a workflow file on the test kit: fresh, replayed before each of its turns, and with a crash after each of its commits. All
// must come to the same end.
#pragma once

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <functional>
#include <map>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "evermill/dsl.hpp"
#include "evermill/testing/environment.hpp"

namespace evermill::interpreter {

using json = nlohmann::json;
using testing::environment;

/// What an activity of the test does: gives a value, or throws.
using fake = std::function<json(const json& input)>;

/// An attempt of a fake.
struct fake_call {
  std::string activity;
  json input;
};

struct run_end {
  execution_status status = execution_status::running;
  json output;
  json error;  ///< the standard's error object

  friend bool operator==(const run_end&, const run_end&) = default;
};
std::ostream& operator<<(std::ostream& to, const run_end& of);

/// A file with this `do`, and what stands before it.
std::string file_of(const std::string& tasks, const std::string& more = {});

class interpreter_rig {
 public:
  explicit interpreter_rig(std::string text) { input.definition = std::move(text); }

  interpreter_rig& given(json value) {
    input.input = std::move(value);
    return *this;
  }
  interpreter_rig& with(const std::string& activity, fake function) {
    fakes[activity] = std::move(function);
    return *this;
  }
  /// What happens while it runs: after its start, before its end is waited for. Every request in it may be repeated.
  interpreter_rig& meanwhile(std::function<void(environment&)> script) {
    script_ = std::move(script);
    return *this;
  }

  /// The end, which was the same in all ways to run it.
  run_end run();
  /// Once, in this environment.
  run_end run_in(environment& in);
  /// The output; fails the test where there is none.
  json output();
  /// The error; fails the test where there is none.
  json error();

  dsl_input input;
  std::map<std::string, fake> fakes;
  std::vector<std::string> history;  ///< types of the fresh run's events, with labels: "ActivityTaskScheduled shell /do/0/a"
  std::vector<fake_call> calls;    ///< of the fresh run

 private:
  std::function<void(environment&)> script_;
};

}  // namespace evermill::interpreter
