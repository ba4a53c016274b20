/// @file
/// How an engine is set up.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>
#include <utility>
#include <vector>

namespace spdlog {
class logger;
}

namespace evermill {

/// What an engine does with its data directory.
enum class engine_mode : unsigned char {
  run,     ///< everything
  record,  ///< requests are decided and journaled; activities, steps and timers wait for an engine that runs
  inspect, ///< describe, list, history and stored results only: a snapshot, nothing is started, locked or written
  client,  ///< nothing happens here: it asks the processes that share engine_options::queue, and needs no directory
};

/// A queue of activities that this process serves. Attempts wait in it, first in first out, while its limits or the
/// backends' have no room for them.
struct task_queue_options {
  std::string name;            ///< as in activity_options::task_queue; "default": of the activities that name none
  unsigned concurrency = 0;    ///< attempts that run at once; 0: as many as the backends take
  double rate_per_second = 0;  ///< attempts that start per second, in the long run; 0: no limit
  unsigned burst = 1;          ///< with a rate: attempts that may start at once after a pause; at least 1
};

/// A namespace: its executions have ids, lists, locks, human tasks and task queues of their own, and limits.
struct namespace_options {
  std::string name;  ///< 1 to 64 letters, digits, '-', '_' and '.'; "default" may have limits, and is there in any case
  /// Executions that may be open at once; a start of a further one is refused as overloaded. Children and what follows an execution as
  /// new are counted, and not refused. Each process of a cluster grants its partitions' share. 0: no limit.
  std::uint64_t max_open_executions = 0;
  double starts_per_second = 0;  ///< that are accepted by this process in the long run; 0: no limit
  unsigned starts_burst = 1;     ///< with a rate: starts that are accepted at once after a pause; at least 1
  std::size_t max_payload_bytes = 0;  ///< of an input, result or answer that a request brings; 0: the engine's own limit
  /// Executions are deleted when they have ended so long ago, with their histories. 0: never.
  std::chrono::microseconds retention{0};
};

/// What the data of a published event is.
enum class publish_format : unsigned char {
  json,      ///< the event as `history --json` shows it
  protobuf,  ///< evermill.messages.Event, as journaled
};

/// Where journaled events are published, as CloudEvents 1.0. docs/publishing.md says what readers may rely on.
struct publish_options {
  /// "": this engine publishes nothing; where the directory's events were published before, they are kept for an engine that
  /// does, up to the limit that the last one had. Otherwise
  ///   stdout:         standard output, a line of JSON for each event
  ///   file:PATH       the same, appended to the file
  ///   kafka://…, redis://…  a stream of that broker, in the CloudEvents Kafka binding; addresses as in
  ///                   engine_options::queue, and the option stream=NAME (events)
  ///   queue:          the same on the broker of engine_options::queue; queue:?stream=NAME
  ///   none            nothing is published, nor kept for it, from now on
  std::string to;
  publish_format format = publish_format::json;  ///< of the events' data
  std::vector<std::string> types;      ///< of events: "WorkflowExecutionStarted", …; empty: all
  std::vector<std::string> workflows;  ///< workflow types whose events are published; empty: all
  /// Journaled events that a partition keeps while they can't be published, filters aside. Then it gives up the oldest: that is
  /// logged as an error, counted (engine_statistics::events_lost), and published as one event of type evermill.events_lost. At
  /// least 1.
  std::uint64_t limit = 1'000'000;
};

/// Whether what any client of the broker asks for is done: docs/commands.md.
struct command_options {
  bool read = false;  ///< commands are read by this process: those of its share
  /// What each command has to show, in the header "authorization: Bearer TOKEN". "": nothing; then whoever may write to the broker
  /// may start and signal.
  std::string token;
};

/// Where spans are sent: those of runs, turns and attempts of activities, once they are durable. docs/observability.md has more.
struct trace_options {
  /// Of a collector that takes OTLP over HTTP: spans are posted there as JSON (https://collector:4318/v1/traces). "": nobody is told of
  /// spans; traces of callers are passed on all the same.
  std::string url;
  std::vector<std::pair<std::string, std::string>> headers;  ///< sent with each request; never logged
  std::string service_name = "evermill";                     ///< the resource attribute service.name
  double sample_ratio = 1;  ///< of executions whose callers have no trace, how many begin one: 0 to 1
  std::size_t queue_limit = 8192;  ///< spans that wait for the collector, at most; further ones are dropped, and counted
};

/// How an engine is set up. Fixed for its life.
struct engine_options {
  /// What it does with its directory.
  engine_mode mode = engine_mode::run;
  /// Created where it does not exist; belongs to one engine at a time. Empty: everything is kept in memory and lost
  /// with the engine. Opening throws locked while another process has it open, storage where it can't be read or written.
  std::filesystem::path data_directory;
  /// How many slices instances are divided into; fixed when the directory is created. 0: what the directory has, or 4. More
  /// than 4,096: invalid_argument; another number than the directory has: storage.
  std::uint16_t partitions = 0;
  /// "": this process has all partitions. Otherwise where it shares them with other processes: kafka://host:port,… or
  /// redis://host:port,…, with options as docs/cluster.md says. The directory then holds a copy of what lies there, and may be lost;
  /// `partitions` counts when the first process begins the cluster (0: 8). Errors: invalid_argument; unavailable: the server can't
  /// be reached; not_found: a client's cluster, that nobody has begun.
  std::string queue;
  /// With a queue: a process that the others have not heard of for this long has lost its partitions to them. At least 1 s.
  std::chrono::milliseconds session_timeout{10'000};
  /// With a queue: how many other processes follow each partition, to take over at once. Of all nodes' numbers the largest counts.
  std::size_t standbys = 1;
  /// Whether and where spans are sent. Only with engine_mode::run. Errors: invalid_argument.
  trace_options traces;
  /// Whether and where journaled events are published. Only with engine_mode::run. Errors: invalid_argument.
  publish_options publish;
  /// With a queue, and engine_mode::run: commands that lie in a stream of the broker. Errors: invalid_argument.
  command_options commands;
  /// With a queue: when so many bytes were added to a partition's log its owner writes a snapshot, and the log is trimmed. A snapshot
  /// that is larger than half of this makes it wait for twice the snapshot's size.
  std::uint64_t snapshot_log_bytes = 64u << 20;
  /// Threads that run workflow code. 0: one per core.
  unsigned workflow_threads = 0;
  /// A workflow's code that has not come back from a turn for this long blocks or spins, which it must not: a warning names
  /// it, the execution is set aside (`blocked` is "turn_timeout"), what comes for it is kept, and all others go on; a thread
  /// is started in place of the one that it has, up to four. When it comes back after all, nothing is lost: its turn counts.
  /// Until then, terminate ends the execution; taint, or the next start, tries it anew. Closing the engine leaves such
  /// code and its thread behind. 0: never. Negative: invalid_argument.
  std::chrono::milliseconds turn_timeout{10'000};
  /// Threads that run native activities and steps: how many of them run at once. 0: four per core, at least 8.
  unsigned native_threads = 0;
  /// Processes that shell activities may run at once, and script activities as many again. 0: one per core.
  unsigned shell_processes = 0;
  /// The Docker engine that runs the containers of docker activities: unix://PATH, tcp://HOST:PORT or https://HOST:PORT. "": what
  /// DOCKER_HOST says, or /var/run/docker.sock. It need not be there before it is used. Another address: invalid_argument.
  std::string docker;
  /// Containers that docker activities may run at once. 0: four per core, at least 8.
  unsigned docker_containers = 0;
  /// Calls of other services that may wait for their answers at once, for each kind (http, lambda, grpc, sending by
  /// kafka). They need a descriptor, but no thread. 0: half of the descriptors that the process may have, at most 10,000.
  unsigned concurrent_calls = 0;
  /// Where the secrets are that activities name (secrets.hpp): a directory with a file for each, a JSON or YAML file whose members they
  /// are, or "env:PREFIX" for the environment variables PREFIX…. Read whenever an attempt that names one starts. "": there are none.
  /// A directory or file that is not there: invalid_argument.
  std::string secrets;
  /// Task queues that are served here, and their limits. "default" is served in any case. Activities of other queues wait,
  /// without cost, for a process that serves theirs (and for their schedule_to_start and schedule_to_close). A name that can't
  /// be or that comes twice, a negative rate and a burst of 0: invalid_argument.
  std::vector<task_queue_options> task_queues;
  /// The namespaces that there are besides "default". Requests for others are refused. A name that can't be or that comes twice, a
  /// negative rate or retention and a burst of 0: invalid_argument. With a queue: the same in each process.
  std::vector<namespace_options> namespaces;
  /// With a queue. false: all activities are run by workers (worker.hpp). Otherwise only those of task queues that are not served here.
  bool run_activities = true;
  /// Activities that this process has no code for, or whose task queue it does not serve, wait for workers that connect to it (a
  /// server's Workers service); with a queue, activities of all processes' executions do. false: the former fail at once, to be tried again;
  /// the latter wait for another process.
  bool accept_workers = false;
  /// How much may wait, in each partition, to become durable: requests from outside that would be one more than so many, or come when
  /// there are more bytes than these, are refused (engine_errc::overloaded), and what was accepted goes on.
  std::size_t max_waiting_requests = 100'000;
  std::size_t max_waiting_bytes = 128u << 20;  ///< the same, as they are serialized
  /// An instance that has had nothing to do for this long leaves memory and is replayed when next needed.
  std::chrono::milliseconds passivate_after{10'000};
  /// At most this many instances are kept in memory by each partition; the longest idle ones leave first.
  std::size_t live_instances_per_partition = 20'000;
  /// Caches of the store, in bytes: half for what is read, half (at least 16 MiB) for what is written. Default 64 MiB.
  std::size_t cache_bytes = 64u << 20;
  /// false: writes are not synced, and a power cut may lose what was acknowledged. For figures only.
  bool sync = true;
  /// How long the destructor waits for running activities before it abandons them; they run again at the next start.
  std::chrono::milliseconds stop_grace{5'000};
  /// Where log lines go. Null: warnings and errors to standard error.
  std::shared_ptr<spdlog::logger> logger;
};

}  // namespace evermill
