#include "plugins/queue/kafka/kafka_broker.hpp"

#include <chrono>
#include <list>
#include <mutex>
#include <optional>
#include <utility>

#include "plugins/queue/broker_limits.hpp"
#include "plugins/queue/kafka/membership.hpp"

namespace evermill::queue {
namespace kafka {
namespace {

class owned_membership final : public membership {
 public:
  explicit owned_membership(std::shared_ptr<group_membership> of) : of_(std::move(of)) {}
  ~owned_membership() override { of_->end(); }
  membership_view view() const override { return of_->view(); }
  void describe(std::string description) override { of_->describe(std::move(description)); }

 private:
  const std::shared_ptr<group_membership> of_;
};

class kafka_broker final : public broker {
 public:
  kafka_broker(settings with, const log& to) : settings_(std::move(with)), log_(to) {}
  ~kafka_broker() override { close(); }

  broker_result<void> open() {
    auto writes = producer::open(settings_, log_);
    if (!writes) return unexpected(std::move(writes.error()));
    producer_ = std::move(*writes);
    auto asks = admin::open(settings_, dispatcher_, log_);
    if (!asks) return unexpected(std::move(asks.error()));
    admin_ = std::move(*asks);
    readers_ = std::make_unique<readers>(settings_, *admin_, dispatcher_, log_);
    return {};
  }

  std::string address() const override { return settings_.address(); }

  broker_result<std::uint32_t> ensure_stream(const std::string& stream, std::uint32_t partitions) override {
    if (auto wrong = why_no_stream(stream)) return unexpected(std::move(*wrong));
    if (partitions == 0 || partitions > max_partitions) {
      return unexpected(broker_error{broker_errc::invalid, address() + ": create stream '" + stream + "': there can be 1 to " +
                                                               std::to_string(max_partitions) + " partitions"});
    }
    auto ensured = admin_->ensure(settings_.topic(stream), partitions);
    if (ensured) producer_->refresh(settings_.topic(stream), known_limit);
    return ensured;
  }

  broker_result<std::uint32_t> find_stream(const std::string& stream) override {
    if (auto wrong = why_no_stream(stream)) return unexpected(std::move(*wrong));
    return admin_->find(settings_.topic(stream));
  }

  broker_result<void> delete_stream(const std::string& stream) override {
    if (auto wrong = why_no_stream(stream)) return unexpected(std::move(*wrong));
    return admin_->remove(settings_.topic(stream));
  }

  broker_result<void> append(const stream_partition& to, std::vector<record> records, append_callback done,
                             std::uint64_t /*fence*/) override {
    if (auto wrong = why_no_stream(to.stream)) return unexpected(std::move(*wrong));
    return producer_->append(settings_.topic(to.stream), to.partition, std::move(records), std::move(done));
  }

  std::size_t max_record_bytes() const override { return producer_->max_record_bytes(); }

  broker_result<std::unique_ptr<stream_reader>> read(const stream_partition& from, const reader_options& options,
                                                     std::function<void()> on_readable) override {
    if (auto wrong = why_no_stream(from.stream)) return unexpected(std::move(*wrong));
    return readers_->read(settings_.topic(from.stream), from.partition, options, std::move(on_readable));
  }

  broker_result<stream_bounds> bounds(const stream_partition& of) override {
    if (auto wrong = why_no_stream(of.stream)) return unexpected(std::move(*wrong));
    return admin_->bounds(settings_.topic(of.stream), of.partition);
  }

  broker_result<void> trim(const stream_partition& of, position through) override {
    if (auto wrong = why_no_stream(of.stream)) return unexpected(std::move(*wrong));
    return admin_->trim(settings_.topic(of.stream), of.partition, through);
  }

  broker_result<std::unique_ptr<membership>> join(const membership_options& options,
                                                  std::function<void()> on_change) override {
    std::lock_guard lock(mutex_);
    if (is_closed_) return unexpected(broker_error{broker_errc::closed, address() + ": join: it is closed"});
    auto joined = join_group({settings_, *admin_, *producer_, *readers_, log_}, options, std::move(on_change));
    if (!joined) return unexpected(std::move(joined.error()));
    std::erase_if(memberships_, [](const std::weak_ptr<group_membership>& each) { return each.expired(); });
    memberships_.push_back(*joined);
    return std::make_unique<owned_membership>(std::move(*joined));
  }

  broker_result<broker_durability> durability() override { return admin_->durability(); }

  bool flush(std::chrono::milliseconds limit) override { return producer_->flush(limit); }

  void close() override {
    std::list<std::weak_ptr<group_membership>> memberships;
    {
      std::lock_guard lock(mutex_);
      is_closed_ = true;
      memberships.swap(memberships_);
    }
    if (admin_) admin_->close();  // what blocks ends, and with it what a membership may wait for
    for (const std::weak_ptr<group_membership>& each : memberships) {
      if (const auto alive = each.lock()) alive->end();
    }
    if (readers_) readers_->close();
    if (producer_) producer_->close();
    dispatcher_.stop();
  }

 private:
  static constexpr std::uint32_t max_partitions = 100'000;
  static constexpr std::chrono::seconds known_limit{10};  // that the producer takes to know a topic that is there

  std::optional<broker_error> why_no_stream(const std::string& stream) const {
    if (is_stream_name(stream)) return std::nullopt;
    return broker_error{broker_errc::invalid,
                        address() + ": '" + stream + "' can't name a stream: 1 to 200 of a-z, A-Z, 0-9, '.', '_' and '-' can"};
  }

  const settings settings_;
  const log log_;
  dispatcher dispatcher_;
  std::unique_ptr<producer> producer_;
  std::unique_ptr<admin> admin_;
  std::unique_ptr<readers> readers_;
  std::mutex mutex_;
  std::list<std::weak_ptr<group_membership>> memberships_;
  bool is_closed_ = false;
};

}  // namespace
}  // namespace kafka

broker_result<std::unique_ptr<broker>> make_kafka_broker(const std::string& address, const log& to) {
  auto parsed = kafka::parse_address(address);
  if (!parsed) return unexpected(std::move(parsed.error()));
  if (const auto encrypted = kafka::check_encrypted(*parsed); !encrypted) return unexpected(encrypted.error());
  auto made = std::make_unique<kafka::kafka_broker>(std::move(*parsed), to);
  if (const auto opened = made->open(); !opened) return unexpected(opened.error());
  return made;
}

}  // namespace evermill::queue
