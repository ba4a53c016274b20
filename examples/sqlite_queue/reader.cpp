#include "reader.hpp"

#include <iterator>

namespace sqlite_queue {
namespace {

class file_reader final : public stream_reader {
 public:
  file_reader(std::shared_ptr<watcher> by, std::shared_ptr<reading> what)
      : watcher_(std::move(by)), what_(std::move(what)) {}
  ~file_reader() override {
    watcher_->remove(*what_);
    what_->end();
  }
  broker_result<std::size_t> poll(std::vector<stored_record>& out, std::size_t limit) override {
    return what_->poll(out, limit);
  }

 private:
  const std::shared_ptr<watcher> watcher_;
  const std::shared_ptr<reading> what_;
};

}  // namespace

reading::reading(std::shared_ptr<queue_file> file, stream_partition from, std::uint64_t lane, const reader_options& options,
                 std::function<void()> on_readable)
    : file_(std::move(file)),
      from_(std::move(from)),
      lane_(lane),
      most_bytes_(std::max<std::size_t>(options.prefetch_bytes, 1)),
      told_(std::move(on_readable)),
      after_(options.after) {}

/// The lock is held from before the file is read until it is known whether a call is wanted. So whatever is committed after
/// that finds the wish, and the watcher, which looks again after each commit, can't miss it.
broker_result<std::size_t> reading::poll(std::vector<stored_record>& out, std::size_t limit) {
  const std::lock_guard lock(mutex_);
  if (file_->closed) return closed();
  if (ended_) return evermill::unexpected(*ended_);
  auto found = attempt([&] { return file_->read([&](connection& by) { return read_on(by, limit); }); });
  if (!found && found.error().code != broker_errc::unavailable) {
    ended_ = found.error();
    return evermill::unexpected(*ended_);
  }
  const std::size_t count = found ? found->size() : 0;
  if (count == 0) {
    wants_call_ = true;
    may_have_missed_ = !found;
    return 0;
  }
  after_ = found->back().at;
  std::move(found->begin(), found->end(), std::back_inserter(out));
  return count;
}

broker_result<std::vector<stored_record>> reading::read_on(connection& by, std::size_t limit) const {
  const auto fail = [&](broker_errc code, const char* what) {
    return evermill::unexpected(broker_error{code, "sqlite broker: " + name_of(from_) + what + std::to_string(after_)});
  };
  transaction one_moment(by, "BEGIN");
  const auto from = find_lane(by, lane_);
  if (!from) return fail(broker_errc::regressed, "was deleted; it was read up to ");
  if (from->last < after_) return fail(broker_errc::regressed, "is not what it was: it ends before ");
  if (from->first > after_ + 1) return fail(broker_errc::trimmed, "does not keep any more what follows ");
  return read_records(by, *from, after_, limit, most_bytes_);
}

void reading::look(bool changed) {
  {
    const std::lock_guard lock(mutex_);
    if (!wants_call_ || !(changed || may_have_missed_)) return;
  }
  const auto from = file_->read([&](connection& by) { return find_lane(by, lane_); });
  {
    const std::lock_guard lock(mutex_);
    if (from && from->last <= after_ && from->first <= after_ + 1) return;
    wants_call_ = may_have_missed_ = false;
  }
  told_.make();
}

std::unique_ptr<stream_reader> make_reader(std::shared_ptr<watcher> by, std::shared_ptr<reading> what) {
  return std::make_unique<file_reader>(std::move(by), std::move(what));
}

}  // namespace sqlite_queue
