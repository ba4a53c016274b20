#include "cluster/waiting_reader.hpp"

#include <condition_variable>
#include <mutex>
#include <utility>

namespace evermill::cluster {

/// Goes on when there is something to poll.
struct waiting_reader::signal_light {
  std::mutex mutex;
  std::condition_variable changed;
  bool on = false;

  void set() {
    const std::lock_guard lock(mutex);
    on = true;
    changed.notify_all();
  }
  bool wait_until(std::chrono::steady_clock::time_point limit) {
    std::unique_lock lock(mutex);
    const bool was_set = changed.wait_until(lock, limit, [this] { return on; });
    on = false;
    return was_set;
  }
};

waiting_reader::waiting_reader(std::string name, std::shared_ptr<signal_light> light, std::unique_ptr<queue::stream_reader> reader)
    : name_(std::move(name)), light_(std::move(light)), reader_(std::move(reader)) {}

queue::broker_result<waiting_reader> waiting_reader::open(queue::broker& broker, const queue::stream_partition& from,
                                                          queue::position after) {
  auto light = std::make_shared<signal_light>();
  auto reader = broker.read(from, {.after = after}, [light] { light->set(); });
  if (!reader) return unexpected(reader.error());
  return waiting_reader(from.stream + " at " + broker.address(), std::move(light), std::move(*reader));
}

queue::broker_result<std::size_t> waiting_reader::poll(std::vector<queue::stored_record>& out, std::size_t limit,
                                                       std::chrono::milliseconds wait) {
  for (const auto until = std::chrono::steady_clock::now() + wait;;) {
    auto count = reader_->poll(out, limit);
    if (!count || *count > 0) return count;
    if (!light_->wait_until(until)) {
      return unexpected(queue::broker_error{queue::broker_errc::unavailable, name_ + " could not be read in time"});
    }
  }
}

}  // namespace evermill::cluster
