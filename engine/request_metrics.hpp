// How the requests of other programs go, by what they ask for. Counted by the servers, whichever protocol they speak.
#pragma once

#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string_view>

#include "base/metrics.hpp"

namespace evermill {

/// Thread-safe, without locks.
class request_metrics {
 public:
  enum class door : std::uint8_t { grpc, http };
  static constexpr std::size_t door_count = 2;
  /// As evermill's servers answer: in gRPC's words.
  static constexpr std::size_t code_count = 17;

  struct of_method {
    metrics::gauge open;
    metrics::histogram duration;
    std::array<metrics::counter, code_count> ended;
  };

  /// One request that is under way.
  class open_request {
   public:
    /// It has been answered, or its stream has ended: by gRPC's number of a status. Once at most; left out, it was abandoned, which is
    /// counted as canceled.
    void ended(std::size_t code) noexcept;
    /// It goes on for as long as its client wants: how long that is says nothing.
    void is_stream() noexcept { stream_ = true; }
    ~open_request();
    open_request(const open_request&) = delete;
    open_request& operator=(const open_request&) = delete;

   private:
    friend class request_metrics;
    explicit open_request(of_method& of) noexcept;
    of_method& of_;
    const std::chrono::steady_clock::time_point began_;
    bool stream_ = false;
    bool ended_ = false;
  };

  /// `method` is one of a table's, or names of strangers: at most 100 are told apart. The request must end before this does.
  std::unique_ptr<open_request> begin(door by, std::string_view method);

  void collect(metrics::scrape& into) const;

 private:
  std::array<metrics::by_label<of_method>, door_count> doors_;
};

}  // namespace evermill
