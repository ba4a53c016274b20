#include "interpreter/items.hpp"

#include <utility>

#include "interpreter/data_flow.hpp"

namespace evermill::interpreter {

task<list_outcome> process_item(context ctx, instance_pointer in, frame_pointer at, iterator_reference each, value item,
                                std::size_t number) {
  const dsl::subscription_iterator& by = *each.of;
  frame seen = *at;
  seen.locals = with_name(with_name(at->locals, by.item, item), by.at, make_value(number));
  list_outcome done{item};
  if (by.tasks != nullptr) {
    task<list_outcome> doing = run_list(ctx, in, {at->of, by.tasks.get()}, item, seen.locals, at->extended);
    done = co_await std::move(doing);
  }
  seen.raw_output = done.output;
  seen.output = transformed(ctx, *in, by.output, done.output, seen, "output", false);
  export_context(ctx, *in, by.exports, seen);
  done.output = seen.output;
  co_return done;
}

}  // namespace evermill::interpreter
