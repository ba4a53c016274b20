#include "environment_client.hpp"

namespace evermill::semantics {
namespace {

constexpr std::chrono::milliseconds moment{1};
constexpr int longest_wait_in_moments = 100'000;

}  // namespace

environment_client::environment_client(const scenario& what, testing::environment& in, std::uint64_t crash_after)
    : in_(in), crash_after_(crash_after) {
  for (const std::string& name : what.hanging) in_.hang(activity<void()>{.name = name});
  if (crash_after > 0) in_.crash_after_commit(crash_after);
}

void environment_client::start(std::string_view workflow_type, payload input, const start_options& options) {
  in_.start(workflow_type, std::move(input), options);
}

void environment_client::until(const std::function<bool()>& reached) {
  in_.settle();
  for (int moments = 0; !reached(); ++moments) {
    if (moments == longest_wait_in_moments) throw std::runtime_error("what the script waits for does not come");
    in_.advance(moment);
  }
}

/// A crash that is planned stays planned.
void environment_client::restart() {
  in_.settle();
  in_.crash();
  if (crash_after_ > in_.commits()) in_.crash_after_commit(crash_after_ - in_.commits());
  in_.settle();
}

}  // namespace evermill::semantics
