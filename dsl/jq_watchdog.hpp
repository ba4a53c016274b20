// Ends evaluations of libjq that take too long. libjq itself counts nothing: `[repeat(1)]` would run until the memory ends.
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>

#include "dsl/jq_library.hpp"

namespace evermill::dsl::jq {

/// One jq_state under watch, which it must outlive. Used by one thread at a time; making and destroying one takes a lock,
/// begin() and end() none.
///
/// The watch is one thread of the process, started by the first of these; it sleeps while nothing is evaluated.
class watched {
 public:
  explicit watched(jq_state* state);
  ~watched();
  watched(const watched&) = delete;
  watched& operator=(const watched&) = delete;

  /// An evaluation begins that may take `limit`, up to watchdog_period longer.
  void begin(std::chrono::milliseconds limit);
  /// It has ended. True where it was stopped: what it gave is no result, and the state must not be used again.
  bool end();

 private:
  friend class watchdog;
  enum class phase : std::uint8_t { idle, running, stopping, stopped };

  jq_state* const state_;
  std::atomic<phase> phase_{phase::idle};
  std::atomic<std::uint64_t> due_{0};  // in ticks of the watchdog
};

inline constexpr std::chrono::milliseconds watchdog_period{20};

}  // namespace evermill::dsl::jq
