// The rows of a partition that another process owns, read through messages. Only for reading; each read sees all that was
// acknowledged before it was made, but two reads may see different moments.
#pragma once

#include <functional>
#include <memory>

#include "base/ids.hpp"
#include "messages/cluster.pb.h"
#include "storage/key_value_store.hpp"

namespace evermill::cluster {

/// Asks the owner and waits for its answer; io: nobody has answered in time.
using read_rows = std::function<storage::storage_result<messages::ReadReply>(messages::ReadRequest&&)>;

/// `read` outlives the store and its cursors.
std::unique_ptr<storage::key_value_store> make_remote_store(partition_id partition, read_rows read);

/// The owner's side.
messages::ReadReply answer_read(const storage::key_value_store& store, const messages::ReadRequest& request);

}  // namespace evermill::cluster
