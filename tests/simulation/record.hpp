// What a simulated run leaves behind: what was wrong, a digest of everything that happened, and how often each kind of
// fault and feature was met.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace evermill::simulation {

using tally = std::map<std::string, std::uint64_t, std::less<>>;

class run_record {
 public:
  /// `print`: every line of the trace goes to standard error, too.
  explicit run_record(bool print) : print_(print) {}

  /// Everything that must be the same when the seed is run again.
  void trace(std::string_view line);
  /// Breaks a promise. The run stops soon after the first one.
  void finding(std::string what);
  void count(std::string_view what, std::uint64_t times = 1);

  std::uint64_t digest() const noexcept { return digest_; }
  const std::vector<std::string>& findings() const noexcept { return findings_; }
  const tally& counts() const noexcept { return counts_; }

 private:
  const bool print_;
  std::uint64_t digest_ = 0;
  std::vector<std::string> findings_;
  tally counts_;
};

}  // namespace evermill::simulation
