#include "cluster/snapshot.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>

#include "cluster/streams.hpp"
#include "messages/record.hpp"
#include "plugins/queue/memory/memory_broker.hpp"
#include "storage/keys.hpp"
#include "storage/log_judge.hpp"
#include "storage/memory_store.hpp"

namespace evermill::cluster {
namespace {

using storage::family;

constexpr partition_id its{1};
constexpr partition_id other{2};
using rows = std::map<std::string, std::string>;

class Snapshot : public testing::Test {
 protected:
  Snapshot() {
    for (const std::string& stream : {log_stream_name, snapshot_stream_name}) EXPECT_TRUE(broker_->ensure_stream(stream, 3));
    for (int i = 0; i < 20; ++i) EXPECT_TRUE(broker_->append({log_stream_name, its.value}, {{"", "record", {}}}, nullptr));
  }

  static std::string key(partition_id partition, const std::string& rest) {
    std::string key;
    storage::append_partition(key, partition);
    return key + rest;
  }
  static void put(storage::key_value_store& store, partition_id partition, family f, const std::string& name, std::string value) {
    storage::write_batch batch;
    batch.put(f, key(partition, name), value);
    EXPECT_TRUE(store.write(batch));
  }
  static void follow(storage::key_value_store& store, std::uint64_t to) {
    messages::LogPosition position;
    position.set_cluster_id("c");
    position.set_partition_count(3);
    position.set_number(to);
    position.set_position(to);
    storage::write_batch batch;
    storage::put_log_position(batch, its, position);
    EXPECT_TRUE(store.write(batch));
  }
  static rows rows_of(const storage::key_value_store& store, partition_id partition) {
    rows found;
    for (std::size_t i = 0; i < storage::family_count; ++i) {
      const auto walk = store.scan(static_cast<family>(i), key(partition, ""), storage::end_of(key(partition, "")));
      for (; walk->valid(); walk->next()) found[std::to_string(i) + std::string(walk->key())] = walk->value();
    }
    return found;
  }
  void fill(const std::string& mark) {
    for (int i = 0; i < 300; ++i) put(*store_, its, family::journal, "row " + std::to_string(i), mark + std::string(100, 'x'));
    put(*store_, its, family::instances, "large", mark + std::string(50'000, 'y'));
    put(*store_, its, family::timers, "", "");
    put(*store_, other, family::journal, "of another", "row");
  }
  queue::broker_result<std::uint64_t> save() {
    auto seen = look_at_rows(*store_, its);
    EXPECT_TRUE(seen && *seen);
    return write_snapshot(*broker_, std::move(**seen), "me", *random_);
  }
  void append(const messages::SnapshotRecord& what) {
    queue::record record;
    append_record(record.value, "snapshot/" + key(its, ""), what);
    EXPECT_TRUE(broker_->append({snapshot_stream_name, its.value}, {record}, nullptr));
  }

  const std::unique_ptr<queue::broker> broker_ = queue::make_memory_broker(queue::make_memory_server(), {.max_record_bytes = 4096});
  const std::unique_ptr<random_source> random_ = make_seeded_random(1);
  const std::unique_ptr<storage::key_value_store> store_ = storage::make_memory_store();
  const std::unique_ptr<storage::key_value_store> loaded_ = storage::make_memory_store();
};

TEST_F(Snapshot, GivesTheRowsAndThePlaceInTheLog) {
  fill("a");
  follow(*store_, 12);
  put(*loaded_, its, family::journal, "stale", "row");
  put(*loaded_, other, family::journal, "kept", "row");
  const auto bytes = save();
  ASSERT_TRUE(bytes) << bytes.error().message;
  EXPECT_GT(*bytes, 80'000U);
  const auto done = load_snapshot(*broker_, its, *loaded_);
  ASSERT_TRUE(done) << done.error().message;
  EXPECT_EQ(rows_of(*loaded_, its), rows_of(*store_, its));
  EXPECT_EQ(rows_of(*loaded_, other).size(), 1U);
  EXPECT_EQ(storage::load_log_position(*loaded_, its)->position(), 12U);
}

TEST_F(Snapshot, IsOfOneMomentWhateverIsWrittenMeanwhile) {
  fill("a");
  follow(*store_, 12);
  const rows before = rows_of(*store_, its);
  auto seen = look_at_rows(*store_, its);
  fill("b");
  follow(*store_, 15);
  ASSERT_TRUE(write_snapshot(*broker_, std::move(**seen), "me", *random_));
  ASSERT_TRUE(load_snapshot(*broker_, its, *loaded_));
  EXPECT_EQ(rows_of(*loaded_, its), before);
}

TEST_F(Snapshot, WhatItMakesNeedlessIsTrimmed) {
  fill("a");
  follow(*store_, 5);
  ASSERT_TRUE(save());
  const queue::position first = broker_->bounds({snapshot_stream_name, its.value})->last;
  EXPECT_EQ(broker_->bounds({log_stream_name, its.value})->first, 6U);
  follow(*store_, 12);
  ASSERT_TRUE(save());
  EXPECT_EQ(broker_->bounds({log_stream_name, its.value})->first, 13U);
  EXPECT_EQ(broker_->bounds({snapshot_stream_name, its.value})->first, first + 1);
}

TEST_F(Snapshot, OneThatIsNotWholeDoesNotCount) {
  fill("a");
  follow(*store_, 5);
  ASSERT_TRUE(save());
  const rows before = rows_of(*store_, its);
  messages::SnapshotRecord begin, part, end;
  begin.mutable_begin()->set_id("torn");
  begin.mutable_begin()->mutable_position()->set_position(9);
  append(begin);
  part.mutable_rows()->set_id("torn");
  append(part);
  end.mutable_end()->set_id("torn");
  end.mutable_end()->set_parts(2);
  append(end);  // one part is missing
  begin.mutable_begin()->set_id("wrong");
  append(begin);
  part.mutable_rows()->set_id("wrong");
  append(part);
  end.mutable_end()->set_id("wrong");
  end.mutable_end()->set_parts(1);
  end.mutable_end()->set_checksum(7);
  append(end);
  begin.mutable_begin()->set_id("unfinished");
  append(begin);
  ASSERT_TRUE(load_snapshot(*broker_, its, *loaded_));
  EXPECT_EQ(rows_of(*loaded_, its), before);
  EXPECT_EQ(storage::load_log_position(*loaded_, its)->position(), 5U);
}

TEST_F(Snapshot, TwoThatLieBetweenEachOtherAreToldApart) {
  fill("a");
  follow(*store_, 5);
  messages::SnapshotRecord begin;
  begin.mutable_begin()->set_id("zombie");
  append(begin);
  ASSERT_TRUE(save());
  ASSERT_TRUE(load_snapshot(*broker_, its, *loaded_));
  EXPECT_EQ(rows_of(*loaded_, its), rows_of(*store_, its));
}

TEST_F(Snapshot, OneOfAnEarlierPlaceThatComesLateNeitherReplacesNorRemovesABetterOne) {
  fill("a");
  follow(*store_, 5);
  auto early = look_at_rows(*store_, its);  // of somebody who sleeps now
  ASSERT_TRUE(early && *early);
  fill("b");
  follow(*store_, 12);
  ASSERT_TRUE(save());
  ASSERT_TRUE(write_snapshot(*broker_, std::move(**early), "zombie", *random_));
  ASSERT_TRUE(load_snapshot(*broker_, its, *loaded_));
  EXPECT_EQ(rows_of(*loaded_, its), rows_of(*store_, its)) << "the log does not go on behind the other one any more";
  EXPECT_EQ(broker_->bounds({log_stream_name, its.value})->first, 13U);
}

TEST_F(Snapshot, WhereThereIsNoneItSaysSo) {
  const auto loaded = load_snapshot(*broker_, its, *loaded_);
  ASSERT_FALSE(loaded);
  EXPECT_EQ(loaded.error().code, storage::storage_errc::missing);
  const auto seen = look_at_rows(*store_, its);
  ASSERT_TRUE(seen);
  EXPECT_FALSE(*seen) << "a store that has followed nothing";
}

TEST_F(Snapshot, ADamagedRecordIsNotSkipped) {
  fill("a");
  follow(*store_, 5);
  ASSERT_TRUE(save());
  EXPECT_TRUE(broker_->append({snapshot_stream_name, its.value}, {{"", "damaged", {}}}, nullptr));
  const auto loaded = load_snapshot(*broker_, its, *loaded_);
  ASSERT_FALSE(loaded);
  EXPECT_THAT(loaded.error().message, testing::HasSubstr("can't be read at"));
}

}  // namespace
}  // namespace evermill::cluster
