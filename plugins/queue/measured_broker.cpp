#include "plugins/queue/measured_broker.hpp"

#include <algorithm>
#include <string>
#include <utility>

namespace evermill::queue {
namespace {

namespace shown {
using metrics::description;
using metrics::kind;

constexpr description duration{"evermill_broker_append_duration_seconds", kind::histogram,
                               "Time until the broker has answered an append to the stream, well or not."};
constexpr description records{"evermill_broker_appended_records_total", kind::counter, "Records that the broker has taken."};
constexpr description bytes{"evermill_broker_appended_bytes_total", kind::counter,
                            "Bytes of keys and values in those records."};
constexpr description failures{"evermill_broker_append_failures_total", kind::counter,
                               "Appends that the broker has refused, or of which it is not known whether it has taken them."};
}  // namespace shown

class measured_broker final : public broker {
 public:
  measured_broker(std::unique_ptr<broker> real, broker_metrics& counts, clock& time)
      : real_(std::move(real)), counts_(counts), time_(time) {}

  broker_result<void> append(const stream_partition& to, std::vector<record> records, append_callback done,
                             std::uint64_t fence) override {
    broker_metrics::of_stream& of = counts_.streams[to.stream];
    std::size_t bytes = 0;
    for (const record& each : records) bytes += each.key.size() + each.value.size();
    const auto answered = [&of, &time = time_, count = records.size(), bytes, from = time_.now(),
                           done = std::move(done)](broker_result<position> at) {
      const std::chrono::duration<double> took = std::max(time.now() - from, std::chrono::microseconds(0));
      of.duration.observe(took.count());
      if (at) {
        of.records.add(count);
        of.bytes.add(bytes);
      } else {
        of.failures.add();
      }
      if (done) done(std::move(at));
    };
    auto taken = real_->append(to, std::move(records), answered, fence);
    if (!taken) of.failures.add();
    return taken;
  }

  std::string address() const override { return real_->address(); }
  broker_result<std::uint32_t> ensure_stream(const std::string& stream, std::uint32_t partitions) override {
    return real_->ensure_stream(stream, partitions);
  }
  broker_result<std::uint32_t> find_stream(const std::string& stream) override { return real_->find_stream(stream); }
  broker_result<void> delete_stream(const std::string& stream) override { return real_->delete_stream(stream); }
  std::size_t max_record_bytes() const override { return real_->max_record_bytes(); }
  broker_result<std::unique_ptr<stream_reader>> read(const stream_partition& from, const reader_options& options,
                                                     std::function<void()> on_readable) override {
    return real_->read(from, options, std::move(on_readable));
  }
  broker_result<stream_bounds> bounds(const stream_partition& of) override { return real_->bounds(of); }
  broker_result<void> trim(const stream_partition& of, position through) override { return real_->trim(of, through); }
  broker_result<std::unique_ptr<membership>> join(const membership_options& options, std::function<void()> on_change) override {
    return real_->join(options, std::move(on_change));
  }
  broker_result<broker_durability> durability() override { return real_->durability(); }
  bool flush(std::chrono::milliseconds limit) override { return real_->flush(limit); }
  void close() override { real_->close(); }

 private:
  const std::unique_ptr<broker> real_;
  broker_metrics& counts_;
  clock& time_;
};

}  // namespace

void broker_metrics::collect(metrics::scrape& into) const {
  for (const metrics::description& each : {shown::duration, shown::records, shown::bytes, shown::failures}) into.describe(each);
  streams.for_each([&](std::string_view name, const of_stream& of) {
    const metrics::labels which{{"stream", std::string(name)}};
    into.add(shown::duration, which, of.duration);
    into.add(shown::records, which, of.records);
    into.add(shown::bytes, which, of.bytes);
    into.add(shown::failures, which, of.failures);
  });
}

std::unique_ptr<broker> measure(std::unique_ptr<broker> real, broker_metrics& counts, clock& time) {
  return std::make_unique<measured_broker>(std::move(real), counts, time);
}

}  // namespace evermill::queue
