#include "base/spelling.hpp"

#include <algorithm>

#include "base/text.hpp"

namespace evermill {

std::string nearest(std::string_view name, const std::vector<std::string>& candidates) {
  if (name.size() > max_name_bytes) return {};  // the cost grows with its square
  std::string best;
  if (name.empty()) return {};
  std::size_t best_distance = std::min(name.size() - 1, std::max<std::size_t>(2, name.size() / 3)) + 1;
  for (const std::string& candidate : candidates) {
    const std::size_t longer = std::max(name.size(), candidate.size()), shorter = std::min(name.size(), candidate.size());
    if (longer - shorter >= best_distance) continue;
    std::vector<std::vector<std::size_t>> cost(name.size() + 1, std::vector<std::size_t>(candidate.size() + 1));
    for (std::size_t i = 0; i <= name.size(); ++i) {
      for (std::size_t j = 0; j <= candidate.size(); ++j) {
        if (i == 0 || j == 0) {
          cost[i][j] = i + j;
          continue;
        }
        const bool same = name[i - 1] == candidate[j - 1];
        cost[i][j] = std::min({cost[i - 1][j] + 1, cost[i][j - 1] + 1, cost[i - 1][j - 1] + (same ? 0u : 1u)});
        const bool swapped = i > 1 && j > 1 && name[i - 1] == candidate[j - 2] && name[i - 2] == candidate[j - 1];
        if (swapped) cost[i][j] = std::min(cost[i][j], cost[i - 2][j - 2] + 1);
      }
    }
    if (const std::size_t distance = cost[name.size()][candidate.size()]; distance < best_distance) {
      best_distance = distance;
      best = candidate;
    }
  }
  return best;
}

}  // namespace evermill
