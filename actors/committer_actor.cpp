#include "actors/committer_actor.hpp"

#include <utility>

#include "base/planted.hpp"

namespace evermill::actors {
namespace {
constexpr std::size_t group_bytes_limit = 8u << 20;
}

committer_actor::committer_actor(caf::actor_config& config, storage::key_value_store* store)
    : caf::event_based_actor(config), store_(store) {}

caf::behavior committer_actor::make_behavior() {
  return {[this](const commit_request_ptr& request) {
            group_.append(request->batch);
            waiting_.push_back(caf::actor_cast<caf::actor>(current_sender()));
            if (planted(bug::answer_before_write)) send(waiting_.back(), std::make_shared<commit_outcome>());
            if (group_.bytes() >= group_bytes_limit) return write_all();
            if (!std::exchange(write_requested_, true)) send(this, flush_atom::value);
          },
          [this](flush_atom) {
            write_requested_ = false;
            write_all();
          },
          [this](stop_atom) {
            write_all();
            quit();
          }};
}

void committer_actor::write_all() {
  if (waiting_.empty()) return;
  auto written = store_->write(group_);
  if (!written && planted(bug::resubmit_failed_batch)) written = store_->write(group_);
  group_.clear();
  for (const caf::actor& partition : std::exchange(waiting_, {})) {
    if (written && planted(bug::answer_before_write)) continue;
    auto outcome = std::make_shared<commit_outcome>();
    if (!written && !planted(bug::ignore_failed_write)) outcome->error = written.error();
    send(partition, std::move(outcome));
  }
}

}  // namespace evermill::actors
