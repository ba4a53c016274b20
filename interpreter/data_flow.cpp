#include "interpreter/data_flow.hpp"

#include <utility>

#include "interpreter/evaluation.hpp"

namespace evermill::interpreter {

value transformed(const context& ctx, instance& in, const dsl::transformation& by, value of, const frame& at, const char* what,
                  bool before) {
  if (before) validate(in, by.schema, *of, at, what);
  if (by.as) of = make_value(evaluation(ctx, in, at)(*by.as, *of));
  if (!before) validate(in, by.schema, *of, at, what);
  return of;
}

bool is_wanted(const context& ctx, instance& in, const frame& at) {
  const auto& condition = at.task->condition;
  return !condition || evaluation(ctx, in, at).holds(*condition, *at.raw_input);
}

void take_input(const context& ctx, instance& in, frame& at) {
  at.input = transformed(ctx, in, at.task->input, at.raw_input, at, "input", true);
}

void export_context(const context& ctx, instance& in, const dsl::transformation& by, const frame& at) {
  if (!by.as && !by.schema) return;
  value exported = by.as ? make_value(evaluation(ctx, in, at)(*by.as, *at.output)) : in.context;
  validate(in, by.schema, *exported, at, "context");
  in.context = std::move(exported);
}

void give_output(const context& ctx, instance& in, frame& at) {
  at.output = transformed(ctx, in, at.task->output, at.raw_output, at, "output", false);
  export_context(ctx, in, at.task->exports, at);
}

}  // namespace evermill::interpreter
