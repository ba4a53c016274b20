#include "plugins/task/transfer/transfer_loop.hpp"

#include <pthread.h>
#include <signal.h>

#include <exception>
#include <map>
#include <mutex>
#include <thread>
#include <utility>
#include <vector>

#include "plugins/task/transfer/easy_transfer.hpp"

namespace evermill::tasks {
namespace {

constexpr int longest_wait_ms = 60'000;
constexpr long kept_connections = 64;

}  // namespace

class transfer_loop::impl {
 public:
  impl() {
    ensure_curl();
    multi_ = curl_multi_init();
    curl_multi_setopt(multi_, CURLMOPT_MAXCONNECTS, kept_connections);
  }

  ~impl() {
    {
      const std::lock_guard lock(mutex_);
      ending_ = true;
    }
    curl_multi_wakeup(multi_);
    if (thread_.joinable()) thread_.join();
    curl_multi_cleanup(multi_);
  }

  transfer_id start(transfer_request&& request, on_done&& done) {
    transfer_id id = 0;
    {
      const std::lock_guard lock(mutex_);
      id = ++last_id_;
      starting_.push_back({id, std::move(request), std::move(done)});
      if (!thread_.joinable()) thread_ = std::thread([this] { work(); });
    }
    curl_multi_wakeup(multi_);
    return id;
  }

  void cancel(transfer_id id) {
    {
      const std::lock_guard lock(mutex_);
      canceling_.push_back(id);
    }
    curl_multi_wakeup(multi_);
  }

 private:
  struct beginning {
    transfer_id id;
    transfer_request request;
    on_done done;
  };
  struct running {
    std::unique_ptr<easy_transfer> transfer;
    on_done done;
  };

  void work() {
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGPIPE);  // OpenSSL writes to what may be closed
    ::pthread_sigmask(SIG_BLOCK, &set, nullptr);
    while (take_orders()) {
      int still = 0;
      curl_multi_perform(multi_, &still);
      finish_ended();
      curl_multi_poll(multi_, nullptr, 0, longest_wait_ms, nullptr);
    }
    do {  // what ends may begin others
      while (!running_.empty()) cancel_now(running_.begin()->first);
      take_orders();
    } while (!running_.empty());
  }

  /// False: it is to end, and what it was asked last has been begun.
  bool take_orders() {
    std::vector<beginning> starting;
    std::vector<transfer_id> canceling;
    bool ending = false;
    {
      const std::lock_guard lock(mutex_);
      starting.swap(starting_);
      canceling.swap(canceling_);
      ending = ending_;
    }
    for (beginning& each : starting) begin(std::move(each));
    for (const transfer_id id : canceling) cancel_now(id);
    return !ending;
  }

  void begin(beginning&& what) {
    running made{std::make_unique<easy_transfer>(std::move(what.request)), std::move(what.done)};
    if (made.transfer->so_far().error != transfer_error::none) return made.done(transfer_result(made.transfer->so_far()));
    ids_.emplace(made.transfer->handle(), what.id);
    curl_multi_add_handle(multi_, made.transfer->handle());
    running_.emplace(what.id, std::move(made));
  }

  running take(std::map<transfer_id, running>::iterator it) {
    running taken = std::move(it->second);
    running_.erase(it);
    ids_.erase(taken.transfer->handle());
    curl_multi_remove_handle(multi_, taken.transfer->handle());
    return taken;
  }

  void cancel_now(transfer_id id) {
    const auto it = running_.find(id);
    if (it == running_.end()) return;
    const running ended = take(it);
    ended.done(ended.transfer->cancel());
  }

  void finish_ended() {
    std::vector<std::pair<CURL*, CURLcode>> ends;
    int left = 0;
    while (const CURLMsg* const message = curl_multi_info_read(multi_, &left)) ends.emplace_back(message->easy_handle, message->data.result);
    for (const auto& [handle, code] : ends) {
      const auto id = ids_.find(handle);
      if (id == ids_.end()) continue;  // canceled by one that ended before
      const running ended = take(running_.find(id->second));
      ended.done(result_of(*ended.transfer, code));
    }
  }

  static transfer_result result_of(easy_transfer& transfer, CURLcode code) {
    try {
      return transfer.finish(code);
    } catch (const std::exception& error) {
      transfer_result result = transfer.cancel();
      result.error = transfer_error::aborted;
      result.message = error.what();
      return result;
    }
  }

  CURLM* multi_ = nullptr;
  std::mutex mutex_;
  std::vector<beginning> starting_;
  std::vector<transfer_id> canceling_;
  bool ending_ = false;
  transfer_id last_id_ = 0;
  std::thread thread_;
  // On the thread:
  std::map<transfer_id, running> running_;
  std::map<CURL*, transfer_id> ids_;
};

transfer_loop::transfer_loop() : impl_(std::make_unique<impl>()) {}
transfer_loop::~transfer_loop() = default;
transfer_loop::transfer_id transfer_loop::start(transfer_request request, on_done done) {
  return impl_->start(std::move(request), std::move(done));
}
void transfer_loop::cancel(transfer_id id) { impl_->cancel(id); }

}  // namespace evermill::tasks
