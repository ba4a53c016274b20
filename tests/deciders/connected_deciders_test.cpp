#include "deciders/connected_deciders.hpp"

#include <gmock/gmock.h>

#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "tests/support/manual_clock.hpp"

namespace evermill::deciders {
namespace {

using namespace std::chrono_literals;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using kind = verdict::kind;

class heard final : public decider_connection {
 public:
  void ask(const std::string& token, std::shared_ptr<const question> what) override { asked.emplace_back(token, std::move(what)); }
  void drop(const std::string& run_id) override { dropped.push_back(run_id); }
  void close(const std::string& why) override { closed = why; }
  std::deque<std::pair<std::string, std::shared_ptr<const question>>> asked;
  std::vector<std::string> dropped;
  std::string closed;
};

struct worker {
  std::shared_ptr<heard> link = std::make_shared<heard>();
  connected_deciders::session_id session = 0;
};

class ConnectedDeciders : public testing::Test {
 protected:
  static connected_deciders_options options() {
    connected_deciders_options how;
    how.turn_timeout = 10s;
    how.slow_workers = 2;
    how.is_local = [](const std::string& type) { return type == "local"; };
    return how;
  }

  worker connect(const std::string& id, std::uint32_t room = 10, std::map<std::string, std::string> live = {}) {
    worker w;
    w.session = hub.connect({id, "", {{"order", ""}}, std::move(live)}, w.link);
    hub.grant(w.session, room);
    return w;
  }

  /// What it is told comes into `told`.
  void ask(decider_hub::ticket who, const std::string& run_id, bool from_start) {
    auto what = std::make_shared<question>();
    what->workflow_id = "w";
    what->run_id = run_id;
    what->workflow_type = "order";
    what->from_start = from_start;
    told.reset();
    hub.ask(who, std::move(what), [this](verdict&& how) { told = std::move(how); });
  }
  void answer(worker& w, kind how = kind::decided) {
    verdict what;
    what.what = how;
    const std::string token = w.link->asked.front().first;
    w.link->asked.pop_front();
    hub.answer(w.session, token, std::move(what));
  }
  kind outcome() const { return told.value().what; }

  tests::manual_clock time;
  connected_deciders hub{options(), "hub", time, log()};
  std::optional<verdict> told;
};

TEST_F(ConnectedDeciders, ARunStaysWithTheWorkerThatHasIt) {
  worker a = connect("a", 1);
  const auto run = hub.open();
  ask(run, "r", true);
  ASSERT_EQ(a.link->asked.size(), 1u);
  answer(a);
  EXPECT_EQ(outcome(), kind::decided);
  worker b = connect("b", 100);
  ask(run, "r", false);
  EXPECT_THAT(b.link->asked, IsEmpty());
  EXPECT_THAT(a.link->asked, IsEmpty()) << "it has granted no room";
  hub.grant(a.session, 1);
  EXPECT_EQ(a.link->asked.size(), 1u);
}

TEST_F(ConnectedDeciders, ARunMovesWhenItsWorkerIsGone) {
  worker a = connect("a");
  const auto run = hub.open();
  ask(run, "r", true);
  hub.disconnect(a.session);
  EXPECT_EQ(outcome(), kind::moved) << "its worker may have been deciding";
  worker b = connect("b");
  ask(run, "r", false);
  EXPECT_EQ(outcome(), kind::moved);
  ask(run, "r", true);
  ASSERT_EQ(b.link->asked.size(), 1u);
  EXPECT_TRUE(b.link->asked[0].second->from_start);
}

TEST_F(ConnectedDeciders, SaysSoWhereNoWorkerIsThere) {
  const auto run = hub.open();
  ask(run, "r", true);
  EXPECT_EQ(outcome(), kind::unserved);
  EXPECT_THAT(told->message, HasSubstr("\"order\""));
  EXPECT_EQ(hub.find("", "order", ""), nullptr);
  worker a = connect("a", 0);
  EXPECT_NE(hub.find("", "order", ""), nullptr);
  EXPECT_EQ(hub.find("", "order", "2"), nullptr);
  ask(run, "r", true);
  EXPECT_FALSE(told) << "it waits for room";
  hub.disconnect(a.session);
  EXPECT_EQ(outcome(), kind::unserved);
}

TEST_F(ConnectedDeciders, TellsThatAWorkerHasCome) {
  int times = 0;
  hub.on_served([&] { ++times; });
  connect("a");
  EXPECT_EQ(times, 1);
  hub.on_served({});
  connect("b");
  EXPECT_EQ(times, 1);
}

TEST_F(ConnectedDeciders, AWorkerThatConnectsAnewGoesOnWithWhatItHasDecided) {
  worker a = connect("a");
  const auto first = hub.open();
  const auto second = hub.open();
  ask(first, "r1", true);
  const std::string token = a.link->asked[0].first;
  answer(a);
  ask(second, "r2", true);
  answer(a);
  hub.disconnect(a.session);
  worker again = connect("a", 10, {{"r1", token}, {"r2", "hub.old"}, {"r3", "hub.9"}});
  EXPECT_THAT(again.link->dropped, ElementsAre("r2", "r3"));
  ask(first, "r1", false);
  EXPECT_EQ(again.link->asked.size(), 1u);
  ask(second, "r2", false);
  EXPECT_EQ(outcome(), kind::moved);
}

TEST_F(ConnectedDeciders, AnotherWorkerCantSayThatItHasTheRun) {
  worker a = connect("a");
  const auto run = hub.open();
  ask(run, "r", true);
  const std::string token = a.link->asked[0].first;
  answer(a);
  hub.disconnect(a.session);
  worker b = connect("b", 10, {{"r", token}});
  EXPECT_THAT(b.link->dropped, ElementsAre("r"));
}

TEST_F(ConnectedDeciders, ARunIsTakenFromAWorkerThatDoesNotAnswerInTime) {
  worker a = connect("a");
  worker b = connect("b", 1);
  const auto run = hub.open();
  ask(run, "r", true);
  ASSERT_EQ(a.link->asked.size(), 1u);
  time.advance(9s);
  EXPECT_FALSE(told);
  time.advance(4s);
  EXPECT_EQ(outcome(), kind::moved);
  EXPECT_THAT(a.link->dropped, ElementsAre("r"));
  ask(run, "r", true);
  ASSERT_EQ(b.link->asked.size(), 1u) << "although the other one has more room";
  answer(a);
  EXPECT_FALSE(told) << "that was too late";
  time.advance(13s);
  EXPECT_EQ(outcome(), kind::timed_out);
  EXPECT_THAT(told->message, HasSubstr("10000 ms"));
}

TEST_F(ConnectedDeciders, ASlowRunIsNotGivenToTheOnlyWorkerAgain) {
  worker a = connect("a");
  const auto run = hub.open();
  ask(run, "r", true);
  time.advance(13s);
  EXPECT_EQ(outcome(), kind::timed_out);
  ask(run, "r", true);
  EXPECT_EQ(a.link->asked.size(), 2u) << "when it is tried anew it may be";
}

TEST_F(ConnectedDeciders, AnEvictedRunMovesAndCantBeEvictedAtOnce) {
  worker a = connect("a");
  const auto run = hub.open();
  ask(run, "r", true);
  answer(a);
  ask(run, "r", false);
  answer(a, kind::moved);
  EXPECT_EQ(outcome(), kind::moved);
  ask(run, "r", true);
  answer(a, kind::moved);
  EXPECT_EQ(outcome(), kind::failed);
  ask(run, "r", true);
  answer(a);
  hub.evicted(a.session, "r");
  ask(run, "r", false);
  EXPECT_EQ(outcome(), kind::moved);
}

TEST_F(ConnectedDeciders, ARunThatNobodyNeedsIsDropped) {
  worker a = connect("a");
  const auto run = hub.open();
  ask(run, "r", true);
  hub.close(run);
  EXPECT_THAT(a.link->dropped, ElementsAre("r"));
  answer(a);
  EXPECT_FALSE(told);
  EXPECT_EQ(hub.load().runs, 0u);
  EXPECT_EQ(hub.load().asked, 0u);
}

TEST_F(ConnectedDeciders, ALaterLifeOfARunSurvivesTheEndOfTheEarlierOne) {
  worker a = connect("a");
  const auto before = hub.open();
  ask(before, "r", true);
  answer(a);
  const auto after = hub.open();
  ask(after, "r", true);
  answer(a);
  hub.close(before);
  EXPECT_THAT(a.link->dropped, IsEmpty());
  ask(after, "r", false);
  EXPECT_EQ(a.link->asked.size(), 1u);
}

TEST_F(ConnectedDeciders, RefusesWorkersThatMayNotDecide) {
  const auto link = std::make_shared<heard>();
  EXPECT_THROW(hub.connect({"", "", {{"order", ""}}, {}}, link), std::invalid_argument);
  EXPECT_THROW(hub.connect({"a", "", {}, {}}, link), std::invalid_argument);
  EXPECT_THROW(hub.connect({"a", "", {{"local", ""}}, {}}, link), std::invalid_argument);
  EXPECT_EQ(hub.load().workers, 0u);
}

TEST_F(ConnectedDeciders, TheNewestVersionIsForThoseThatNameNone) {
  const auto link = std::make_shared<heard>();
  hub.connect({"a", "", {{"order", "1"}}, {}}, link);
  const auto newer = hub.connect({"b", "", {{"order", "2"}}, {}}, link);
  EXPECT_EQ(hub.find("", "order", "")->version, "2");
  EXPECT_EQ(hub.find("", "order", "1")->version, "1");
  hub.disconnect(newer);
  EXPECT_EQ(hub.find("", "order", "")->version, "1");
}

TEST_F(ConnectedDeciders, AreOfOneNamespaceEach) {
  const auto shop = std::make_shared<heard>();
  const auto bank = std::make_shared<heard>();
  hub.grant(hub.connect({"a", "", {{"order", "1"}}, {}, "shop"}, shop), 10);
  hub.grant(hub.connect({"a", "", {{"order", "2"}}, {}, "bank"}, bank), 10);
  EXPECT_EQ(hub.load().workers, 2u) << "an id of another namespace is another worker";
  EXPECT_EQ(hub.find("shop", "order", "")->version, "1");
  EXPECT_EQ(hub.find("shop", "order", "")->name, "order");
  EXPECT_EQ(hub.find("bank", "order", "1"), nullptr);
  EXPECT_EQ(hub.find("default", "order", ""), nullptr);

  const auto asked = [&](const std::string& name_space, const std::string& run_id) {
    auto what = std::make_shared<question>();
    what->name_space = name_space;
    what->workflow_id = "w";
    what->run_id = run_id;
    what->workflow_type = "order";
    what->from_start = true;
    told.reset();
    hub.ask(hub.open(), std::move(what), [this](verdict&& how) { told = std::move(how); });
  };
  asked("bank", "r1");
  EXPECT_EQ(bank->asked.size(), 1u);
  EXPECT_TRUE(shop->asked.empty());
  asked("default", "r2");
  EXPECT_EQ(outcome(), kind::unserved);
  EXPECT_THAT(told->message, HasSubstr("\"order\""));
}

}  // namespace
}  // namespace evermill::deciders
