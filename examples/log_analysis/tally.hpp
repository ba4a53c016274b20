// Counts of one file or of many: adding tallies up gives the tally of all.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

namespace log_analysis {

using counts = std::map<std::string, std::uint64_t>;

struct tally {
  std::uint64_t files = 0;
  std::uint64_t bytes = 0;
  std::uint64_t lines = 0;
  counts kinds;  ///< actions of logs, urgencies of changelogs, licences, top folders
  counts packages;
  counts words;
  std::uint64_t anomaly_count = 0;
  std::vector<std::string> anomalies;  ///< the first of them
};
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE_WITH_DEFAULT(tally, files, bytes, lines, kinds, packages, words, anomaly_count,
                                                anomalies)

void add_anomaly(tally& to, const std::string& text);
void add(tally& to, const tally& part);

/// The `limit` most frequent, most frequent first; equals in alphabetical order.
std::vector<std::string> most_frequent(const counts& of, std::size_t limit);
/// Drops all but the most frequent entries, so that what is journaled stays small.
void trim(tally& what);

}  // namespace log_analysis
