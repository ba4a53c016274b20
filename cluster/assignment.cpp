#include "cluster/assignment.hpp"

#include <algorithm>
#include <optional>
#include <set>
#include <tuple>

namespace evermill::cluster {
namespace {

class assigner {
 public:
  explicit assigner(const assignment_input& input) : input_(input), result_(input.partitions.size()), heirs_(result_.size()) {
    for (const std::string& each : input.members) load_[each] = follows_[each] = 0;
  }

  std::vector<assigned_partition> run() {
    keep_owners();
    give_away_orphans();
    free_leaving();
    spread();
    for (std::size_t p = 0; p < result_.size(); ++p) choose_followers(p);
    return std::move(result_);
  }

 private:
  bool can_own(const std::string& member) const { return load_.contains(member); }
  bool leaves(const std::string& member) const {
    return std::find(input_.leaving.begin(), input_.leaving.end(), member) != input_.leaving.end();
  }
  bool has_caught_up(std::size_t p, const std::string& member) const {
    const auto follower = input_.partitions[p].followers.find(member);
    return follower != input_.partitions[p].followers.end() && follower->second;
  }

  void keep_owners() {
    for (std::size_t p = 0; p < result_.size(); ++p) {
      const std::string& owner = input_.partitions[p].owner;
      if (!can_own(owner) && !leaves(owner)) continue;
      result_[p].owner = owner;
      if (can_own(owner)) ++load_[owner];
    }
  }

  void give_away_orphans() {
    for (std::size_t p = 0; p < result_.size(); ++p) {
      if (!result_[p].owner.empty() || load_.empty()) continue;
      // Caught up, then following at all, then with least to do.
      const auto rank = [&](const std::string& member) {
        const bool follows = input_.partitions[p].followers.contains(member);
        return std::tuple(!has_caught_up(p, member), !follows, load_.at(member), member);
      };
      result_[p].owner = std::min_element(load_.begin(), load_.end(), [&](const auto& a, const auto& b) {
                           return rank(a.first) < rank(b.first);
                         })->first;
      ++load_[result_[p].owner];
    }
  }

  /// The member with least to do, of those that have caught up with the partition where only those count.
  std::optional<std::string> least_loaded(std::optional<std::size_t> caught_up_with) const {
    std::optional<std::string> least;
    for (const auto& [member, load] : load_) {
      if (caught_up_with && !has_caught_up(*caught_up_with, member)) continue;
      if (!least || load < load_.at(*least)) least = member;
    }
    return least;
  }

  bool move(std::size_t p, const std::string& to) {
    if (moves_ == input_.max_moves) return false;
    ++moves_;
    if (can_own(result_[p].owner)) --load_[result_[p].owner];
    ++load_[to];
    result_[p].owner = to;
    return true;
  }

  void free_leaving() {
    for (std::size_t p = 0; p < result_.size(); ++p) {
      if (!leaves(result_[p].owner)) continue;
      if (const auto heir = least_loaded(p)) {
        move(p, *heir);
      } else if (const auto next = least_loaded(std::nullopt)) {
        heirs_[p] = *next;
      }
    }
  }

  /// One at a time from the member with most to do to the one with least: moved where that one has caught up, prepared otherwise.
  void spread() {
    std::map<std::string, std::size_t> planned = load_;
    while (!planned.empty()) {
      const auto by_load = [](const auto& a, const auto& b) { return a.second < b.second; };
      const auto most = std::max_element(planned.begin(), planned.end(), by_load);
      const auto least = std::min_element(planned.begin(), planned.end(), by_load);
      if (most->second <= least->second + 1) return;
      const auto p = partition_to_move(most->first, least->first);
      if (!p) return;
      --most->second;
      ++least->second;
      if (!has_caught_up(*p, least->first) || !move(*p, least->first)) heirs_[*p] = least->first;
    }
  }

  /// Best one that the receiver has caught up with, or follows; then the first.
  std::optional<std::size_t> partition_to_move(const std::string& from, const std::string& to) const {
    std::optional<std::size_t> best;
    const auto rank = [&](std::size_t p) {
      return std::tuple(!has_caught_up(p, to), !input_.partitions[p].followers.contains(to), p);
    };
    for (std::size_t p = 0; p < result_.size(); ++p) {
      if (result_[p].owner != from || heirs_[p]) continue;
      if (!best || rank(p) < rank(*best)) best = p;
    }
    return best;
  }

  void choose_followers(std::size_t p) {
    std::set<std::string> chosen;
    if (heirs_[p]) chosen.insert(*heirs_[p]);
    const auto rank = [&](const std::string& member) {
      const bool follows = input_.partitions[p].followers.contains(member);
      return std::tuple(!has_caught_up(p, member), !follows, follows_.at(member), load_.at(member), member);
    };
    while (chosen.size() < std::max<std::size_t>(input_.followers, heirs_[p] ? 1 : 0)) {
      std::optional<std::string> best;
      for (const auto& [member, load] : load_) {
        if (member == result_[p].owner || chosen.contains(member)) continue;
        if (!best || rank(member) < rank(*best)) best = member;
      }
      if (!best) break;
      chosen.insert(*best);
    }
    for (const std::string& each : chosen) ++follows_[each];
    result_[p].followers.assign(chosen.begin(), chosen.end());
  }

  const assignment_input& input_;
  std::vector<assigned_partition> result_;
  std::vector<std::optional<std::string>> heirs_;  // who is to follow a partition, to get it later
  std::map<std::string, std::size_t> load_;        // partitions owned, by member that can own
  std::map<std::string, std::size_t> follows_;
  std::size_t moves_ = 0;
};

}  // namespace

std::vector<assigned_partition> assign(const assignment_input& input) { return assigner(input).run(); }

}  // namespace evermill::cluster
