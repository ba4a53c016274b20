// A coroutine that nobody awaits: a workflow's own, or an update's. Not for direct use.
#pragma once

#include <coroutine>
#include <exception>
#include <optional>
#include <type_traits>
#include <utility>

#include "evermill/codec.hpp"
#include "evermill/task.hpp"

namespace evermill::detail {

class root {
 public:
  virtual ~root() = default;
  /// Null where there is nothing to resume.
  virtual std::coroutine_handle<> coroutine() const = 0;
  virtual bool done() const = 0;
  /// The result, or throws what the coroutine threw. Once, when done.
  virtual std::optional<payload> take() = 0;
};

template <class R>
class root_of final : public root {
 public:
  root_of(runtime& rt, task<R> t) : task_(std::move(t)) { task_.coroutine().promise().rt = &rt; }
  std::coroutine_handle<> coroutine() const override { return task_.coroutine(); }
  bool done() const override { return task_.coroutine().done(); }
  std::optional<payload> take() override {
    if constexpr (std::is_void_v<R>) {
      task_.coroutine().promise().take();
      return std::nullopt;
    } else {
      return codec<R>::encode(task_.coroutine().promise().take());
    }
  }

 private:
  task<R> task_;
};

/// What was done at once.
class done_root final : public root {
 public:
  explicit done_root(std::optional<payload> result) : result_(std::move(result)) {}
  explicit done_root(std::exception_ptr error) : error_(std::move(error)) {}
  std::coroutine_handle<> coroutine() const override { return {}; }
  bool done() const override { return true; }
  std::optional<payload> take() override {
    if (error_) std::rethrow_exception(error_);
    return std::move(result_);
  }

 private:
  std::optional<payload> result_;
  std::exception_ptr error_;
};

}  // namespace evermill::detail
