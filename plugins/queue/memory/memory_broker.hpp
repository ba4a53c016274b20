// A broker within one process. Brokers that share a server see each other as processes that share one: so a test can have as
// many processes as it likes. Nothing survives the server object.
//
// Deterministic: there are no threads and no timeouts. Callbacks run on the thread of the operation that causes them, without
// a lock; those that a callback causes run after it returned.
#pragma once

#include <cstddef>
#include <memory>
#include <string>

#include "base/clock.hpp"
#include "evermill/broker.hpp"

namespace evermill::queue {

/// Thread-safe. Kept alive by its brokers.
class memory_server {
 public:
  virtual ~memory_server() = default;

  /// While it is not available: appends and joins are held and made in order when it is again; polls give 0; what blocks gives
  /// `unavailable`.
  virtual void set_available(bool available) = 0;

  /// Gives the member up, as a server does that has not heard of it for too long. False: there is no such member.
  virtual bool expel(const std::string& group, const std::string& member_id) = 0;
  /// It is heard of again, and joins anew. False: there is no such member that was given up.
  virtual bool readmit(const std::string& group, const std::string& member_id) = 0;
};

struct memory_broker_options {
  std::size_t max_record_bytes = 1024 * 1024 + 64 * 1024;
  std::size_t max_pending_bytes = 64 * 1024 * 1024;  ///< of appends that are held; a single one is taken all the same
};

/// `time` says when a record was written, and must outlive the server; without it that is the epoch.
std::shared_ptr<memory_server> make_memory_server(const clock* time = nullptr);

/// `server` is one that make_memory_server made.
std::unique_ptr<broker> make_memory_broker(std::shared_ptr<memory_server> server, const memory_broker_options& options = {});

}  // namespace evermill::queue
