// The index of executions: every query is compared with what a plain walk over all headers gives.
#include "storage/executions.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <random>
#include <utility>

#include "base/namespaces.hpp"
#include "storage/keys.hpp"
#include "storage/memory_store.hpp"
#include "storage/rows.hpp"
#include "storage/stored_row.hpp"
#include "stores.hpp"
#include "tests/support/temporary_directory.hpp"

namespace evermill::tests {
namespace {

using storage::execution_query;
using storage::family;
using storage::key_value_store;
using storage::list_position;
using storage::listed_state;
using storage::write_batch;
using namespace std::string_literals;

constexpr partition_id listed_here{3};

messages::InstanceHeader header_of(const std::string& type, std::int64_t started_us, messages::ExecutionStatus status,
                                   bool blocked = false) {
  messages::InstanceHeader header;
  header.set_run_number(1);
  header.set_workflow_type(type);
  header.set_started_us(started_us);
  header.set_status(status);
  if (blocked) header.mutable_blocked()->set_reason(messages::Blocked::STUCK);
  return header;
}

std::string key_of(const storage::execution_row& row) {
  write_batch batch;
  storage::put_execution(batch, row);
  struct {
    std::string key;
    void put(family, std::string_view k, std::string_view) { key = k; }
    void erase(family, std::string_view) {}
  } take;
  batch.for_each(take);
  return take.key;
}

TEST(ExecutionKeys, LieInTheOrderOfLists) {
  const auto at = [](std::int64_t started, const std::string& id) {
    return key_of({listed_here, listed_state::running, "type", {started, id}});
  };
  EXPECT_LT(at(256, "a"), at(255, "a")) << "newest first";
  EXPECT_LT(at(1'000'000, "z"), at(999'999, "a"));
  EXPECT_LT(at(7, "a"), at(7, "b"));
  EXPECT_LT(at(7, "a"), at(7, "aa"));
  EXPECT_LT(key_of({listed_here, listed_state::running, "b", {1, "a"}}), key_of({listed_here, listed_state::completed, "a", {9, "a"}}));
  EXPECT_LT(key_of({listed_here, listed_state::timed_out, "a", {1, "a"}}), key_of({listed_here, listed_state::blocked, "a", {1, "a"}}));
  EXPECT_LT(key_of({listed_here, listed_state::running, "a", {1, "z"}}), key_of({listed_here, listed_state::running, "aa", {9, "a"}}));
  EXPECT_TRUE(storage::is_before({2, "b"}, {1, "a"}));
  EXPECT_TRUE(storage::is_before({1, "a"}, {1, "b"}));
  EXPECT_FALSE(storage::is_before({1, "a"}, {1, "a"}));
}

TEST(ExecutionKeys, ComeBackAsRows) {
  for (const listed_state state : {listed_state::running, listed_state::timed_out, listed_state::blocked}) {
    const storage::execution_row row{listed_here, state, "type", {0x0102030405060708, "\xff id"}};
    write_batch batch;
    storage::put_execution(batch, row);
    struct {
      std::string key, value;
      void put(family, std::string_view k, std::string_view v) { key = k, value = v; }
      void erase(family, std::string_view) {}
    } take;
    batch.for_each(take);
    const auto parsed = storage::parse_row(family::executions, take.key, take.value);
    ASSERT_TRUE(parsed.has_value()) << parsed.error().message;
    EXPECT_EQ(std::get<storage::execution_row>(*parsed), row);
    for (std::size_t bytes = 0; bytes < 2 + 1 + 4 + 1 + 8; ++bytes) {
      EXPECT_FALSE(storage::parse_row(family::executions, take.key.substr(0, bytes), take.value).has_value());
    }
  }
}

TEST(ExecutionKeys, TellWhatHeadersSay) {
  messages::InstanceHeader header = header_of("type", 7, messages::RUNNING, true);
  EXPECT_EQ(storage::execution_row_of(listed_here, "id", header), (storage::execution_row{listed_here, listed_state::blocked, "type", {7, "id"}}));
  header.set_execution_started_us(5);
  EXPECT_EQ(storage::execution_row_of(listed_here, "id", header).at, (list_position{5, "id"})) << "the first run's start";
  header.set_execution_started_us(-5);
  EXPECT_EQ(storage::execution_row_of(listed_here, "id", header).at, (list_position{0, "id"})) << "as keys have it";
}

class Executions : public testing::TestWithParam<bool> {
 protected:
  Executions() {
    if (GetParam()) store_ = open(directory_.path());
    messages::PartitionState state;
    state.set_execution_index(storage::execution_index_version);
    write([&](write_batch& batch) { storage::put_partition_state(batch, listed_here, state); });
  }

  template <class F>
  void write(F&& fill) {
    write_batch batch;
    fill(batch);
    ASSERT_TRUE(store_->write(batch).has_value());
  }
  void add(const std::string& id, const messages::InstanceHeader& header, bool indexed = true) {
    write([&](write_batch& batch) {
      storage::put_header(batch, listed_here, id, header);
      if (indexed) storage::put_execution(batch, storage::execution_row_of(listed_here, id, header));
    });
    all_[id] = header;
  }
  /// As in a busy partition: all states, few types and starts, among the rows of others.
  void add_many(std::size_t count, bool indexed = true) {
    std::mt19937 random(7);
    const std::vector<std::string> types = {"a", "aa", "b", "order", "order-b"};
    for (std::size_t i = 0; i < count; ++i) {
      const auto status = static_cast<messages::ExecutionStatus>(1 + random() % 6);
      add((random() % 4 == 0 ? "rare-" : "id-") + std::to_string(i),
          header_of(types[random() % types.size()], static_cast<std::int64_t>(1 + random() % 40), status,
                    status == messages::RUNNING && random() % 3 == 0),
          indexed);
    }
    write([&](write_batch& batch) {
      for (const partition_id other : {partition_id(2), partition_id(4)}) {
        storage::put_execution(batch, storage::execution_row_of(other, "other", header_of("a", 20, messages::RUNNING)));
      }
    });
    if (GetParam()) {
      ASSERT_TRUE(store_->compact().has_value());
    }
  }

  std::vector<list_position> expected(const execution_query& query) const {
    std::vector<list_position> found;
    for (const auto& [id, header] : all_) {
      const auto row = storage::execution_row_of(listed_here, id, header);
      const bool right_state = query.states.empty() || std::count(query.states.begin(), query.states.end(), row.is) > 0;
      if (!right_state || (!query.workflow_type.empty() && query.workflow_type != row.workflow_type)) continue;
      if (row.at.started_us < query.from_us || row.at.started_us >= query.before_us) continue;
      if (id.starts_with(query.id_prefix)) found.push_back(row.at);
    }
    std::sort(found.begin(), found.end(), storage::is_before);
    return found;
  }
  std::vector<list_position> paged(const execution_query& query, std::size_t limit) const {
    std::vector<list_position> found;
    std::optional<list_position> after;
    do {
      auto page = storage::find_executions(*store_, listed_here, query, after, limit);
      EXPECT_TRUE(page.has_value()) << page.error().message;
      if (!page) break;
      EXPECT_LE(page->rows.size(), limit);
      for (const auto& row : page->rows) {
        found.push_back(row.at);
        EXPECT_EQ(row.header.SerializeAsString(), all_.at(row.at.workflow_id).SerializeAsString());
      }
      after = page->next_after;
    } while (after);
    return found;
  }
  std::uint64_t counted(const execution_query& query, std::size_t most = 1'000'000) const {
    std::uint64_t sum = 0;
    std::string resume;
    do {
      const auto counts = storage::count_executions(*store_, listed_here, query, resume, most);
      EXPECT_TRUE(counts.has_value());
      for (const auto& each : *counts) sum += each.count;
    } while (!resume.empty());
    return sum;
  }
  static std::vector<execution_query> queries() {
    std::vector<execution_query> all;
    const std::vector<std::vector<listed_state>> states = {
        {}, {listed_state::running}, {listed_state::running, listed_state::blocked}, {listed_state::completed, listed_state::timed_out},
        {listed_state::none}};
    for (const auto& state : states) {
      for (const std::string& type : {""s, "a"s, "aa"s, "ab"s, "order"s, "zzz"s, "a\0b"s}) {
        for (const auto& [from, before] : {std::pair(0, 1'000), std::pair(10, 20), std::pair(0, 5), std::pair(39, 1'000), std::pair(9, 9)}) {
          for (const std::string& prefix : {""s, "rare"s, "id-1"s, "nobody"s}) all.push_back({state, "", type, from, before, prefix, ""});
        }
      }
    }
    return all;
  }

  temporary_directory directory_;
  std::unique_ptr<key_value_store> store_ = storage::make_memory_store();
  std::map<std::string, messages::InstanceHeader> all_;
};

TEST_P(Executions, AreFoundAndCountedByEachCombinationOfFilters) {
  add_many(400);
  for (const execution_query& query : queries()) {
    const auto wanted = expected(query);
    for (const std::size_t limit : {std::size_t{1}, std::size_t{7}, std::size_t{1'000}}) EXPECT_EQ(paged(query, limit), wanted);
    EXPECT_EQ(counted(query), wanted.size());
    EXPECT_EQ(counted(query, 9), wanted.size()) << "in parts";
  }
}

/// What an older evermill has left.
TEST_P(Executions, AreFoundAndCountedWithoutAnIndex) {
  write([&](write_batch& batch) { storage::put_partition_state(batch, listed_here, {}); });
  add_many(300, false);
  for (const execution_query& query : queries()) {
    EXPECT_EQ(paged(query, 50), expected(query));
    EXPECT_EQ(counted(query), expected(query).size());
  }
}

TEST_P(Executions, OfAPrefixAreFoundThroughTheIndexWhereThereAreMany) {
  for (int i = 0; i < 5'100; ++i) {
    const std::string id = "p" + std::to_string(i);
    all_[id] = header_of("a", 1 + i % 90, messages::COMPLETED);
  }
  write([&](write_batch& batch) {
    for (const auto& [id, header] : all_) {
      storage::put_header(batch, listed_here, id, header);
      storage::put_execution(batch, storage::execution_row_of(listed_here, id, header));
    }
  });
  const execution_query query{{}, "", "", 0, 1'000, "p", ""};
  EXPECT_EQ(paged(query, 700), expected(query));
  const execution_query fewer{{}, "", "", 30, 40, "p1", ""};
  EXPECT_EQ(paged(fewer, 7), expected(fewer));
}

TEST_P(Executions, OfAllNamespacesTogether) {
  for (const bool indexed : {true, false}) {
    all_.clear();
    if (!indexed) write([&](write_batch& batch) { storage::put_partition_state(batch, listed_here, {}); });
    for (int i = 0; i < 60; ++i) {
      const std::string id = namespaces::qualified(std::vector{"default", "bank", "shop"}[i % 3], "w" + std::to_string(i));
      add(id, header_of(i % 2 == 0 ? "a" : "b", 1 + i % 7, messages::RUNNING, i % 5 == 0), indexed);
    }
    for (const std::vector<listed_state>& states : {std::vector<listed_state>{}, {listed_state::blocked}}) {
      const execution_query query{.states = states, .all_namespaces = true};
      EXPECT_EQ(paged(query, 4), expected(query));
      EXPECT_EQ(counted(query), expected(query).size());
      const execution_query others{.states = states};
      EXPECT_LT(paged(others, 4).size(), expected(query).size()) << "of the default namespace only";
    }
  }
}

TEST_P(Executions, HideThoseWithAPrefixAlsoWithoutAnIndex) {
  write([&](write_batch& batch) { storage::put_partition_state(batch, listed_here, {}); });
  add("evermill.lock/a", header_of("a", 1, messages::RUNNING), false);
  add("mine", header_of("a", 2, messages::RUNNING), false);
  const execution_query query{{}, "", "", 0, 1'000, "", "evermill."};
  EXPECT_EQ(paged(query, 10), (std::vector<list_position>{{2, "mine"}}));
  EXPECT_EQ(counted(query), 1U);
}

/// Between the look into the index and the one at the header.
TEST_P(Executions, AreLeftOutWhereTheHeaderSaysSomethingElse) {
  add("changed", header_of("a", 1, messages::RUNNING));
  add("stays", header_of("a", 2, messages::RUNNING));
  write([&](write_batch& batch) { storage::put_header(batch, listed_here, "changed", header_of("a", 1, messages::FAILED)); });
  const auto page = storage::find_executions(*store_, listed_here, {.states = {listed_state::running}}, std::nullopt, 10);
  ASSERT_TRUE(page.has_value());
  ASSERT_EQ(page->rows.size(), 1U);
  EXPECT_EQ(page->rows[0].at.workflow_id, "stays");
  EXPECT_EQ(page->next_after, std::nullopt);
}

TEST_P(Executions, EachHasOnePlaceAndCanBeErased) {
  add("one", header_of("a", 1, messages::RUNNING));
  const auto row = storage::execution_row_of(listed_here, "one", all_["one"]);
  EXPECT_TRUE(*storage::has_execution(*store_, row));
  write([&](write_batch& batch) { storage::erase_execution(batch, row); });
  EXPECT_FALSE(*storage::has_execution(*store_, row));
  add("two", header_of("a", 1, messages::RUNNING));
  write([&](write_batch& batch) {
    storage::put_execution(batch, storage::execution_row_of(partition_id(4), "other", all_["one"]));
    ASSERT_TRUE(storage::erase_executions(batch, *store_, listed_here).has_value());
  });
  EXPECT_EQ(rows_of(*store_, family::executions).size(), 1U) << "another partition's";
}

TEST_P(Executions, DamageIsNotTakenForAnEnd) {
  add("one", header_of("a", 1, messages::RUNNING));
  put(*store_, family::executions, "\0\3\2ab"s, "");
  const auto page = storage::find_executions(*store_, listed_here, {}, std::nullopt, 10);
  ASSERT_FALSE(page.has_value());
  EXPECT_EQ(page.error().code, storage::storage_errc::corrupt);
  EXPECT_NE(page.error().message.find("0003026162"), std::string::npos) << page.error().message;
  std::string resume;
  EXPECT_FALSE(storage::count_executions(*store_, listed_here, {}, resume).has_value());
  write([&](write_batch& batch) { batch.erase(family::executions, "\0\3\2ab"s); });
  put(*store_, family::executions, key_of(storage::execution_row_of(listed_here, "one", all_["one"])), "bad");
  EXPECT_FALSE(storage::find_executions(*store_, listed_here, {}, std::nullopt, 10).has_value());
}

INSTANTIATE_TEST_SUITE_P(Stores, Executions, testing::Bool(), [](const auto& info) { return info.param ? "Rocksdb" : "Memory"; });

}  // namespace
}  // namespace evermill::tests
