// Lists and counts of executions of a partition that another process owns: one message each way.
#pragma once

#include <cstddef>
#include <optional>
#include <vector>

#include "messages/cluster.pb.h"
#include "storage/executions.hpp"

namespace evermill::cluster {

messages::ExecutionsRequest list_request(partition_id partition, const storage::execution_query& query,
                                         const std::optional<storage::list_position>& after, std::size_t limit);
messages::ExecutionsRequest count_request(partition_id partition, const storage::execution_query& query);

/// The owner's side. A page ends early, and a count is to be gone on with, where they would get too long.
messages::ExecutionsReply answer_executions(const storage::key_value_store& store, const messages::ExecutionsRequest& request);

storage::executions_page page_of(messages::ExecutionsReply&& reply);
void add_counts(const messages::ExecutionsReply& reply, std::vector<storage::executions_count>& to);

}  // namespace evermill::cluster
