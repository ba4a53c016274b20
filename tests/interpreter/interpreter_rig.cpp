#include "interpreter_rig.hpp"

#include <ostream>

#include "evermill/testing/matchers.hpp"

namespace evermill::interpreter {
namespace {

constexpr const char* id = "flow-1";

void prepare(environment& in, const interpreter_rig& rig) {
  for (const auto& [name, function] : rig.fakes) {
    in.replace(activity<json(json)>{.name = name}, [function](const json& input) { return function(input); });
  }
}

std::string brief(const history_event& event) {
  const json fields = json::parse(event.json, nullptr, false);
  std::string text = event.type;
  for (const char* name : {"activity_type", "workflow_type", "signal_name", "label"}) {
    if (fields.is_object() && fields.contains(name)) text.append(" ").append(fields[name].get<std::string>());
  }
  return text;
}

}  // namespace

std::ostream& operator<<(std::ostream& to, const run_end& of) {
  return to << to_string(of.status) << ' ' << of.output.dump() << ' ' << of.error.dump();
}

std::string file_of(const std::string& tasks, const std::string& more) {
  return "document: { dsl: '1.0.3', namespace: tests, name: flow, version: 1.0.0 }\n" + more + "do:\n" + tasks;
}

run_end interpreter_rig::run_in(environment& in) {
  prepare(in, *this);
  in.start(dsl_workflow, input, {.id = id});
  if (script_) script_(in);
  const execution_end end = in.wait(id);
  run_end made{end.status, {}, {}};
  if (end.result) made.output = json::parse(end.result->data);
  if (end.cause && end.cause->details) made.error = json::parse(end.cause->details->data);
  if (end.cause && !end.cause->details) made.error = {{"failed", end.cause->type}, {"message", end.cause->message}};
  return made;
}

run_end interpreter_rig::run() {
  environment fresh{registry()};
  const run_end first = run_in(fresh);
  for (const history_event& event : fresh.history(id)) history.push_back(brief(event));
  for (const auto& call : fresh.calls()) calls.push_back({call.activity_type, json::parse(call.input.data, nullptr, false)});
  testing::environment_options replaying;
  replaying.replay_every_turn = true;
  environment replayed(registry(), replaying);
  EXPECT_EQ(run_in(replayed), first) << "replayed before each turn";
  testing::crash_after_every_commit(registry(), [&](environment& in) { EXPECT_EQ(run_in(in), first) << "with a crash"; });
  return first;
}

json interpreter_rig::output() {
  const run_end end = run();
  EXPECT_EQ(end.status, execution_status::completed) << end;
  return end.output;
}

json interpreter_rig::error() {
  const run_end end = run();
  EXPECT_EQ(end.status, execution_status::failed) << end;
  return end.error;
}

}  // namespace evermill::interpreter
