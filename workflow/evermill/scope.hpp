/// @file
/// Parts of a workflow that can be canceled by themselves.
///
///     cancellation_scope search(ctx);
///     auto a = search.inside().call(ask_agency, "a");
///     auto b = search.inside().call(ask_agency, "b");
///     co_await race(a, b);
///     search.cancel("one answer is enough");
#pragma once

#include <string_view>

#include "evermill/context.hpp"
#include "evermill/runtime.hpp"

namespace evermill {

/// Made and used by the workflow's own code. Copies are the same scope. Scopes nest: what is made within a scope's context is
/// canceled with it, except below a shielded context.
class cancellation_scope {
 public:
  /// A new scope inside the one that `parent` belongs to.
  explicit cancellation_scope(context parent)
      : inside_(*parent.runtime_, detail::new_scope(*parent.runtime_, parent.scope_, false), parent.label_) {}

  /// For what belongs to the scope, and to pass on to parts of the workflow.
  context inside() const noexcept { return inside_; }

  /// Every future of the scope that is open now throws canceled_error, once, as after `future::cancel`; what is asked for
  /// afterwards works as always.
  void cancel(std::string_view reason = {}) const { detail::cancel_scope(*inside_.runtime_, inside_.scope_, reason); }
  /// Was it canceled, or a scope around it that it is not shielded from? Of a cancel request for the whole execution
  /// `context::cancel_requested` tells.
  bool cancel_requested() const noexcept { return detail::scope_canceled(*inside_.runtime_, inside_.scope_); }

 private:
  context inside_;
};

}  // namespace evermill
