// Who is alive: a consumer group whose members carry their ids as client ids, and one topic with what they say of themselves.
#pragma once

#include <functional>
#include <memory>

#include "plugins/queue/kafka/admin.hpp"
#include "plugins/queue/kafka/client.hpp"
#include "plugins/queue/kafka/producer.hpp"
#include "plugins/queue/kafka/reader.hpp"

namespace evermill::queue::kafka {

/// A membership that a broker can end before its owner does.
class group_membership : public membership {
 public:
  /// Leaves the group. After return nothing is called.
  virtual void end() = 0;
};

/// The parts must live until it has ended.
struct membership_parts {
  const settings& with;
  admin& asks;
  producer& writes;
  readers& reads;
  const log& to;
};

/// Never waits for the server.
broker_result<std::shared_ptr<group_membership>> join_group(const membership_parts& parts, const membership_options& options,
                                                            std::function<void()> on_change);

}  // namespace evermill::queue::kafka
