// Reads the stream "commands", into which any client of the broker may write, and does what it asks.
//
//   commands ─▶ reader per partition ─▶ request ─▶ partition of the execution ─▶ answer ─▶ place read (stream "commands-read")
//                                                                                  └─────▶ rejected, with the reason
//
// Each partition of the stream is read by the owner of a partition of the cluster. Nothing else keeps two from reading the same: a
// command is a request with an id of its own, which is done once, whoever asks for it and how often. So a place that was read may be
// told late, and by one who does not own the partition any more.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>

#include "actors/partition_ports.hpp"
#include "base/clock.hpp"
#include "base/log.hpp"
#include "base/metrics.hpp"
#include "base/random.hpp"
#include "base/task_loop.hpp"
#include "evermill/broker.hpp"
#include "evermill/engine.hpp"
#include "messages/decision.pb.h"

namespace evermill::commands {

inline const std::string stream_name = "commands";
inline const std::string read_stream_name = "commands-read";
inline const std::string rejected_stream_name = "commands-rejected";

struct ingress_metrics {
  metrics::counter accepted;
  metrics::counter rejected;
};

struct ingress_options {
  std::uint32_t partitions = 1;  ///< of the cluster
  std::string token;             ///< that commands have to show; "": none
  std::size_t window = 256;      ///< commands of a partition that are under way at once
  std::chrono::milliseconds tick{200};
  std::chrono::milliseconds tell_interval{1'000};  ///< of the place that was read
  std::chrono::milliseconds trim_interval{60'000};
};

using on_request_done = std::function<void(std::optional<engine_error>, actors::answer&&)>;

class ingress {
 public:
  /// `owns`: is the partition of the cluster this process's? `request` has it done and tells what became of it, on any thread;
  /// what it still has to tell after the ingress is gone is left out. All outlive the ingress.
  ingress(ingress_options options, std::unique_ptr<queue::broker> broker, clock& time, random_source& random,
          std::function<bool(partition_id)> owns, std::function<void(messages::DecisionEvent&&, on_request_done)> request,
          ingress_metrics& counts, log lines);
  ~ingress();
  ingress(const ingress&) = delete;
  ingress& operator=(const ingress&) = delete;

 private:
  class partition_reader;

  void tick();
  bool open_streams();
  void choose_partitions();

  const ingress_options options_;
  const std::unique_ptr<queue::broker> broker_;
  clock& time_;
  random_source& random_;
  const std::function<bool(partition_id)> owns_;
  const std::function<void(messages::DecisionEvent&&, on_request_done)> request_;
  ingress_metrics& counts_;
  const log log_;
  task_loop loop_;
  // On the loop:
  std::uint32_t stream_partitions_ = 0;  ///< 0: not known yet
  std::map<std::uint32_t, std::shared_ptr<partition_reader>> readers_;
  std::optional<clock::alarm_id> alarm_;
  bool away_ = false;                    ///< the broker was, when it was asked last
  bool ending_ = false;
};

}  // namespace evermill::commands
