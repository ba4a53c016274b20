// The part of the suite that is about streams: see broker_conformance.hpp.
#include "tests/plugins/broker_conformance.hpp"

#include <algorithm>
#include <atomic>
#include <future>
#include <iterator>
#include <map>
#include <memory>
#include <string>
#include <thread>
#include <vector>

namespace evermill::tests {

// --- Streams

TEST_P(broker_conformance, EnsuresAStreamOnceAndTellsWhatItHas) {
  EXPECT_EQ(broker_->ensure_stream(name_, 5).value(), 3U);
  EXPECT_EQ(broker_->find_stream(name_).value(), 3U);
  EXPECT_EQ(make("second")->ensure_stream(name_, 1).value(), 3U);
}

TEST_P(broker_conformance, KeepsWhatAStreamHoldsWhenItIsEnsuredAgain) {
  append(1, 2);
  ASSERT_TRUE(broker_->ensure_stream(name_, 3).has_value());
  EXPECT_EQ(broker_reading(*broker_, part(0)).values(2), number_texts(1, 2));
}

TEST_P(broker_conformance, RefusesAStreamOfNoPartitions) {
  EXPECT_EQ(code(broker_->ensure_stream(unique_name(), 0)), queue::broker_errc::invalid);
}

TEST_P(broker_conformance, FindsNoStreamThatWasNotMade) {
  const queue::stream_partition nowhere{unique_name(), 0};
  EXPECT_EQ(code(broker_->find_stream(nowhere.stream)), queue::broker_errc::not_found);
  EXPECT_EQ(code(broker_->delete_stream(nowhere.stream)), queue::broker_errc::not_found);
  EXPECT_EQ(code(broker_->bounds(nowhere)), queue::broker_errc::not_found);
  EXPECT_EQ(code(broker_->trim(nowhere, 1)), queue::broker_errc::not_found);
  EXPECT_EQ(code(broker_->read(nowhere, {}, [] {})), queue::broker_errc::not_found);
  EXPECT_EQ(code(start_append(*broker_, nowhere, numbered(1, 1)).get()), queue::broker_errc::not_found);
}

TEST_P(broker_conformance, FindsNoPartitionBeyondTheLast) {
  EXPECT_EQ(code(broker_->bounds(part(3))), queue::broker_errc::not_found);
  EXPECT_EQ(code(broker_->read(part(3), {}, [] {})), queue::broker_errc::not_found);
  EXPECT_EQ(code(start_append(*broker_, part(3), numbered(1, 1)).get()), queue::broker_errc::not_found);
}

TEST_P(broker_conformance, DeletesAStreamWithAllItHolds) {
  append(1, 3);
  ASSERT_TRUE(broker_->delete_stream(name_).has_value());
  EXPECT_EQ(code(broker_->find_stream(name_)), queue::broker_errc::not_found);
  EXPECT_EQ(code(broker_->delete_stream(name_)), queue::broker_errc::not_found);
  ASSERT_EQ(broker_->ensure_stream(name_, 2).value(), 2U);
  ASSERT_GT(append(7, 7), 0U) << "there is nothing to read";
  EXPECT_EQ(broker_reading(*broker_, part(0)).values(1), number_texts(7, 7));
}

TEST_P(broker_conformance, LeavesOtherStreamsAloneWhenOneIsDeleted) {
  const std::string other = name_ + "x";  // a longer name, in case somebody deletes by prefix
  ASSERT_TRUE(broker_->ensure_stream(other, 1).has_value());
  append(*broker_, {other, 0}, numbered(1, 3));
  broker_reading reading(*broker_, {other, 0});
  ASSERT_TRUE(broker_->delete_stream(name_).has_value());
  EXPECT_EQ(reading.values(3), number_texts(1, 3));
  EXPECT_EQ(broker_->find_stream(other).value(), 1U);
  broker_->delete_stream(other);
}

// --- Writing and order

TEST_P(broker_conformance, PositionsGrowAndAreThoseThatAReaderSees) {
  texts expected;
  std::vector<queue::position> ends;
  for (std::size_t i = 0; i < 10; ++i) ends.push_back(append(2 * i, 2 * i + 1));
  EXPECT_GT(ends.front(), 0U);
  EXPECT_TRUE(std::is_sorted(ends.begin(), ends.end(), std::less_equal<>()));
  const auto records = broker_reading(*broker_, part(0)).take(20);
  ASSERT_EQ(records.size(), 20U);
  for (std::size_t i = 1; i < 20; ++i) EXPECT_GT(records[i].at, records[i - 1].at);
  for (std::size_t i = 0; i < 10; ++i) EXPECT_EQ(records[2 * i + 1].at, ends[i]);
}

TEST_P(broker_conformance, KeepsTheOrderInWhichItWasGivenAppendsThatAreNotWaitedFor) {
  constexpr std::size_t count = 2'000;
  std::vector<answer> answers;
  std::size_t records = 0;
  for (std::size_t i = 0; i < count; ++i) {
    answers.push_back(start_append(*broker_, part(0), std::vector<queue::record>(1 + i % 3, {"", std::to_string(i)})));
    records += 1 + i % 3;
  }
  std::vector<queue::position> told;
  for (answer& each : answers) {
    const auto outcome = each.get();
    ASSERT_TRUE(outcome.has_value()) << outcome.error().message;
    told.push_back(*outcome);
  }
  const auto read = broker_reading(*broker_, part(0)).take(records);
  ASSERT_EQ(read.size(), records);
  auto next = read.begin();
  for (std::size_t i = 0; i < count; ++i) {
    for (std::size_t copy = 0; copy <= i % 3; ++copy) ASSERT_EQ((next++)->what.value, std::to_string(i));
    ASSERT_EQ(told[i], std::prev(next)->at) << "the position of the last one is told";
  }
}

TEST_P(broker_conformance, KeepsEachWritersOrderAndItsBatchesTogetherUnderLoad) {
  constexpr std::size_t writers = 4;
  constexpr std::size_t batches = 200;
  broker_reading reading(*broker_, part(1));
  std::vector<std::thread> threads;
  for (std::size_t writer = 0; writer < writers; ++writer) {
    threads.emplace_back([&, writer] {
      for (std::size_t i = 0; i < batches; ++i) {
        const std::string name = std::to_string(writer);
        start_append(*broker_, part(1), {{name, std::to_string(3 * i)}, {name, std::to_string(3 * i + 1)},
                                         {name, std::to_string(3 * i + 2)}});
      }
    });
  }
  std::map<std::string, std::size_t> next;
  const auto records = reading.take(writers * batches * 3);
  for (std::thread& thread : threads) thread.join();
  for (std::size_t i = 0; i < records.size(); ++i) {
    const std::string& writer = records[i].what.key;
    ASSERT_EQ(records[i].what.value, std::to_string(next[writer]++));
    ASSERT_EQ(writer, records[i - i % 3].what.key) << "a batch of one broker object was torn";
  }
}

TEST_P(broker_conformance, KeepsTheOrderOfEachOfSeveralProcesses) {
  constexpr std::size_t processes = 3;
  constexpr std::size_t count = 300;
  std::vector<std::unique_ptr<queue::broker>> brokers;
  for (std::size_t i = 0; i < processes; ++i) brokers.push_back(make("writer-" + std::to_string(i)));
  std::vector<std::thread> threads;
  for (std::size_t process = 0; process < processes; ++process) {
    threads.emplace_back([&, process] {
      for (std::size_t i = 0; i < count; ++i) {
        start_append(*brokers[process], part(0), {{std::to_string(process), std::to_string(i)}});
      }
    });
  }
  std::map<std::string, std::size_t> next;
  for (const auto& each : broker_reading(*broker_, part(0)).take(processes * count, 50)) {
    ASSERT_EQ(each.what.value, std::to_string(next[each.what.key]++));
  }
  for (std::thread& thread : threads) thread.join();
}

TEST_P(broker_conformance, KeepsPartitionsApart) {
  append(*broker_, part(0), numbered(1, 2));
  append(*broker_, part(1), numbered(3, 3));
  append(*broker_, part(2), numbered(4, 6));
  EXPECT_EQ(broker_reading(*broker_, part(0)).values(2), number_texts(1, 2));
  EXPECT_EQ(broker_reading(*broker_, part(1)).values(1), number_texts(3, 3));
  EXPECT_EQ(broker_reading(*broker_, part(2)).values(3), number_texts(4, 6));
}

TEST_P(broker_conformance, AnAnswerMayAppendAgain) {
  constexpr std::size_t count = 300;
  std::promise<void> over;
  std::function<void(std::size_t)> go_on = [&](std::size_t number) {
    const auto taken = broker_->append(part(0), numbered(number, number), [&, number](const auto& outcome) {
      EXPECT_TRUE(outcome.has_value());
      if (number == count) return over.set_value();
      go_on(number + 1);
    });
    EXPECT_TRUE(taken.has_value());
  };
  go_on(1);
  over.get_future().wait();
  EXPECT_EQ(broker_reading(*broker_, part(0)).values(count), number_texts(1, count));
}

TEST_P(broker_conformance, NeedsNobodyToTell) {
  ASSERT_TRUE(broker_->append(part(0), numbered(1, 1), nullptr).has_value());
  EXPECT_EQ(broker_reading(*broker_, part(0)).values(1), number_texts(1, 1));
}

TEST_P(broker_conformance, FlushWaitsForAllAnswers) {
  std::atomic<int> answers = 0;
  for (std::size_t i = 0; i < 100; ++i) {
    ASSERT_TRUE(broker_->append(part(i % 3), numbered(i, i), [&](const auto&) { ++answers; }).has_value());
  }
  EXPECT_TRUE(broker_->flush(a_long_time));
  EXPECT_EQ(answers, 100);
}

TEST_P(broker_conformance, CarriesKeysHeadersAndAnyBytes) {
  const std::string zeros("\0a\r\n\0\xff{}$-1\r\n", 13);
  std::vector<queue::record> records;
  records.push_back({"key", "value", {{"a", "1"}, {"b", ""}, {"a", "2"}}});
  records.push_back({zeros, zeros, {{"zeros", zeros}}});
  records.push_back({"", "", {}});
  records.push_back({"", std::string(1'000'000, '\0'), {}});
  append(*broker_, part(0), records);
  const auto read = broker_reading(*broker_, part(0)).take(records.size());
  ASSERT_EQ(read.size(), records.size());
  for (std::size_t i = 0; i < records.size(); ++i) {
    EXPECT_EQ(read[i].what.key, records[i].key) << i;
    EXPECT_TRUE(read[i].what.value == records[i].value) << i;
    EXPECT_EQ(read[i].what.headers, records[i].headers) << i;
  }
}

TEST_P(broker_conformance, TakesTheLargestRecordAndNoneThatIsLarger) {
  const std::size_t most = broker_->max_record_bytes();
  ASSERT_GE(most, 1'000'000U);
  const auto sized = [](std::size_t bytes) {
    return queue::record{"key", std::string(bytes - 3 - 4, 'x'), {{"ab", "cd"}}};
  };
  bool called = false;
  const auto refused = broker_->append(part(0), {{"", "small"}, sized(most + 1)}, [&](const auto&) { called = true; });
  EXPECT_EQ(code(refused), queue::broker_errc::too_large);
  append(*broker_, part(0), {sized(most)});
  EXPECT_FALSE(called);
  const auto read = broker_reading(*broker_, part(0)).take(1);
  ASSERT_EQ(read.size(), 1U);
  EXPECT_EQ(read[0].what.key, "key") << "a part of what was refused was written";
}

TEST_P(broker_conformance, RefusesALowerFenceThanThePartitionHasSeen) {
  append(*broker_, part(0), numbered(1, 1), 7);
  const auto other = make("second");
  append(*other, part(0), numbered(2, 2), 9);
  const auto late = start_append(*broker_, part(0), numbered(3, 3), 8).get();
  append(*broker_, part(0), numbered(4, 4), 9);
  append(*broker_, part(0), numbered(5, 5));
  append(*broker_, part(1), numbered(6, 6), 1);
  if (!GetParam().fences) {
    EXPECT_TRUE(late.has_value());
    return;
  }
  EXPECT_EQ(code(late), queue::broker_errc::refused);
  EXPECT_EQ(broker_reading(*broker_, part(0)).values(4), (texts{"1", "2", "4", "5"}));
}

// --- Reading

TEST_P(broker_conformance, ReadsFromAnyPosition) {
  append(1, 9);
  const auto all = broker_reading(*broker_, part(0)).take(9);
  ASSERT_EQ(all.size(), 9U);
  for (std::size_t i = 0; i < all.size(); ++i) {
    broker_reading reading(*broker_, part(0), {.after = all[i].at});
    append(*broker_, part(0), {{"", "end"}});
    EXPECT_EQ(reading.values(1), texts{i + 1 < all.size() ? all[i + 1].what.value : "end"});
  }
}

TEST_P(broker_conformance, ReadersDoNotTakeFromEachOther) {
  append(1, 5);
  broker_reading one(*broker_, part(0));
  broker_reading other(*broker_, part(0));
  EXPECT_EQ(one.values(5), number_texts(1, 5));
  EXPECT_EQ(other.values(5), number_texts(1, 5));
  EXPECT_EQ(broker_reading(*make("second"), part(0)).values(5), number_texts(1, 5));
}

TEST_P(broker_conformance, ANewProcessReadsOnWhereTheOldOneWas) {
  const queue::position handled = append(1, 4);
  append(5, 9);
  broker_.reset();
  broker_ = make("after the crash");
  broker_reading reading(*broker_, part(0), {.after = handled});
  EXPECT_EQ(reading.values(5), number_texts(5, 9));
  append(10, 11);
  EXPECT_EQ(reading.values(2), number_texts(10, 11));
}

TEST_P(broker_conformance, PollsNoMoreThanItIsAskedFor) {
  append(1, 10);
  broker_reading reading(*broker_, part(0));
  reading.wait_for_call();
  std::vector<queue::stored_record> records;
  EXPECT_LE(reading.reader->poll(records, 3).value(), 3U);
  while (records.size() < 10) {
    const std::size_t before = records.size();
    EXPECT_LE(reading.reader->poll(records, 2).value(), 2U);
    if (records.size() == before) reading.wait_for_call();
    EXPECT_LE(records.size(), before + 2);
  }
}

TEST_P(broker_conformance, CallsAtFirstWhenThereIsSomething) {
  append(1, 1);
  broker_reading reading(*broker_, part(0));
  reading.wait_for_call();
  EXPECT_EQ(reading.values(1), number_texts(1, 1));
}

TEST_P(broker_conformance, CallsAtFirstWhenSomethingComes) {
  broker_reading reading(*broker_, part(0));
  append(1, 1);
  reading.wait_for_call();
  EXPECT_EQ(reading.values(1), number_texts(1, 1));
}

TEST_P(broker_conformance, CallsOnceBetweenTwoEmptyPolls) {
  broker_reading reading(*broker_, part(0));
  broker_reading witness(*broker_, part(0));  // what it has seen had its chance to be told to the other, too
  append(1, 3);
  reading.wait_for_call();
  append(4, 6);
  witness.take(6);
  EXPECT_EQ(reading.calls(), 1);
  EXPECT_EQ(reading.take(6).size(), 6U);
  std::vector<queue::stored_record> none;
  const int before = reading.calls();
  ASSERT_EQ(reading.reader->poll(none, 1).value(), 0U);
  append(7, 8);
  reading.wait_for_call();
  append(9, 9);
  witness.take(3);
  EXPECT_LE(reading.calls(), before + 1);
  EXPECT_EQ(reading.values(3), number_texts(7, 9));
}

TEST_P(broker_conformance, LosesNoWakeUp) {
  constexpr std::size_t count = 500;
  broker_reading reading(*broker_, part(0));
  for (std::size_t i = 1; i <= count; ++i) {
    start_append(*broker_, part(0), numbered(i, i));
    ASSERT_EQ(reading.values(1), number_texts(i, i));
  }
}

TEST_P(broker_conformance, ReadsFarMoreThanItReadsAhead) {
  constexpr std::size_t count = 100;
  constexpr std::size_t size = 20'000;
  constexpr std::size_t ahead = 50'000;
  for (std::size_t i = 1; i <= count; ++i) {
    start_append(*broker_, part(0), {{std::to_string(i), std::string(size, 'x')}});
  }
  ASSERT_TRUE(broker_->flush(a_long_time));
  broker_reading reading(*broker_, part(0), {.prefetch_bytes = ahead});
  broker_reading witness(*broker_, part(0));
  witness.take(count);
  if (GetParam().buffered_bytes) {
    EXPECT_LE(GetParam().buffered_bytes(*reading.reader), ahead + size + 1'000);
  }
  const auto records = reading.take(count, 7);
  ASSERT_EQ(records.size(), count);
  for (std::size_t i = 0; i < count; ++i) ASSERT_EQ(records[i].what.key, std::to_string(i + 1));
}

TEST_P(broker_conformance, AReaderThatDoesNotPollHoldsUpNoOther) {
  broker_reading lazy(*broker_, part(0), {.prefetch_bytes = 1});
  broker_reading other(*broker_, part(1));
  for (std::size_t i = 1; i <= 50; ++i) {
    start_append(*broker_, part(0), {{"", std::string(10'000, 'x')}});
    start_append(*broker_, part(1), numbered(i, i));
  }
  EXPECT_EQ(other.values(50), number_texts(1, 50));
  EXPECT_EQ(lazy.take(50).size(), 50U);
}

TEST_P(broker_conformance, CallsNoReaderThatIsDestroyed) {
  auto reading = std::make_unique<broker_reading>(*broker_, part(0));
  broker_reading witness(*broker_, part(0));
  std::atomic<int> calls = 0;
  auto reader = broker_->read(part(0), {}, [&] { ++calls; }).value();
  reader.reset();
  const int before = calls;
  append(1, 3);
  witness.take(3);
  EXPECT_EQ(calls, before);
}

TEST_P(broker_conformance, DestroyingAReaderWaitsForACallThatRuns) {
  permits in_call;
  permits go_on;
  std::atomic<bool> call_over = false;
  auto reader = broker_->read(part(0), {}, [&] {
    in_call.release();
    go_on.acquire();
    call_over = true;
  });
  ASSERT_TRUE(reader.has_value());
  std::thread writer([&] { append(1, 1); });
  in_call.acquire();
  std::thread destroyer([&] {
    reader->reset();
    EXPECT_TRUE(call_over);
  });
  go_on.release();
  destroyer.join();
  writer.join();
}

// --- What is not there any more

TEST_P(broker_conformance, TellsTheBounds) {
  const auto empty = broker_->bounds(part(0));
  ASSERT_TRUE(empty.has_value()) << empty.error().message;
  EXPECT_EQ(empty->last, 0U);
  const queue::position first = append(1, 1);
  EXPECT_LE(empty->first, first);
  const queue::position last = append(2, 5);
  const auto bounds = broker_->bounds(part(0));
  ASSERT_TRUE(bounds.has_value());
  EXPECT_EQ(bounds->first, first);
  EXPECT_EQ(bounds->last, last);
}

TEST_P(broker_conformance, GivesUpWhatIsTrimmedAndNothingMore) {
  append(1, 3);
  const queue::position through = append(4, 4);
  append(5, 8);
  ASSERT_TRUE(broker_->trim(part(0), through).has_value());
  EXPECT_EQ(broker_reading(*broker_, part(0), {.after = through}).values(4), number_texts(5, 8));
  broker_reading early(*broker_, part(0));
  if (GetParam().trims_exactly) {
    EXPECT_EQ(broker_->bounds(part(0)).value().first, through + 1);
    ASSERT_TRUE(early.failure.has_value());
  }
  if (early.failure) {
    EXPECT_EQ(early.failure->code, queue::broker_errc::trimmed);
  } else {
    EXPECT_EQ(early.values(8), number_texts(1, 8));
  }
}

TEST_P(broker_conformance, NeverReadsOverAGapThatATrimMade) {
  constexpr std::size_t count = 60;
  broker_reading slow(*broker_, part(0), {.prefetch_bytes = 1});
  queue::position through = 0;
  for (std::size_t i = 1; i <= count; ++i) {
    const queue::position at = append(*broker_, part(0), {{std::to_string(i), std::string(5'000, 'x')}});
    if (i == count - 10) through = at;
  }
  ASSERT_TRUE(broker_->trim(part(0), through).has_value());
  const auto records = slow.take(count);
  for (std::size_t i = 0; i < records.size(); ++i) ASSERT_EQ(records[i].what.key, std::to_string(i + 1));
  if (GetParam().trims_exactly) {
    ASSERT_LT(records.size(), count);
  }
  if (records.size() < count) {
    EXPECT_EQ(slow.failure->code, queue::broker_errc::trimmed);
  }
}

TEST_P(broker_conformance, GoesOnWithItsPositionsWhenAllIsTrimmed) {
  const queue::position last = append(1, 5);
  ASSERT_TRUE(broker_->trim(part(0), last).has_value());
  const auto bounds = make("second")->bounds(part(0));
  ASSERT_TRUE(bounds.has_value());
  EXPECT_EQ(bounds->last, last);
  EXPECT_LE(bounds->first, last + 1);
  broker_reading reading(*broker_, part(0), {.after = last});
  EXPECT_GT(append(6, 6), last);
  EXPECT_EQ(reading.values(1), number_texts(6, 6));
}

TEST_P(broker_conformance, TrimsNothingElse) {
  append(*broker_, part(0), numbered(1, 3));
  append(*broker_, part(1), numbered(4, 6));
  ASSERT_TRUE(broker_->trim(part(0), 1'000'000).has_value());
  EXPECT_EQ(broker_reading(*broker_, part(1)).values(3), number_texts(4, 6));
}

TEST_P(broker_conformance, RefusesToReadBehindTheEnd) {
  const queue::position last = append(1, 3);
  EXPECT_EQ(code(broker_->read(part(0), {.after = last + 1}, [] {})), queue::broker_errc::regressed);
  EXPECT_TRUE(broker_->read(part(0), {.after = last}, [] {}).has_value());
}

TEST_P(broker_conformance, ALiveReaderNoticesThatTheStreamIsAnotherOne) {
  if (!GetParam().sees_deletion) GTEST_SKIP() << GetParam().name << " can't tell a stream from its successor";
  append(1, 3);
  broker_reading reading(*broker_, part(0));
  EXPECT_EQ(reading.take(3).size(), 3U);
  const auto other = make("second");
  ASSERT_TRUE(other->delete_stream(name_).has_value());
  ASSERT_TRUE(other->ensure_stream(name_, 3).has_value());
  append(*other, part(0), numbered(1, 5));
  EXPECT_EQ(reading.take_end(), queue::broker_errc::regressed);
  EXPECT_EQ(broker_reading(*broker_, part(0)).values(5), number_texts(1, 5));
}

}  // namespace evermill::tests
