#include "plugins/task/transfer/transfer.hpp"

#include <mutex>

#include "plugins/task/transfer/easy_transfer.hpp"

namespace evermill::tasks {
namespace {

constexpr int longest_poll_ms = 60'000;

struct multi_closer {
  void operator()(CURLM* multi) const { curl_multi_cleanup(multi); }
};

}  // namespace

struct transfer_stop::state {
  std::mutex mutex;
  bool stopped = false;
  CURLM* waits = nullptr;  ///< whose thread is to be woken
};

transfer_stop::transfer_stop() : state_(std::make_shared<state>()) {}

void transfer_stop::stop() const {
  const std::lock_guard lock(state_->mutex);
  state_->stopped = true;
  if (state_->waits != nullptr) curl_multi_wakeup(state_->waits);
}

bool transfer_stop::stopped() const {
  const std::lock_guard lock(state_->mutex);
  return state_->stopped;
}

transfer_result perform(const transfer_request& request, const transfer_stop& stop) {
  easy_transfer transfer(request);
  if (transfer.so_far().error != transfer_error::none) return transfer.so_far();
  const std::unique_ptr<CURLM, multi_closer> multi(curl_multi_init());
  const auto wait_here = [&](CURLM* here) {
    const std::lock_guard lock(stop.state_->mutex);
    stop.state_->waits = here;
  };
  wait_here(multi.get());
  const std::shared_ptr<void> left(nullptr, [&](void*) {
    wait_here(nullptr);
    curl_multi_remove_handle(multi.get(), transfer.handle());
  });
  CURLMcode code = curl_multi_add_handle(multi.get(), transfer.handle());
  for (int running = 1; code == CURLM_OK && running > 0;) {
    if (stop.stopped()) return transfer.cancel();
    code = curl_multi_perform(multi.get(), &running);
    if (code == CURLM_OK && running > 0) code = curl_multi_poll(multi.get(), nullptr, 0, longest_poll_ms, nullptr);
  }
  int left_over = 0;
  const CURLMsg* const end = curl_multi_info_read(multi.get(), &left_over);
  return transfer.finish(end != nullptr ? end->data.result : CURLE_FAILED_INIT);
}

}  // namespace evermill::tasks
