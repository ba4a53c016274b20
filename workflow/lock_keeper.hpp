// A lock is itself an execution: a built-in workflow whose signals are the requests and releases of those who want it, and
// whose commands say whose turn it is. Its journal is the only truth about it, as any execution's is.
#pragma once

#include <cstdint>
#include <deque>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "evermill/payload.hpp"
#include "messages/journal.pb.h"

namespace evermill {
struct workflow_definition;
}

namespace evermill::workflow::locks {

/// One request: the run that asked and the event with which it did.
struct claim {
  std::string workflow_id;
  std::uint64_t run = 0;
  std::uint64_t requested = 0;
  friend bool operator==(const claim&, const claim&) = default;
};

/// What the lock is told by its signal.
struct message {
  bool release = false;       ///< otherwise a request
  claim who;
  std::uint32_t permits = 1;  ///< of a request
};

struct lock_state {
  std::uint32_t permits = 1;
  std::vector<claim> holders;
  std::deque<claim> waiters;  ///< the first is the next one

  /// Handles the message and returns whose turn it is now. A release of what is not there changes nothing.
  std::vector<claim> apply(const message& told);
};

/// Workflow ids and types with this prefix are evermill's own. The functions below take ids as they are kept (base/namespaces.hpp).
inline constexpr std::string_view reserved_prefix = "evermill.";
bool is_reserved(std::string_view name) noexcept;

/// The workflow id of a lock, without a namespace. `permits` 0: a mutex.
std::string id_of(std::string_view name, std::uint32_t permits);
bool is_lock(std::string_view workflow_id) noexcept;
/// Is it the workflow that locks are executions of?
bool is_keeper(std::string_view workflow_type) noexcept;
/// The name under which its users know it, and whether it is a semaphore.
struct lock_name {
  std::string name;
  bool semaphore = false;
};
lock_name name_of(std::string_view workflow_id);

const workflow_definition& definition();
/// The event that tells a lock.
messages::Event signal_of(const message& told);
/// What such an event says; nothing where it is another one.
std::optional<message> message_of(const messages::Event& event);
/// The start of a lock that is not there yet, with what it is told first.
messages::Event start_with(messages::Event&& signal);
/// What the lock has become by its current run's events. Throws payload_error where they are no lock's.
class lock_reader {
 public:
  void add(const messages::Event& event);
  const lock_state& state() const noexcept { return state_; }

 private:
  lock_state state_;
};

}  // namespace evermill::workflow::locks
