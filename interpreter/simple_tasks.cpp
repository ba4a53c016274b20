// Tasks that wait for nothing: set, switch, raise.
#include <utility>

#include "interpreter/errors.hpp"
#include "interpreter/evaluation.hpp"
#include "interpreter/tasks.hpp"

namespace evermill::interpreter {
namespace {

performed do_set(const context& ctx, instance& in, const frame& at, const dsl::set_task& what) {
  return {make_value(evaluation(ctx, in, at)(what.value, *at.input)), std::nullopt};
}

performed do_switch(const context& ctx, instance& in, const frame& at, const dsl::switch_task& what) {
  const evaluation evaluate(ctx, in, at);
  const dsl::switch_task::branch* chosen = nullptr;
  for (const dsl::switch_task::branch& each : what.branches) {
    if (!each.when) {
      if (chosen == nullptr) chosen = &each;  // unless one behind it fits
    } else if (evaluate.holds(*each.when, *at.input)) {
      chosen = &each;
      break;
    }
  }
  performed done{at.input, std::nullopt};
  if (chosen != nullptr) done.then = chosen->then;
  return done;
}

[[noreturn]] void do_raise(const context& ctx, instance& in, const frame& at, const dsl::raise_task& what) {
  const evaluation evaluate(ctx, in, at);
  const dsl::error_definition& of = *what.error;
  json error = {{"type", evaluate.text(of.type, *at.input)}, {"status", of.status}};
  if (of.title) error["title"] = evaluate.text(*of.title, *at.input);
  if (of.detail) error["detail"] = evaluate.text(*of.detail, *at.input);
  error["instance"] = of.instance ? evaluate.text(*of.instance, *at.input) : at.pointer();
  throw fault(std::move(error));
}

}  // namespace

bool is_simple(const dsl::task& what) noexcept {
  return std::holds_alternative<dsl::set_task>(what.what) || std::holds_alternative<dsl::switch_task>(what.what) ||
         std::holds_alternative<dsl::raise_task>(what.what) || std::holds_alternative<dsl::emit_task>(what.what);
}

performed perform_simple(const context& ctx, instance& in, frame& at) {
  if (const auto* set = std::get_if<dsl::set_task>(&at.task->what)) return do_set(ctx, in, at, *set);
  if (const auto* chosen = std::get_if<dsl::switch_task>(&at.task->what)) return do_switch(ctx, in, at, *chosen);
  if (std::holds_alternative<dsl::emit_task>(at.task->what)) return perform_emit(ctx, in, at);
  do_raise(ctx, in, at, std::get<dsl::raise_task>(at.task->what));
}

}  // namespace evermill::interpreter
