// A broker whose connection can be slow: while it holds, appends are on their way and reach the server when the test lets them; it
// can also lose the answer to one, leave out a record that it reads, and not answer who wants to read.
#pragma once

#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "evermill/broker.hpp"

namespace evermill::cluster {

class late_broker final : public queue::broker {
 public:
  explicit late_broker(std::unique_ptr<queue::broker> real) : real_(std::move(real)) {}

  /// Whoever has written hears nothing any more; what is on its way may come all the same.
  void forget_callers() {
    for (late_append& each : late_) each.done = nullptr;
  }
  /// The process is dead: what it still writes while it is taken apart is not written.
  void cut() {
    cut_ = true;
    forget_callers();
  }
  bool is_cut() const { return cut_; }
  bool holds() const { return holds_ || !late_.empty(); }
  /// Off, at first: correctness must not need them.
  void pass_fences(bool passes) { passes_fences_ = passes; }
  void hold(bool holds) { holds_ = holds; }
  std::size_t on_their_way() const { return late_.size(); }
  /// Lets the next one reach the server. False: there is none.
  bool deliver() {
    auto next = take();
    if (next) send(std::move(*next));
    return next.has_value();
  }
  /// The next one reaches the server, but whoever wrote it is told that nobody knows.
  bool deliver_without_answer() {
    auto next = take();
    if (!next) return false;
    const append_callback done = std::exchange(next->done, nullptr);
    send(std::move(*next));
    if (done) done(unexpected(lost_answer()));
    return true;
  }
  /// The next one never reaches the server, and whoever wrote it is told that nobody knows.
  bool drop() {
    auto next = take();
    if (next && next->done) next->done(unexpected(lost_answer()));
    return next.has_value();
  }
  /// Readers leave out the record at this place.
  void leave_out(queue::position at) { left_out_ = at; }
  /// Nobody can begin to read.
  void refuse_readers(bool refuses) { refuses_readers_ = refuses; }
  bool refuses_readers() const { return refuses_readers_; }

  std::string address() const override { return real_->address(); }
  queue::broker_result<std::uint32_t> ensure_stream(const std::string& stream, std::uint32_t partitions) override {
    return real_->ensure_stream(stream, partitions);
  }
  queue::broker_result<std::uint32_t> find_stream(const std::string& stream) override { return real_->find_stream(stream); }
  queue::broker_result<void> delete_stream(const std::string& stream) override { return real_->delete_stream(stream); }
  queue::broker_result<void> append(const queue::stream_partition& to, std::vector<queue::record> records,
                                    append_callback done, std::uint64_t fence) override {
    if (cut_) return {};
    if (!passes_fences_) fence = 0;
    if (!holds_ && late_.empty()) return real_->append(to, std::move(records), std::move(done), fence);
    late_.push_back({to, std::move(records), std::move(done), fence});
    return {};
  }
  std::size_t max_record_bytes() const override { return real_->max_record_bytes(); }
  queue::broker_result<std::unique_ptr<queue::stream_reader>> read(const queue::stream_partition& from,
                                                                   const queue::reader_options& options,
                                                                   std::function<void()> on_readable) override {
    if (refuses_readers_) return unexpected(queue::broker_error{queue::broker_errc::unavailable, "the server is away"});
    auto opened = real_->read(from, options, std::move(on_readable));
    if (!opened || !left_out_) return opened;
    return std::make_unique<lossy_reader>(std::move(*opened), *left_out_);
  }
  queue::broker_result<queue::stream_bounds> bounds(const queue::stream_partition& of) override { return real_->bounds(of); }
  queue::broker_result<void> trim(const queue::stream_partition& of, queue::position through) override {
    return real_->trim(of, through);
  }
  queue::broker_result<std::unique_ptr<queue::membership>> join(const queue::membership_options& options,
                                                                std::function<void()> on_change) override {
    return real_->join(options, std::move(on_change));
  }
  queue::broker_result<queue::broker_durability> durability() override { return real_->durability(); }
  bool flush(std::chrono::milliseconds limit) override { return real_->flush(limit); }
  void close() override { real_->close(); }

 private:
  struct late_append {
    queue::stream_partition to;
    std::vector<queue::record> records;
    append_callback done;
    std::uint64_t fence = 0;
  };
  class lossy_reader final : public queue::stream_reader {
   public:
    lossy_reader(std::unique_ptr<queue::stream_reader> real, queue::position left_out)
        : real_(std::move(real)), left_out_(left_out) {}
    queue::broker_result<std::size_t> poll(std::vector<queue::stored_record>& out, std::size_t limit) override {
      auto count = real_->poll(out, limit);
      std::erase_if(out, [this](const queue::stored_record& each) { return each.at == left_out_; });
      return count;
    }

   private:
    std::unique_ptr<queue::stream_reader> real_;
    queue::position left_out_;
  };
  std::optional<late_append> take() {
    if (late_.empty()) return std::nullopt;
    std::optional<late_append> next = std::move(late_.front());
    late_.pop_front();
    return next;
  }
  void send(late_append&& what) {
    static_cast<void>(real_->append(what.to, std::move(what.records), std::move(what.done), what.fence));
  }
  static queue::broker_error lost_answer() { return {queue::broker_errc::unavailable, "the answer was lost"}; }

  std::unique_ptr<queue::broker> real_;
  std::deque<late_append> late_;
  bool holds_ = false;
  bool cut_ = false;
  bool refuses_readers_ = false;
  bool passes_fences_ = false;
  std::optional<queue::position> left_out_;
};

}  // namespace evermill::cluster
