// What the templates of context.hpp and task.hpp are made of. Not for direct use.
#pragma once

#include <chrono>
#include <coroutine>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "evermill/handles.hpp"
#include "evermill/log_level.hpp"
#include "evermill/payload.hpp"

namespace evermill {
template <class T>
class task;
}

namespace evermill::detail {

class runtime;
class root;

/// A coroutine that is suspended until `needed` of some cells are settled, or one has failed. Lives in the awaiting frame.
struct waiter {
  std::coroutine_handle<> coroutine;
  std::size_t needed = 1;
  bool woken = false;
};

/// The outcome of one command: pending, then settled once. Shared by the runtime and the future; one thread at a time.
struct cell {
  enum class kind : std::uint8_t { activity, timer, child, step, signal, condition, human_task, lock, part };
  enum class state : std::uint8_t { pending, value, error };
  kind what = kind::timer;
  state is = state::pending;
  bool timed = false;           ///< of a wait with a timeout: no value means that the time was up
  bool cancel_requested = false;  ///< of an activity
  activity_cancellation cancellation = activity_cancellation::try_cancel;
  std::uint32_t references = 0;
  std::uint32_t scope = 0;      ///< of the context that asked for it
  std::uint64_t seq = 0;        ///< of the command; of a timed wait: its timer's; 0: no command
  std::uint64_t settled_as = 0; ///< counts settlements: the order of the journal
  std::string name;             ///< of the activity, child, step or signal
  std::optional<payload> value;
  std::exception_ptr error;
  waiter* waiting = nullptr;
  mutable runtime* owner = nullptr;  ///< of a lock that was granted and not taken
};

/// What `ctx.ask` creates; HumanTaskCreated has the meaning of each.
struct human_task_spec {
  std::string name, title, assignee, candidate_groups, form_schema;
  std::chrono::microseconds timeout{0};
  std::chrono::microseconds remind_every{0};
};

class cell_ref {
 public:
  cell_ref() noexcept = default;
  explicit cell_ref(cell* c) noexcept : cell_(c) {
    if (cell_ != nullptr) ++cell_->references;
  }
  cell_ref(const cell_ref& other) noexcept : cell_ref(other.cell_) {}
  cell_ref(cell_ref&& other) noexcept : cell_(std::exchange(other.cell_, nullptr)) {}
  cell_ref& operator=(cell_ref other) noexcept {
    std::swap(cell_, other.cell_);
    return *this;
  }
  ~cell_ref() {
    if (cell_ != nullptr && --cell_->references == 0) delete cell_;
  }
  cell* operator->() const noexcept { return cell_; }
  cell* get() const noexcept { return cell_; }
  explicit operator bool() const noexcept { return cell_ != nullptr; }

 private:
  cell* cell_ = nullptr;
};

// Commands. Each is recorded when called.
cell_ref schedule_activity(runtime& rt, std::string_view name, const activity_options& options, payload input);
cell_ref start_child(runtime& rt, std::string_view type, const child_options& options, payload input);
cell_ref start_timer(runtime& rt, std::chrono::microseconds delay);
cell_ref wait_signal(runtime& rt, std::string_view name);
cell_ref wait_signal(runtime& rt, std::string_view name, std::chrono::microseconds timeout);
cell_ref wait_until(runtime& rt, std::function<bool()> holds);
cell_ref schedule_step(runtime& rt, std::string_view name, std::function<payload()> run);
cell_ref create_human_task(runtime& rt, const human_task_spec& spec, payload question);
/// As engine::complete_human_task knows it.
std::string human_task_id(const runtime& rt, const cell& task);
/// `permits` 0: a mutex.
cell_ref request_lock(runtime& rt, std::string_view name, std::uint32_t permits);
void check_permits(std::uint32_t permits);
/// Gives back what was granted for this request.
void release_lock(runtime& rt, std::uint64_t requested) noexcept;
/// The request's future is gone: what was granted and not taken is given back, what was not granted is withdrawn.
void drop_lock(runtime& rt, cell& c) noexcept;
/// To another execution. `start_type` "": nothing is started where none runs.
void send_signal(runtime& rt, std::string_view workflow_id, std::string_view name, payload input, std::string_view start_type,
                 payload start_input);
/// The part begins after what is ready now; the cell is settled by its end.
cell_ref spawn(runtime& rt, task<void> part);
void continue_as_new(runtime& rt, payload input);
/// What refuse_turn leaves the code with. No std::exception: nobody should catch it, and nothing counts of what is done after it.
struct turn_refused {};
[[noreturn]] void refuse_turn(runtime& rt, std::string_view why);
void cancel(runtime& rt, cell& c);
bool patched(runtime& rt, std::string_view id);

// Scopes and labels. What is asked for belongs to those that were entered last.
void enter(runtime& rt, std::uint32_t scope, std::uint32_t label) noexcept;
/// Its number. The same text has one number.
std::uint32_t label_of(runtime& rt, std::string_view text);
std::uint32_t new_scope(runtime& rt, std::uint32_t parent, bool shielded);
void cancel_scope(runtime& rt, std::uint32_t scope, std::string_view reason);
bool scope_canceled(const runtime& rt, std::uint32_t scope) noexcept;

// Handlers of queries and updates; each has an id by which it is removed.
struct update_functions {
  std::function<void(const payload& input)> validate;  ///< throws why the update is refused
  std::function<std::unique_ptr<root>(const payload& input)> begin;
};
std::uint64_t add_query_handler(runtime& rt, std::string_view name, std::function<payload(const payload& input)> answer);
std::uint64_t add_update_handler(runtime& rt, std::string_view name, update_functions functions);
void remove_handler(runtime& rt, std::uint64_t id) noexcept;

// The instance.
void make_ready(runtime& rt, std::coroutine_handle<> coroutine);
std::chrono::sys_time<std::chrono::microseconds> now(const runtime& rt);
std::uint64_t random(runtime& rt);
std::string uuid(runtime& rt);
void write_log(runtime& rt, log_level level, std::string_view message);
bool replaying(const runtime& rt);
bool cancel_requested(const runtime& rt);
const std::string& workflow_id(const runtime& rt);
const std::string& run_id(const runtime& rt);
const std::string& name_of_workflow(const runtime& rt, const void* function);

}  // namespace evermill::detail
