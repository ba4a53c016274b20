// How `ctx.ask` is made of the context's other parts. Included by context.hpp.
#pragma once

#include "evermill/context.hpp"

namespace evermill {
namespace detail {

struct human_task_calls {
  activity<void(human_task_notice)> prepare, remind;
};
human_task_spec make_spec(std::string_view name, const human_task_options& options);
task<payload> await_answer(context ctx, human_task_spec spec, human_task_calls calls, payload question);

template <class A>
task<A> ask_for(context ctx, human_task_spec spec, human_task_calls calls, payload question) {
  task<payload> waiting = await_answer(ctx, std::move(spec), calls, std::move(question));
  const payload answer = co_await std::move(waiting);
  if constexpr (!std::is_void_v<A>) co_return codec<A>::decode(answer);
}

template <class R, class A>
task<R> ask_and_process(context ctx, human_task_spec spec, human_task_calls calls, payload question, activity<R(A)> process) {
  task<A> waiting = ask_for<A>(ctx, std::move(spec), calls, std::move(question));
  const A answer = co_await std::move(waiting);
  if constexpr (std::is_void_v<R>) {
    co_await ctx.call(process, answer);
  } else {
    R result = co_await ctx.call(process, answer);
    co_return result;
  }
}

}  // namespace detail

template <class A, class Q, class... In>
task<A> context::ask(const human_task<A(Q)>& what, In&&... fields) const {
  return detail::ask_for<A>(*this, detail::make_spec(what.name, what.options), {what.prepare, what.remind},
                            detail::encode_input<Q>(std::forward<In>(fields)...));
}

template <class A>
task<A> context::ask(const human_task<A()>& what) const {
  return detail::ask_for<A>(*this, detail::make_spec(what.name, what.options), {what.prepare, what.remind}, payload{});
}

template <class R, class A, class Q, class... In>
task<R> context::ask_then(const human_task<A(Q)>& what, const activity<R(A)>& process, In&&... fields) const {
  return detail::ask_and_process<R, A>(*this, detail::make_spec(what.name, what.options), {what.prepare, what.remind},
                                       detail::encode_input<Q>(std::forward<In>(fields)...), process);
}

template <class R, class A>
task<R> context::ask_then(const human_task<A()>& what, const activity<R(A)>& process) const {
  return detail::ask_and_process<R, A>(*this, detail::make_spec(what.name, what.options), {what.prepare, what.remind},
                                       payload{}, process);
}

}  // namespace evermill
