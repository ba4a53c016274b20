// The part of the suite that is about who is there: members, a server that goes away, a broker that is closed. See
// broker_conformance.hpp.
#include "tests/plugins/broker_conformance.hpp"

#include <algorithm>
#include <atomic>
#include <future>
#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <vector>

namespace evermill::tests {

// --- Members

TEST_P(broker_conformance, AMemberSeesItselfAndDecidesWhenItIsAlone) {
  broker_member alone(*broker_, member_options("a"));
  const auto view = alone.wait_for_coordinator("a");
  ASSERT_EQ(view.members.size(), 1U);
  EXPECT_EQ(view.members[0].id, "a");
  EXPECT_EQ(view.members[0].description, "a says hello");
}

TEST_P(broker_conformance, MembersSeeEachOtherAndTheSameCoordinator) {
  const auto other = make("second");
  broker_member b(*broker_, member_options("b"));
  b.wait_for_coordinator("b");
  broker_member a(*other, member_options("a"));
  for (broker_member* const each : {&a, &b}) {
    each->wait_for_members({"a", "b"});
    const auto view = each->wait_for_coordinator("b");
    ASSERT_EQ(view.members.size(), 2U);
    EXPECT_EQ(view.members[0].id, "a");
    EXPECT_EQ(view.members[0].description, "a says hello");
    EXPECT_EQ(view.members[1].id, "b");
  }
}

TEST_P(broker_conformance, ADescriptionIsReplacedForAll) {
  const auto other = make("second");
  broker_member a(*broker_, member_options("a"));
  broker_member b(*other, member_options("b"));
  b.wait_for_members({"a", "b"});
  const std::string large(64 * 1024, 'x');
  for (const std::string& said : {std::string("now"), large, std::string("\0{}\r\n", 5)}) {
    a.membership->describe(said);
    const auto is_said = [&](const queue::membership_view& view) {
      return view.members.size() == 2 && view.members[0].description == said;
    };
    b.wait_until(is_said);
    a.wait_until(is_said);
  }
}

TEST_P(broker_conformance, AMemberThatIsDestroyedLeavesAtOnce) {
  const auto other = make("second");
  broker_member a(*broker_, member_options("a"));
  broker_member b(*other, member_options("b"));
  a.wait_for_members({"a", "b"});
  b.membership.reset();
  a.wait_for_members({"a"});
}

TEST_P(broker_conformance, TheNextOneDecidesWhenTheCoordinatorLeaves) {
  const auto other = make("second");
  auto a = std::make_unique<broker_member>(*broker_, member_options("a"));
  a->wait_for_coordinator("a");
  broker_member b(*other, member_options("b"));
  b.wait_for_coordinator("a");
  a.reset();
  b.wait_for_coordinator("b");
}

TEST_P(broker_conformance, ExactlyOneOfManyDecides) {
  std::vector<std::unique_ptr<queue::broker>> brokers;
  std::vector<std::unique_ptr<broker_member>> members;
  std::vector<std::string> ids;
  for (int i = 0; i < 5; ++i) {
    ids.push_back("m" + std::to_string(i));
    brokers.push_back(make(ids.back()));
    members.push_back(std::make_unique<broker_member>(*brokers.back(), member_options(ids.back())));
  }
  while (!members.empty()) {
    members.back()->wait_for_members(ids);
    const std::string coordinator = members.back()
                                        ->wait_until([](const auto& view) { return !view.coordinator.empty(); })
                                        .coordinator;
    for (const auto& each : members) each->wait_for_coordinator(coordinator);
    const auto leaving = std::find(ids.begin(), ids.end(), coordinator);
    ASSERT_NE(leaving, ids.end());
    members.erase(members.begin() + (leaving - ids.begin()));
    ids.erase(leaving);
  }
}

TEST_P(broker_conformance, AMemberThatIsNotHeardOfIsGivenUp) {
  if (!GetParam().lose_process) GTEST_SKIP() << GetParam().name << " can't lose a process here";
  auto options = member_options("a");
  options.session_timeout = std::chrono::seconds(1);
  auto lost = make("lost");
  auto a = std::make_unique<broker_member>(*lost, options);
  a->wait_for_coordinator("a");
  options.member_id = "b";
  broker_member b(*broker_, options);
  b.wait_for_members({"a", "b"});
  GetParam().lose_process("lost", a->options);
  b.wait_for_members({"b"});
  b.wait_for_coordinator("b");
  a->wait_until([](const queue::membership_view& view) { return !view.joined; });
  if (!GetParam().comes_back) return;
  a->wait_for_members({"a", "b"});
  b.wait_for_members({"a", "b"});
}

TEST_P(broker_conformance, GroupsAreApart) {
  broker_member a(*broker_, member_options("a"));
  auto options = member_options("b");
  options.group += "x";
  broker_member b(*broker_, options);
  a.wait_for_members({"a"});
  b.wait_for_members({"b"});
  a.wait_for_coordinator("a");
  b.wait_for_coordinator("b");
}

TEST_P(broker_conformance, CallsOnceBetweenTwoLooksAtTheView) {
  const auto other = make("second");
  broker_member watched(*broker_, member_options("a"));
  broker_member witness(*broker_, member_options("b"));
  witness.wait_for_members({"a", "b"});
  watched.wait_for_call();
  const auto before = watched.membership->view();
  const int calls = watched.calls();
  for (const char* id : {"c", "d", "e"}) {
    broker_member passing(*other, member_options(id));
    witness.wait_for_members({"a", "b", id});
  }
  witness.wait_for_members({"a", "b"});
  EXPECT_LE(watched.calls(), calls + 1);
  watched.wait_until([&](const auto& view) { return view.generation > before.generation; });
}

TEST_P(broker_conformance, TheGenerationGrowsWithWhatIsSeen) {
  const auto other = make("second");
  broker_member a(*broker_, member_options("a"));
  const auto alone = a.wait_for_coordinator("a");
  auto b = std::make_unique<broker_member>(*other, member_options("b"));
  const auto both = a.wait_for_members({"a", "b"});
  b.reset();
  const auto again = a.wait_for_members({"a"});
  EXPECT_LT(alone.generation, both.generation);
  EXPECT_LT(both.generation, again.generation);
  EXPECT_EQ(a.membership->view().generation, again.generation);
}

TEST_P(broker_conformance, CallsNoMemberThatIsDestroyed) {
  const auto other = make("second");
  broker_member gone(*broker_, member_options("a"));
  broker_member witness(*other, member_options("b"));
  gone.wait_for_members({"a", "b"});
  gone.membership.reset();
  const int calls = gone.calls();
  broker_member another(*other, member_options("c"));
  witness.wait_for_members({"b", "c"});
  EXPECT_EQ(gone.calls(), calls);
}

// --- A server that goes away

TEST_P(broker_conformance, WhatIsAppendedWhileTheServerIsAwayComesOnceAndInOrder) {
  if (cannot_stop_server()) GTEST_SKIP() << GetParam().name << "'s server can't be stopped here";
  broker_reading reading(*broker_, part(0));
  append(1, 3);
  EXPECT_EQ(reading.values(2), number_texts(1, 2));
  stop_server();
  std::vector<answer> answers;
  for (std::size_t i = 4; i <= 50; ++i) answers.push_back(start_append(*broker_, part(0), numbered(i, i)));
  EXPECT_FALSE(broker_->flush(std::chrono::milliseconds(1)));
  start_server();
  for (answer& each : answers) {
    const auto outcome = each.get();
    ASSERT_TRUE(outcome.has_value()) << outcome.error().message;
  }
  append(51, 51);
  EXPECT_EQ(reading.values(49), number_texts(3, 51));
  EXPECT_EQ(broker_reading(*broker_, part(0)).values(51), number_texts(1, 51));
}

TEST_P(broker_conformance, SaysThatTheServerIsAway) {
  if (cannot_stop_server()) GTEST_SKIP() << GetParam().name << "'s server can't be stopped here";
  broker_reading reading(*broker_, part(0));
  append(1, 1);
  reading.take(1);
  stop_server();
  EXPECT_EQ(code(broker_->ensure_stream(name_, 3)), queue::broker_errc::unavailable);
  EXPECT_EQ(code(broker_->find_stream(name_)), queue::broker_errc::unavailable);
  EXPECT_EQ(code(broker_->bounds(part(0))), queue::broker_errc::unavailable);
  EXPECT_EQ(code(broker_->trim(part(0), 1)), queue::broker_errc::unavailable);
  EXPECT_EQ(code(broker_->read(part(0), {}, [] {})), queue::broker_errc::unavailable);
  EXPECT_EQ(code(broker_->durability()), queue::broker_errc::unavailable);
  EXPECT_EQ(code(broker_->delete_stream(name_)), queue::broker_errc::unavailable);
  std::vector<queue::stored_record> none;
  EXPECT_EQ(reading.reader->poll(none, 1).value(), 0U) << "a reader waits for the server";
}

TEST_P(broker_conformance, TakesNoMoreThanItMayHoldWhileTheServerIsAway) {
  if (cannot_stop_server()) GTEST_SKIP() << GetParam().name << "'s server can't be stopped here";
  broker_.reset();
  broker_ = make("small", {.max_pending_bytes = 256 * 1024});
  append(*broker_, part(0), {{"", "begin"}});
  stop_server();
  std::vector<answer> taken;
  std::size_t refused = 0;
  while (refused == 0) {
    ASSERT_LT(taken.size(), 100U) << "holds far more than it may";
    auto told = std::make_shared<std::promise<queue::broker_result<queue::position>>>();
    const auto accepted = broker_->append(part(0), {{std::to_string(taken.size()), std::string(10'000, 'x')}},
                                          [told](const auto& outcome) { told->set_value(outcome); });
    if (accepted) {
      taken.push_back(told->get_future());
    } else {
      EXPECT_EQ(code(accepted), queue::broker_errc::overloaded);
      EXPECT_EQ(told.use_count(), 1) << "the answer of what was refused is kept";
      ++refused;
    }
  }
  EXPECT_GE(taken.size(), 20U);
  start_server();
  for (answer& each : taken) EXPECT_TRUE(each.get().has_value());
  append(*broker_, part(0), {{"", "end"}});
  const auto records = broker_reading(*broker_, part(0)).take(taken.size() + 2);
  for (std::size_t i = 0; i < taken.size(); ++i) ASSERT_EQ(records[i + 1].what.key, std::to_string(i));
  EXPECT_EQ(records.back().what.value, "end");
}

TEST_P(broker_conformance, MembersCountAgainWhenTheServerIsBack) {
  if (cannot_stop_server()) GTEST_SKIP() << GetParam().name << "'s server can't be stopped here";
  if (!GetParam().rejoins) GTEST_SKIP() << "a member of " << GetParam().name << " that was given up joins anew";
  const auto other = make("second");
  broker_member a(*broker_, member_options("a"));
  a.wait_for_coordinator("a");
  stop_server();
  broker_member b(*other, member_options("b"));  // joins when it can
  EXPECT_FALSE(b.membership->view().joined);
  start_server();
  b.wait_for_members({"a", "b"});
  a.wait_for_members({"a", "b"});
}

// --- A broker that is closed

TEST_P(broker_conformance, RefusesAllOnceItIsClosed) {
  append(1, 3);
  broker_reading reading(*broker_, part(0));
  broker_member member(*broker_, member_options("a"));
  broker_->close();
  bool called = false;
  EXPECT_EQ(code(broker_->append(part(0), numbered(4, 4), [&](const auto&) { called = true; })), queue::broker_errc::closed);
  EXPECT_EQ(code(broker_->ensure_stream(name_, 3)), queue::broker_errc::closed);
  EXPECT_EQ(code(broker_->find_stream(name_)), queue::broker_errc::closed);
  EXPECT_EQ(code(broker_->delete_stream(name_)), queue::broker_errc::closed);
  EXPECT_EQ(code(broker_->bounds(part(0))), queue::broker_errc::closed);
  EXPECT_EQ(code(broker_->trim(part(0), 1)), queue::broker_errc::closed);
  EXPECT_EQ(code(broker_->durability()), queue::broker_errc::closed);
  EXPECT_EQ(code(broker_->read(part(0), {}, [] {})), queue::broker_errc::closed);
  EXPECT_EQ(code(broker_->join(member_options("b"), [] {})), queue::broker_errc::closed);
  std::vector<queue::stored_record> none;
  EXPECT_EQ(code(reading.reader->poll(none, 10)), queue::broker_errc::closed);
  EXPECT_TRUE(none.empty());
  EXPECT_FALSE(member.membership->view().joined);
  EXPECT_TRUE(broker_->flush(a_long_time));
  EXPECT_FALSE(called);
  broker_->close();
  broker_ = make("second");
}

TEST_P(broker_conformance, AnswersWhatIsPendingWhenItIsClosed) {
  if (cannot_stop_server()) GTEST_SKIP() << GetParam().name << "'s server can't be stopped here";
  append(1, 1);
  stop_server();
  std::atomic<int> told_closed = 0;
  std::atomic<int> answers = 0;
  for (std::size_t i = 2; i <= 20; ++i) {
    const auto taken = broker_->append(part(i % 2), numbered(i, i), [&](const auto& outcome) {
      ++answers;
      if (!outcome && outcome.error().code == queue::broker_errc::closed) ++told_closed;
    });
    ASSERT_TRUE(taken.has_value());
  }
  broker_->close();
  EXPECT_EQ(answers, 19);
  EXPECT_EQ(told_closed, 19);
  start_server();
  broker_ = make("second");
  append(21, 21);
  EXPECT_EQ(answers, 19) << "each is answered once";
}

TEST_P(broker_conformance, CallsNothingOnceItIsClosed) {
  const auto other = make("second");
  broker_reading reading(*broker_, part(0));
  broker_reading witness(*other, part(0));
  broker_member member(*broker_, member_options("a"));
  broker_member seen_by(*other, member_options("b"));
  seen_by.wait_for_members({"a", "b"});
  broker_->close();
  const int calls = reading.calls() + member.calls();
  append(*other, part(0), numbered(1, 3));
  witness.take(3);
  broker_member another(*other, member_options("c"));
  another.wait_for_members({"b", "c"});
  EXPECT_EQ(reading.calls() + member.calls(), calls);
  broker_ = make("third");
}

TEST_P(broker_conformance, ClosingGivesUpMemberships) {
  const auto other = make("second");
  broker_member a(*broker_, member_options("a"));
  a.wait_for_coordinator("a");
  broker_member b(*other, member_options("b"));
  b.wait_for_members({"a", "b"});
  broker_->close();
  b.wait_for_members({"b"});
  b.wait_for_coordinator("b");
  a.membership.reset();
  broker_ = make("third");
}

TEST_P(broker_conformance, ClosingWaitsForACallThatRuns) {
  permits in_call;
  permits go_on;
  std::atomic<bool> call_over = false;
  const auto reader = broker_->read(part(0), {}, [&] {
    in_call.release();
    go_on.acquire();
    call_over = true;
  });
  ASSERT_TRUE(reader.has_value());
  const auto other = make("second");
  std::thread writer([&] { start_append(*other, part(0), numbered(1, 1)); });
  in_call.acquire();
  std::thread closer([&] {
    broker_->close();
    EXPECT_TRUE(call_over);
  });
  go_on.release();
  closer.join();
  writer.join();
  broker_ = make("third");
}

TEST_P(broker_conformance, ReadersAndMembersMayOutliveTheBroker) {
  append(1, 3);
  auto reader = broker_->read(part(0), {}, [] {});
  auto membership = broker_->join(member_options("a"), [] {});
  broker_.reset();
  std::vector<queue::stored_record> none;
  EXPECT_EQ(code(reader.value()->poll(none, 1)), queue::broker_errc::closed);
  EXPECT_FALSE(membership.value()->view().joined);
  membership.value()->describe("nobody hears that");
  reader->reset();
  membership->reset();
  broker_ = make("second");
}

TEST_P(broker_conformance, SaysWhereItIsAndHowDurable) {
  EXPECT_FALSE(broker_->address().empty());
  const auto durability = broker_->durability();
  ASSERT_TRUE(durability.has_value()) << durability.error().message;
  EXPECT_FALSE(durability->reason.empty());
}

}  // namespace evermill::tests
