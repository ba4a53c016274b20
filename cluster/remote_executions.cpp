#include "cluster/remote_executions.hpp"

#include <algorithm>
#include <utility>

namespace evermill::cluster {
namespace {

constexpr std::uint32_t most_listed = 1'000;
/// A page that has reached this is not made longer.
constexpr std::size_t listed_bytes = 512 * 1024;
/// Keys that are looked at for one answer: some 50 ms.
constexpr std::size_t most_counted = 200'000;

storage::execution_query query_of(const messages::ExecutionsRequest& request) {
  storage::execution_query query;
  for (const std::uint32_t state : request.states()) query.states.push_back(static_cast<storage::listed_state>(state));
  query.workflow_type = request.workflow_type();
  query.from_us = request.from_us();
  query.before_us = request.before_us();
  query.name_space = request.name_space();
  query.id_prefix = request.id_prefix();
  query.hidden_prefix = request.hidden_prefix();
  return query;
}

messages::ExecutionsReply failure(const storage::storage_error& why) {
  messages::ExecutionsReply reply;
  reply.set_error(why.message);
  return reply;
}

void set(messages::ListPosition& to, const storage::list_position& at) {
  to.set_started_us(at.started_us);
  to.set_workflow_id(at.workflow_id);
}

messages::ExecutionsReply answer_list(const storage::key_value_store& store, partition_id partition,
                                      const messages::ExecutionsRequest& request) {
  std::optional<storage::list_position> after;
  if (request.has_after()) after.emplace(storage::list_position{request.after().started_us(), request.after().workflow_id()});
  auto page = storage::find_executions(store, partition, query_of(request), after, std::min(request.limit(), most_listed));
  if (!page) return failure(page.error());
  messages::ExecutionsReply reply;
  std::size_t bytes = 0;
  for (storage::found_execution& each : page->rows) {
    if (bytes >= listed_bytes) {
      *reply.mutable_next_after() = reply.rows(reply.rows_size() - 1).at();
      return reply;
    }
    messages::ExecutionsReply::Row& row = *reply.add_rows();
    set(*row.mutable_at(), each.at);
    if (each.header.has_blocked()) each.header.mutable_blocked()->clear_message();
    *row.mutable_header() = std::move(each.header);
    bytes += row.ByteSizeLong();
  }
  if (page->next_after) set(*reply.mutable_next_after(), *page->next_after);
  return reply;
}

messages::ExecutionsReply answer_count(const storage::key_value_store& store, partition_id partition,
                                       const messages::ExecutionsRequest& request) {
  messages::ExecutionsReply reply;
  std::string resume = request.resume();
  const auto counts = storage::count_executions(store, partition, query_of(request), resume, most_counted);
  if (!counts) return failure(counts.error());
  reply.set_resume(std::move(resume));
  for (const storage::executions_count& each : *counts) {
    messages::ExecutionsReply::Count& to = *reply.add_counts();
    to.set_state(static_cast<std::uint32_t>(each.is));
    to.set_count(each.count);
  }
  return reply;
}

}  // namespace

messages::ExecutionsRequest count_request(partition_id partition, const storage::execution_query& query) {
  messages::ExecutionsRequest request;
  request.set_partition(partition.value);
  for (const storage::listed_state each : query.states) request.add_states(static_cast<std::uint32_t>(each));
  request.set_workflow_type(query.workflow_type);
  request.set_from_us(query.from_us);
  request.set_before_us(query.before_us);
  request.set_name_space(query.name_space);
  request.set_id_prefix(query.id_prefix);
  request.set_hidden_prefix(query.hidden_prefix);
  return request;
}

messages::ExecutionsRequest list_request(partition_id partition, const storage::execution_query& query,
                                         const std::optional<storage::list_position>& after, std::size_t limit) {
  messages::ExecutionsRequest request = count_request(partition, query);
  if (after) set(*request.mutable_after(), *after);
  request.set_limit(static_cast<std::uint32_t>(std::min<std::size_t>(limit, most_listed)));
  return request;
}

messages::ExecutionsReply answer_executions(const storage::key_value_store& store, const messages::ExecutionsRequest& request) {
  const partition_id partition(static_cast<std::uint16_t>(request.partition()));
  return request.limit() > 0 ? answer_list(store, partition, request) : answer_count(store, partition, request);
}

storage::executions_page page_of(messages::ExecutionsReply&& reply) {
  storage::executions_page page;
  for (messages::ExecutionsReply::Row& each : *reply.mutable_rows()) {
    page.rows.push_back({{each.at().started_us(), each.at().workflow_id()}, std::move(*each.mutable_header())});
  }
  if (reply.has_next_after()) page.next_after.emplace(storage::list_position{reply.next_after().started_us(), reply.next_after().workflow_id()});
  return page;
}

void add_counts(const messages::ExecutionsReply& reply, std::vector<storage::executions_count>& to) {
  for (const messages::ExecutionsReply::Count& each : reply.counts()) {
    to.push_back({static_cast<storage::listed_state>(each.state()), each.count()});
  }
}

}  // namespace evermill::cluster
