#include "tally.hpp"

#include <algorithm>
#include <utility>

namespace log_analysis {
namespace {

constexpr std::size_t kept_counts = 100;
constexpr std::size_t kept_anomalies = 20;

void add(counts& to, const counts& part) {
  for (const auto& [name, count] : part) to[name] += count;
}

void trim(counts& what) {
  if (what.size() <= kept_counts) return;
  counts kept;
  for (const std::string& name : most_frequent(what, kept_counts)) kept[name] = what[name];
  what = std::move(kept);
}

}  // namespace

void add_anomaly(tally& to, const std::string& text) {
  ++to.anomaly_count;
  if (to.anomalies.size() < kept_anomalies) to.anomalies.push_back(text);
}

void add(tally& to, const tally& part) {
  to.files += part.files;
  to.bytes += part.bytes;
  to.lines += part.lines;
  add(to.kinds, part.kinds);
  add(to.packages, part.packages);
  add(to.words, part.words);
  to.anomaly_count += part.anomaly_count;
  for (const std::string& text : part.anomalies) {
    if (to.anomalies.size() < kept_anomalies) to.anomalies.push_back(text);
  }
}

std::vector<std::string> most_frequent(const counts& of, std::size_t limit) {
  std::vector<std::pair<std::string, std::uint64_t>> sorted(of.begin(), of.end());
  std::stable_sort(sorted.begin(), sorted.end(), [](const auto& a, const auto& b) { return a.second > b.second; });
  std::vector<std::string> names;
  for (std::size_t i = 0; i < std::min(limit, sorted.size()); ++i) names.push_back(sorted[i].first);
  return names;
}

void trim(tally& what) {
  trim(what.kinds);
  trim(what.packages);
  trim(what.words);
}

}  // namespace log_analysis
