// The last lines that running attempts have written, for whoever looks at them in this process. Nothing of it is stored.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <list>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

#include "messages/task.pb.h"

namespace evermill::tasks {

/// What an attempt has written last: whole lines, the newest last, and what there is of the one that has not ended.
struct output_tail {
  std::uint64_t scheduled_seq = 0;
  std::uint32_t attempt = 0;
  std::vector<std::string> lines;
};

/// Thread-safe. Takes a copy of a few kilobytes of what is written, and nothing more until somebody looks.
class output_tails {
 public:
  static constexpr std::size_t kept_bytes = 8 * 1024;  ///< of each attempt, of both of its streams together

  class writer;

  /// Of an attempt, until the writer is destroyed. `hide` takes secrets out of a text that may be cut at both ends; it is
  /// called by those who look, until then.
  std::unique_ptr<writer> open(const messages::ActivityTask& task, std::function<void(std::string&)> hide);

  /// Of those attempts of the execution that have written something; at most so many lines of each.
  std::vector<output_tail> of(std::string_view workflow_id, std::size_t lines) const;

 private:
  struct entry;

  mutable std::mutex mutex_;
  std::list<entry> entries_;
};

struct output_tails::entry {
  std::string workflow_id;
  std::uint64_t scheduled_seq = 0;
  std::uint32_t attempt = 0;
  std::function<void(std::string&)> hide;
  mutable std::mutex mutex;  ///< of what follows
  std::string text;          ///< up to twice kept_bytes: it is cut now and then
  bool cut = false;          ///< something came before
};

/// Must not outlive its output_tails.
class output_tails::writer {
 public:
  writer(output_tails& all, std::list<entry>::iterator at) : all_(all), at_(at) {}
  ~writer();
  writer(const writer&) = delete;
  writer& operator=(const writer&) = delete;

  void add(std::string_view piece);

 private:
  output_tails& all_;
  const std::list<entry>::iterator at_;
};

}  // namespace evermill::tasks
