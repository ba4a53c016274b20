// Which process should own which partition, and which ones should follow it, ready to take over. A suggestion: the coordinator
// computes it, whoever is named tries, and claims in the logs decide (storage/log_judge.hpp). So it may be wrong for a while
// without harm, and two coordinators at once only cost work.
//
//   - A partition stays where it is, as long as its owner lives.
//   - One that nobody owns goes to a follower that has caught up, as it can go on at once, and otherwise to the one with least to
//     do: being served comes before being spread evenly.
//   - To spread partitions evenly, or off a process that leaves, a few at a time move to followers that have caught up; where there
//     is none, one is made first. So a planned move never waits for a log to be read.
#pragma once

#include <cstddef>
#include <map>
#include <string>
#include <vector>

#include "base/ids.hpp"

namespace evermill::cluster {

/// Where a partition is now, as the processes tell.
struct partition_place {
  std::string owner;                      ///< a member's id; "": nobody
  std::map<std::string, bool> followers;  ///< by member's id: has it caught up?
};

struct assignment_input {
  std::vector<std::string> members;  ///< alive, and willing to own partitions
  std::vector<std::string> leaving;  ///< alive, and to be freed of what they own; in no other list
  std::vector<partition_place> partitions;
  std::size_t followers = 1;  ///< that each partition should have, as far as there are members
  std::size_t max_moves = 4;  ///< of partitions whose owner lives, at once
};

struct assigned_partition {
  std::string owner;                   ///< "": nobody can
  std::vector<std::string> followers;  ///< ordered by id; never the owner
  friend bool operator==(const assigned_partition&, const assigned_partition&) = default;
};

/// One per partition. Deterministic: the same input, in whichever order its members are listed, gives the same result. Called again
/// whenever something has changed, it comes to rest with loads that differ by one at most.
std::vector<assigned_partition> assign(const assignment_input& input);

}  // namespace evermill::cluster
