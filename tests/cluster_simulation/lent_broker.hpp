// The connection of one life of a process: what it has sent may arrive after its death, and nobody hears of it then.
#pragma once

#include <memory>
#include <utility>

#include "tests/cluster/late_broker.hpp"

namespace evermill::cluster_simulation {

class lent_broker final : public queue::broker {
 public:
  explicit lent_broker(std::shared_ptr<cluster::late_broker> to) : to_(std::move(to)) {}
  ~lent_broker() override { to_->forget_callers(); }

  std::string address() const override { return to_->address(); }
  queue::broker_result<std::uint32_t> ensure_stream(const std::string& stream, std::uint32_t partitions) override {
    return to_->ensure_stream(stream, partitions);
  }
  queue::broker_result<std::uint32_t> find_stream(const std::string& stream) override { return to_->find_stream(stream); }
  queue::broker_result<void> delete_stream(const std::string& stream) override { return to_->delete_stream(stream); }
  queue::broker_result<void> append(const queue::stream_partition& to, std::vector<queue::record> records, append_callback done,
                                    std::uint64_t fence) override {
    return to_->append(to, std::move(records), std::move(done), fence);
  }
  std::size_t max_record_bytes() const override { return to_->max_record_bytes(); }
  queue::broker_result<std::unique_ptr<queue::stream_reader>> read(const queue::stream_partition& from,
                                                                   const queue::reader_options& options,
                                                                   std::function<void()> on_readable) override {
    return to_->read(from, options, std::move(on_readable));
  }
  queue::broker_result<queue::stream_bounds> bounds(const queue::stream_partition& of) override { return to_->bounds(of); }
  queue::broker_result<void> trim(const queue::stream_partition& of, queue::position through) override {
    return to_->trim(of, through);
  }
  queue::broker_result<std::unique_ptr<queue::membership>> join(const queue::membership_options& options,
                                                                std::function<void()> on_change) override {
    return to_->join(options, std::move(on_change));
  }
  queue::broker_result<queue::broker_durability> durability() override { return to_->durability(); }
  bool flush(std::chrono::milliseconds limit) override { return to_->flush(limit); }
  void close() override { to_->forget_callers(); }

 private:
  const std::shared_ptr<cluster::late_broker> to_;
};

}  // namespace evermill::cluster_simulation
