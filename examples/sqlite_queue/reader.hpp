// The reading end of a partition. Nothing is read ahead: the file is as near as a buffer would be.
#pragma once

#include "evermill/guarded_call.hpp"
#include "watcher.hpp"

namespace sqlite_queue {

/// What a reader and the watcher share.
class reading final : public watched {
 public:
  reading(std::shared_ptr<queue_file> file, stream_partition from, std::uint64_t lane, const reader_options& options,
          std::function<void()> on_readable);
  broker_result<std::size_t> poll(std::vector<stored_record>& out, std::size_t limit);
  void look(bool changed) override;
  void end() override { told_.end(); }

 private:
  broker_result<std::vector<stored_record>> read_on(connection& by, std::size_t limit) const;

  const std::shared_ptr<queue_file> file_;
  const stream_partition from_;
  const std::uint64_t lane_;
  const std::size_t most_bytes_;  // of one poll: what the caller wanted to have read ahead
  evermill::queue::guarded_call told_;

  std::mutex mutex_;
  position after_;
  bool wants_call_ = true;
  bool may_have_missed_ = false;  // the file could not be read
  std::optional<broker_error> ended_;
};

std::unique_ptr<stream_reader> make_reader(std::shared_ptr<watcher> by, std::shared_ptr<reading> what);

}  // namespace sqlite_queue
