// `foreach` of what is listened to or subscribed to: tasks for each item that comes.
#pragma once

#include <cstddef>

#include "dsl/calls.hpp"
#include "interpreter/tasks.hpp"

namespace evermill::interpreter {

/// Coroutines take values.
struct iterator_reference {
  const dsl::subscription_iterator* of = nullptr;
};

/// What the iterator makes of one item, the `number`th from 0. Its output is the item's.
task<list_outcome> process_item(context ctx, instance_pointer in, frame_pointer at, iterator_reference each, value item,
                                std::size_t number);

}  // namespace evermill::interpreter
