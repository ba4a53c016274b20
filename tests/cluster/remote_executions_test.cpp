// Lists and counts that another process answers say what a look into its store says.
#include "cluster/remote_executions.hpp"

#include <gtest/gtest.h>

#include "storage/memory_store.hpp"
#include "storage/rows.hpp"

namespace evermill::tests {
namespace {

constexpr partition_id asked_partition{2};

class RemoteExecutions : public testing::Test {
 protected:
  RemoteExecutions() {
    messages::PartitionState state;
    state.set_execution_index(storage::execution_index_version);
    storage::put_partition_state(batch_, asked_partition, state);
  }
  void add(const std::string& id, std::int64_t started_us, const std::string& type, messages::ExecutionStatus status,
           const std::string& blocked = "") {
    messages::InstanceHeader header;
    header.set_run_id("run of " + id);
    header.set_workflow_type(type);
    header.set_started_us(started_us);
    header.set_status(status);
    if (!blocked.empty()) {
      header.mutable_blocked()->set_reason(messages::Blocked::STUCK);
      header.mutable_blocked()->set_message(blocked);
    }
    storage::put_header(batch_, asked_partition, id, header);
    storage::put_execution(batch_, storage::execution_row_of(asked_partition, id, header));
  }
  void write() { ASSERT_TRUE(store_->write(batch_).has_value()); }
  /// There and back as bytes.
  messages::ExecutionsReply ask(const messages::ExecutionsRequest& request) const {
    messages::ExecutionsRequest sent;
    EXPECT_TRUE(sent.ParseFromString(request.SerializeAsString()));
    messages::ExecutionsReply reply;
    EXPECT_TRUE(reply.ParseFromString(cluster::answer_executions(*store_, sent).SerializeAsString()));
    EXPECT_EQ(reply.error(), "");
    return reply;
  }

  std::unique_ptr<storage::key_value_store> store_ = storage::make_memory_store();
  storage::write_batch batch_;
};

TEST_F(RemoteExecutions, AreThoseThatTheOwnerFindsPageByPage) {
  for (int i = 0; i < 40; ++i) {
    add("e" + std::to_string(i), 100 + i / 2, i % 3 == 0 ? "a" : "b", i % 2 == 0 ? messages::RUNNING : messages::COMPLETED,
        i % 4 == 0 ? "differs" : "");
  }
  write();
  const storage::execution_query query{{storage::listed_state::running, storage::listed_state::blocked}, "", "b", 102, 118, "e", "evermill."};
  std::optional<storage::list_position> after;
  std::size_t found = 0;
  do {
    const auto wanted = storage::find_executions(*store_, asked_partition, query, after, 3);
    storage::executions_page page = cluster::page_of(ask(cluster::list_request(asked_partition, query, after, 3)));
    ASSERT_EQ(page.rows.size(), wanted->rows.size());
    for (std::size_t i = 0; i < page.rows.size(); ++i, ++found) {
      EXPECT_EQ(page.rows[i].at, wanted->rows[i].at);
      EXPECT_EQ(page.rows[i].header.run_id(), wanted->rows[i].header.run_id());
      EXPECT_EQ(page.rows[i].header.blocked().reason(), wanted->rows[i].header.blocked().reason());
      EXPECT_EQ(page.rows[i].header.blocked().message(), "") << "no list shows it";
    }
    EXPECT_EQ(page.next_after, wanted->next_after);
    after = page.next_after;
  } while (after);
  EXPECT_EQ(found, 11U);
  std::vector<storage::executions_count> counts;
  const messages::ExecutionsReply counted = ask(cluster::count_request(asked_partition, query));
  EXPECT_EQ(counted.resume(), "");
  cluster::add_counts(counted, counts);
  std::uint64_t sum = 0;
  for (const auto& each : counts) sum += each.count;
  EXPECT_EQ(sum, found);
}

TEST_F(RemoteExecutions, LongPagesComeInParts) {
  const std::string long_id(500, 'x');
  for (int i = 0; i < 1'000; ++i) add(std::to_string(i) + long_id, 1'000 - i, std::string(500, 't'), messages::RUNNING);
  write();
  std::optional<storage::list_position> after;
  int found = 0;
  int pages = 0;
  do {
    const messages::ExecutionsReply reply = ask(cluster::list_request(asked_partition, {}, after, 1'000));
    EXPECT_LT(reply.ByteSizeLong(), 600U * 1024);
    for (const auto& row : reply.rows()) EXPECT_EQ(row.at().workflow_id(), std::to_string(found++) + long_id);
    after = cluster::page_of(messages::ExecutionsReply(reply)).next_after;
    ++pages;
  } while (after);
  EXPECT_EQ(found, 1'000);
  EXPECT_GT(pages, 1);
}

TEST_F(RemoteExecutions, ADamagedStoreIsSaidToBe) {
  batch_.put(storage::family::executions, std::string("\0\2x", 3), "");
  write();
  EXPECT_NE(cluster::answer_executions(*store_, cluster::count_request(asked_partition, {})).error(), "");
  EXPECT_NE(cluster::answer_executions(*store_, cluster::list_request(asked_partition, {}, std::nullopt, 10)).error(), "");
}

}  // namespace
}  // namespace evermill::tests
