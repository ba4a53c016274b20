#include "interpreter/time_limit.hpp"

#include <exception>
#include <utility>

#include "dsl/errors.hpp"
#include "evermill/scope.hpp"
#include "interpreter/errors.hpp"

namespace evermill::interpreter {

task<void> in_time(context ctx, time_limit limit, std::function<task<void>(context inside)> part) {
  const cancellation_scope scope(ctx);
  future<void> doing = ctx.spawn(part(scope.inside()));
  future<void> timer = ctx.sleep(limit.after);
  const std::size_t first = co_await race(doing, timer);
  if (first == 0) {
    timer.cancel();
    co_await std::move(doing);
    co_return;
  }
  co_await std::move(timer);  // throws where all of the execution is canceled
  scope.cancel(limit.reason);
  try {
    co_await std::move(doing);
  } catch (const std::exception&) {  // what it ended with does not matter any more
  }
  throw fault(dsl::error_type::timeout, 408, "Timed out",
              limit.what + " was not done within " + std::to_string(limit.after.count() / 1000) + " ms", limit.pointer);
}

}  // namespace evermill::interpreter
