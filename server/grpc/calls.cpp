#include "server/grpc/calls.hpp"

namespace evermill::server {

std::uint64_t open_calls::entered(stop_function stop, std::shared_ptr<admitted_call> by) {
  std::lock_guard lock(mutex_);
  calls_.emplace(++last_ticket_, open_call{std::move(stop), std::move(by)});
  return last_ticket_;
}

void open_calls::left(std::uint64_t ticket) {
  std::lock_guard lock(mutex_);
  calls_.erase(ticket);
}

std::size_t open_calls::count() const {
  std::lock_guard lock(mutex_);
  return calls_.size();
}

void open_calls::stop_all() {
  std::lock_guard lock(mutex_);
  for (const auto& [ticket, call] : calls_) call.stop(stopping());
}

void open_calls::stop_invalid() {
  std::lock_guard lock(mutex_);
  for (const auto& [ticket, call] : calls_) {
    if (call.by && !call.by->still_valid()) call.stop(not_valid_any_more());
  }
}

grpc::Status stopping() { return to_status({control_errc::stopped, "the process is stopping"}); }

grpc::Status not_valid_any_more() {
  return to_status({control_errc::unauthenticated, "what was shown when this began has expired, was revoked, or does not allow it any more"});
}

}  // namespace evermill::server
