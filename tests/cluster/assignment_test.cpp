#include "cluster/assignment.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <memory>
#include <random>
#include <set>

#include "base/random.hpp"

namespace evermill::cluster {
namespace {

using testing::ElementsAre;
using testing::Each;
using testing::Field;

/// Does what it is told: owners change at once, followers catch up in the next round.
class cluster_of {
 public:
  cluster_of(std::vector<std::string> members, std::size_t partitions, std::size_t followers = 1) {
    input.members = std::move(members);
    input.partitions.resize(partitions);
    input.followers = followers;
  }

  /// How many partitions changed their owner although it lives; and those that nobody owned.
  struct changes {
    std::size_t moved = 0;
    std::size_t given = 0;
    bool any = false;
  };
  changes round() {
    const auto wanted = assign(input);
    changes done;
    for (std::size_t p = 0; p < wanted.size(); ++p) {
      partition_place& at = input.partitions[p];
      partition_place next{wanted[p].owner, {}};
      for (const std::string& each : wanted[p].followers) next.followers[each] = at.followers.contains(each) || at.owner == each;
      if (next.owner != at.owner) ++(lives(at.owner) ? done.moved : done.given);
      done.any = done.any || next.owner != at.owner || next.followers != at.followers;
      at = std::move(next);
    }
    return done;
  }
  /// Returns how many rounds it took; fails where it does not come to rest.
  std::size_t settle() {
    for (std::size_t n = 0; n < 1'000; ++n) {
      if (!round().any) return n;
    }
    ADD_FAILURE() << "it does not come to rest";
    return 0;
  }
  void kill(std::string member) {  // a copy: it is erased
    std::erase(input.members, member);
    std::erase(input.leaving, member);
    for (partition_place& each : input.partitions) {
      each.followers.erase(member);
      if (each.owner == member) each.owner.clear();
    }
  }
  void leave(std::string member) {
    if (std::erase(input.members, member) != 0) input.leaving.push_back(member);
  }
  bool lives(const std::string& member) const {
    return std::count(input.members.begin(), input.members.end(), member) +
               std::count(input.leaving.begin(), input.leaving.end(), member) != 0;
  }
  std::size_t owned_by(const std::string& member) const {
    return static_cast<std::size_t>(std::count_if(input.partitions.begin(), input.partitions.end(),
                                                  [&](const partition_place& each) { return each.owner == member; }));
  }
  void expect_balance() const {
    std::size_t least = input.partitions.size();
    std::size_t most = 0;
    for (const std::string& each : input.members) {
      least = std::min(least, owned_by(each));
      most = std::max(most, owned_by(each));
    }
    EXPECT_LE(most, least + 1);
    for (const partition_place& each : input.partitions) {
      EXPECT_TRUE(lives(each.owner)) << "owned by nobody, or by the dead";
      EXPECT_EQ(each.followers.size(), std::min(input.followers, input.members.size() - 1));
      EXPECT_FALSE(each.followers.contains(each.owner));
    }
    for (const std::string& each : input.leaving) EXPECT_EQ(owned_by(each), 0U);
  }

  assignment_input input;
};

TEST(Assignment, OneMemberOwnsAll) {
  cluster_of one({"a"}, 8);
  const auto changes = one.round();
  EXPECT_EQ(changes.given, 8U);
  one.expect_balance();
}

TEST(Assignment, NobodyOwnsWhereNobodyIs) {
  assignment_input nobody;
  nobody.partitions.resize(3);
  EXPECT_THAT(assign(nobody), Each(Field(&assigned_partition::owner, "")));
}

TEST(Assignment, ASecondMemberFirstFollowsAndThenGetsItsHalf) {
  cluster_of all({"a"}, 8);
  all.settle();
  all.input.members.push_back("b");
  EXPECT_EQ(all.round().moved, 0U) << "it has not read the logs";
  std::size_t moved = 0;
  for (auto done = all.round(); done.any; done = all.round()) {
    EXPECT_LE(done.moved, all.input.max_moves);
    moved += done.moved;
  }
  EXPECT_EQ(moved, 4U);
  all.expect_balance();
}

TEST(Assignment, AnOrphanGoesToWhoHasCaughtUp) {
  assignment_input input;
  input.members = {"busy", "idle"};
  input.partitions = {{"busy", {}}, {"busy", {}}, {"", {{"busy", true}, {"idle", false}}}};
  EXPECT_EQ(assign(input)[2].owner, "busy") << "although it has more to do";
  input.partitions[2].followers = {{"idle", false}};
  EXPECT_EQ(assign(input)[2].owner, "idle");
  input.partitions[2].followers.clear();
  EXPECT_EQ(assign(input)[2].owner, "idle") << "it has least to do";
}

TEST(Assignment, OnlyThePartitionsOfTheDeadChangeTheirOwnerAtOnce) {
  cluster_of all({"a", "b", "c"}, 12);
  all.settle();
  const auto before = all.input.partitions;
  all.kill("b");
  const auto changes = all.round();
  EXPECT_EQ(changes.given, 4U) << "all are served after one round";
  for (std::size_t p = 0; p < before.size(); ++p) {
    if (before[p].owner == "b") {
      EXPECT_TRUE(before[p].followers.contains(all.input.partitions[p].owner));
    }
  }
  all.settle();
  all.expect_balance();
}

TEST(Assignment, WhoLeavesKeepsItsPartitionsUntilSomebodyHasCaughtUp) {
  cluster_of all({"a", "b"}, 6, 0);
  all.settle();
  all.leave("b");
  EXPECT_EQ(all.round().moved, 0U);
  EXPECT_EQ(all.owned_by("b"), 3U);
  all.settle();
  EXPECT_EQ(all.owned_by("a"), 6U);
}

TEST(Assignment, TheLastOneThatLeavesKeepsAll) {
  cluster_of all({"a"}, 3);
  all.settle();
  all.leave("a");
  all.round();
  EXPECT_EQ(all.owned_by("a"), 3U);
}

TEST(Assignment, DoesNotDependOnTheOrderOfTheList) {
  cluster_of all({"c", "a", "b"}, 10);
  cluster_of same({"a", "b", "c"}, 10);
  EXPECT_EQ(assign(all.input), assign(same.input));
}

TEST(Assignment, MovesNoMoreThanIsNeeded) {
  for (std::size_t members = 1; members < 8; ++members) {
    std::vector<std::string> names;
    for (std::size_t i = 0; i < members; ++i) names.push_back("m" + std::to_string(i));
    cluster_of all(names, 32);
    all.settle();
    all.input.members.push_back("new");
    std::size_t moved = 0;
    for (auto done = all.round(); done.any; done = all.round()) moved += done.moved;
    EXPECT_LE(moved, 32 / (members + 1) + 1) << members;
    all.expect_balance();
  }
}

TEST(Assignment, ComesToRestInBalanceWhateverHappens) {
  for (std::uint64_t seed = 1; seed <= 300; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    const auto random = make_seeded_random(seed);
    const auto below = [&](std::uint64_t limit) { return random->next() % limit; };
    cluster_of all({"m0"}, 1 + below(40), below(3));
    std::size_t next = 1;
    for (int n = 0; n < 40; ++n) {
      const std::size_t count = all.input.members.size();
      switch (below(4)) {
        case 0: all.input.members.push_back("m" + std::to_string(next++)); break;
        case 1:
          if (count > 1) all.kill(all.input.members[below(count)]);
          break;
        case 2:
          if (count > 1) all.leave(all.input.members[below(count)]);
          break;
        default: all.round();
      }
      if (below(5) == 0 && !all.input.leaving.empty()) all.kill(all.input.leaving.front());
    }
    EXPECT_LE(all.settle(), 4 * all.input.partitions.size() + 8);
    all.expect_balance();
    if (testing::Test::HasFailure()) return;
  }
}

}  // namespace
}  // namespace evermill::cluster
