// Tasks that are made of others: do, for, fork; and the way from a task to what does it.
#include <utility>
#include <vector>

#include "evermill/future.hpp"
#include "evermill/scope.hpp"
#include "interpreter/errors.hpp"
#include "interpreter/evaluation.hpp"
#include "interpreter/tasks.hpp"

namespace evermill::interpreter {
namespace {

using directive = dsl::flow_directive::kind;

task<performed> perform_do(context ctx, instance_pointer in, frame_pointer at) {
  const auto& what = std::get<dsl::do_task>(at->task->what);
  task<list_outcome> doing = run_list(ctx, in, {at->of, &what.tasks}, at->input, at->locals, at->extended);
  list_outcome done = co_await std::move(doing);
  co_return performed_by(std::move(done));
}

task<performed> perform_at_once(context ctx, instance_pointer in, frame_pointer at) { co_return perform_simple(ctx, *in, *at); }

/// Branches of a fork that have not ended, and what they leave.
struct branches {
  std::vector<cancellation_scope> scopes;
  std::vector<std::size_t> open;         ///< their places in the file
  std::vector<future<void>> parts;       ///< of those, in this order
  std::vector<std::shared_ptr<outcome>> left;  ///< by their places in the file
};
using branches_pointer = std::shared_ptr<branches>;

branches_pointer begin_branches(const context& ctx, const instance_pointer& in, const frame& at, const dsl::fork_task& what) {
  auto made = std::make_shared<branches>();
  for (const dsl::task& branch : what.branches) {
    made->scopes.emplace_back(ctx);
    made->left.push_back(std::make_shared<outcome>());
    made->open.push_back(made->open.size());
    const context inside = made->scopes.back().inside();
    made->parts.push_back(
        ctx.spawn(run_task_into(inside, in, {at.of, &branch}, at.input, at.locals, at.extended, made->left.back())));
  }
  return made;
}

/// The others are not wanted any more. They end at once: what they wait for is canceled.
task<void> end_branches(branches_pointer all) {
  for (const std::size_t place : all->open) all->scopes[place].cancel("another branch has ended the fork");
  while (!all->parts.empty()) {
    future<void> part = std::move(all->parts.back());
    all->parts.pop_back();
    try {
      co_await std::move(part);
    } catch (const std::exception&) {  // what it ended with does not matter
    }
  }
}

}  // namespace

task<performed> perform_fork(context ctx, instance_pointer in, frame_pointer at) {
  const auto& what = std::get<dsl::fork_task>(at->task->what);
  const branches_pointer all = begin_branches(ctx, in, *at, what);
  std::exception_ptr failed;
  std::optional<outcome> winner;  // of a competition, or what ends the workflow
  bool ends = false;
  while (!all->parts.empty() && !failed && !winner) {
    const std::size_t first = co_await race(all->parts);
    const std::size_t place = all->open[first];
    future<void> part = std::move(all->parts[first]);
    all->parts.erase(all->parts.begin() + static_cast<std::ptrdiff_t>(first));
    all->open.erase(all->open.begin() + static_cast<std::ptrdiff_t>(first));
    try {
      co_await std::move(part);
      ends = all->left[place]->then.what == directive::end;
      if (what.compete || ends) winner = *all->left[place];
    } catch (const std::exception&) {
      failed = std::current_exception();
    }
  }
  task<void> ending = end_branches(all);
  co_await std::move(ending);
  if (failed) std::rethrow_exception(failed);
  performed done;
  if (winner) {
    done.output = winner->output;
  } else {
    json outputs = json::array();
    for (const auto& left : all->left) outputs.push_back(*left->output);
    done.output = make_value(std::move(outputs));
  }
  if (ends) done.then = dsl::flow_directive{directive::end};
  co_return done;
}

task<performed> perform_for(context ctx, instance_pointer in, frame_pointer at) {
  const auto& what = std::get<dsl::for_task>(at->task->what);
  const value items = make_value(evaluation(ctx, *in, *at)(what.in, *at->input));
  if (!items->is_array()) {
    evaluation(ctx, *in, *at)
        .fail("`for.in` must give a list, not " + std::string(items->type_name()) + ", in `" + what.in.source() + "`");
  }
  const names outer = at->locals;
  list_outcome left{at->input};
  for (std::size_t i = 0; i < items->size() && !left.exited && !left.ends_workflow; ++i) {
    if (must_breathe(*in)) co_await breathe(ctx, *in);
    const names locals = with_name(with_name(outer, what.each, value(items, &(*items)[i])), what.at, make_value(i));
    if (what.condition) {
      at->locals = locals;
      const bool goes_on = evaluation(ctx, *in, *at).holds(*what.condition, *left.output);
      at->locals = outer;
      if (!goes_on) break;
    }
    if (in->is_recorded(*at)) in->records.begin_round(*at->task, i + 1, items->size());
    task<list_outcome> round = run_list(ctx, in, {at->of, &what.tasks}, left.output, locals, at->extended);
    left = co_await std::move(round);
  }
  co_return performed_by(std::move(left));
}

task<performed> perform_wait(context ctx, instance_pointer in, frame_pointer at) {
  const auto& what = std::get<dsl::wait_task>(at->task->what);
  co_await ctx.sleep(evaluation(ctx, *in, *at)(what.wait, *at->input));
  performed done{at->input, std::nullopt};
  co_return done;
}

task<performed> perform(context ctx, instance_pointer in, frame_pointer at) {
  struct chooser {
    context ctx;
    instance_pointer in;
    frame_pointer at;
    task<performed> operator()(const dsl::do_task&) const { return perform_do(ctx, in, at); }
    task<performed> operator()(const dsl::for_task&) const { return perform_for(ctx, in, at); }
    task<performed> operator()(const dsl::fork_task&) const { return perform_fork(ctx, in, at); }
    task<performed> operator()(const dsl::try_task&) const { return perform_try(ctx, in, at); }
    task<performed> operator()(const dsl::wait_task&) const { return perform_wait(ctx, in, at); }
    task<performed> operator()(const dsl::run_task&) const { return perform_run(ctx, in, at); }
    task<performed> operator()(const dsl::call_task&) const { return perform_call(ctx, in, at); }
    task<performed> operator()(const dsl::listen_task&) const { return perform_listen(ctx, in, at); }
    task<performed> operator()(const dsl::set_task&) const { return perform_at_once(ctx, in, at); }
    task<performed> operator()(const dsl::switch_task&) const { return perform_at_once(ctx, in, at); }
    task<performed> operator()(const dsl::raise_task&) const { return perform_at_once(ctx, in, at); }
    task<performed> operator()(const dsl::emit_task&) const { return perform_at_once(ctx, in, at); }
  };
  return std::visit(chooser{ctx, in, at}, at->task->what);
}

}  // namespace evermill::interpreter
