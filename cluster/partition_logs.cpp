#include "cluster/partition_logs.hpp"

#include <algorithm>
#include <utility>
#include <vector>

#include "cluster/streams.hpp"

namespace evermill::cluster {

/// One partition's log, and who waits for its commit.
class partition_logs::entry final : public partition_log_ports, public std::enable_shared_from_this<entry> {
 public:
  entry(partition_logs& of, partition_id id) : of_(of), id_(id) {}

  storage::storage_result<void> start() {
    partition_log_options options{.id = id_,
                                  .stream = log_stream_name,
                                  .member = of_.options_.member,
                                  .cluster_id = of_.options_.cluster_id,
                                  .partition_count = of_.options_.partition_count};
    const auto later = [post = of_.post_, me = weak_from_this()](std::function<void()> what) {
      post([me, what = std::move(what)] {
        if (const auto alive = me.lock()) what();
      });
    };
    log_.emplace(std::move(options), of_.store_, of_.broker_, of_.random_, *this, later, of_.log_);
    return log_->start();
  }

  partition_log& log() { return *log_; }

  void submit(storage::write_batch&& batch, storage::commit_sink::on_committed done) {
    if (!log_->owned()) return;
    done_ = std::move(done);
    log_->submit(std::move(batch));
  }

 private:
  void on_owned(std::uint64_t epoch) override { of_.listener_.on_owned(id_, epoch); }
  void on_committed() override {
    if (const on_committed_callback done = std::exchange(done_, nullptr)) done(std::nullopt);
  }
  void on_lost(const std::string& why) override {
    done_ = nullptr;
    of_.listener_.on_lost(id_, why);
  }
  void on_stopped(const storage::storage_error& why) override {
    done_ = nullptr;
    of_.listener_.on_stopped(id_, why);
  }

  using on_committed_callback = storage::commit_sink::on_committed;

  partition_logs& of_;
  const partition_id id_;
  std::optional<partition_log> log_;
  on_committed_callback done_;
};

partition_logs::partition_logs(partition_logs_options options, storage::key_value_store& store, queue::broker& broker,
                               random_source& random, partition_logs_listener& listener, task_loop::post_function post, log lines)
    : options_(std::move(options)),
      store_(store),
      broker_(broker),
      random_(random),
      listener_(listener),
      post_(std::move(post)),
      log_(std::move(lines)) {}

partition_logs::~partition_logs() = default;

storage::storage_result<void> partition_logs::follow(partition_id id) {
  if (entries_.contains(id)) return {};
  auto made = std::make_shared<entry>(*this, id);
  if (auto started = made->start(); !started) return started;
  entries_.emplace(id, std::move(made));
  return {};
}

void partition_logs::unfollow(partition_id id) { entries_.erase(id); }
void partition_logs::claim(partition_id id) { entries_.at(id)->log().claim(); }
void partition_logs::release(partition_id id) { entries_.at(id)->log().release(); }

void partition_logs::look() {
  // What is told meanwhile may begin or end others.
  std::vector<std::shared_ptr<entry>> all;
  for (const auto& [id, each] : entries_) all.push_back(each);
  std::all_of(all.begin(), all.end(), [](const auto& each) { return each->log().look(); });
}


const partition_log* partition_logs::find(partition_id id) const {
  const auto it = entries_.find(id);
  return it == entries_.end() ? nullptr : &it->second->log();
}

void partition_logs::submit(partition_id of, storage::write_batch&& batch, on_committed done) {
  post_([this, alive = std::weak_ptr(alive_), of, batch = std::make_shared<storage::write_batch>(std::move(batch)),
         done = std::move(done)]() mutable {
    if (alive.expired()) return;
    const auto it = entries_.find(of);
    if (it != entries_.end()) it->second->submit(std::move(*batch), std::move(done));
  });
}

}  // namespace evermill::cluster
