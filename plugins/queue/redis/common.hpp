// What the parts of one Redis broker share.
#pragma once

#include <chrono>
#include <cstddef>
#include <string>
#include <utility>

#include "base/log.hpp"
#include "plugins/queue/redis/address.hpp"
#include "plugins/queue/redis/connection.hpp"

namespace evermill::queue {

struct redis_common {
  redis_common(redis_address where, evermill::log to)
      : address(std::move(where)), log(std::move(to)), watch(address, log) {}

  const redis_address address;
  const evermill::log log;
  server_watch watch;
  wake_event stop;  ///< on: the broker was closed
};

inline bool stopped(const redis_common& of) { return of.stop.is_set(); }

/// The keys of a partition.
struct partition_keys {
  partition_keys(const redis_address& address, const stream_partition& of)
      : records(tag(address, of) + ":records"),
        fence(tag(address, of) + ":fence"),
        incarnation(tag(address, of) + ":incarnation"),
        writer(tag(address, of) + ":writer:") {}

  std::string records;
  std::string fence;        ///< the highest seen
  std::string incarnation;  ///< of the stream: another one once it was made anew
  std::string writer;       ///< and the writer's id: what it did last

 private:
  static std::string tag(const redis_address& address, const stream_partition& of) {
    return "{" + address.prefix + ":" + of.stream + ":" + std::to_string(of.partition) + "}";
  }
};

/// How many partitions a stream has. Stream names have no colon, so that no other key looks like this one.
inline std::string partitions_key(const redis_address& address, const std::string& stream) {
  return "{" + address.prefix + ":" + stream + "}:partitions";
}

inline unexpected<broker_error> redis_closed() {
  return unexpected(broker_error{broker_errc::closed, "redis broker: it was closed"});
}

}  // namespace evermill::queue
