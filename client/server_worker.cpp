#include "evermill/server_worker.hpp"

#include <unistd.h>

#include <atomic>
#include <set>
#include <utility>

#include "base/clock.hpp"
#include "base/log.hpp"
#include "base/metrics.hpp"
#include "base/process_metrics.hpp"
#include "base/random.hpp"
#include "base/task_loop.hpp"
#include "client/attempt_book.hpp"
#include "client/worker_stream.hpp"
#include "engine/names.hpp"
#include "evermill/engine.hpp"
#include "plugins/task/attempt_metrics.hpp"
#include "plugins/task/backends.hpp"

namespace evermill {
namespace {

using api::attempt_book;

constexpr std::chrono::milliseconds acknowledgement_limit{10'000};

[[noreturn]] void refuse(const std::string& why) { throw engine_error(engine_errc::invalid_argument, why); }

void check(const server_worker_options& options) {
  if (options.server.address.empty()) refuse("a worker needs the address of a server, HOST:PORT");
  if (options.task_queues.empty()) refuse("a worker needs a task queue");
  if (const std::string wrong = tasks::backends::why_not(options.backends); !wrong.empty()) refuse(wrong);
  std::set<std::string> names;
  for (const std::string& name : options.task_queues) {
    check_name("name of a task queue", name);
    if (!names.insert(name).second) refuse("task queue \"" + name + "\" is given twice");
  }
}

std::shared_ptr<const tasks::secret_source> secrets_of(const server_worker_options& options) {
  try {
    return tasks::open_secrets(options.secrets);
  } catch (const std::invalid_argument& error) {
    refuse(error.what());
  }
}

unsigned concurrency_of(const server_worker_options& options) {
  return options.concurrency != 0 ? options.concurrency : tasks::default_native_threads();
}

std::string identity() {
  char host[256] = {};
  ::gethostname(host, sizeof host - 1);
  return std::string(host) + ", process " + std::to_string(::getpid());
}

}  // namespace

class server_worker::impl {
 public:
  impl(registry definitions, server_worker_options options)
      : options_((check(options), std::move(options))),
        secrets_(secrets_of(options_)),
        definitions_(std::move(definitions)),
        log_(options_.logger ? log(options_.logger) : make_stderr_log("warning")),
        time_(make_system_clock()),
        random_(make_system_random()),
        worker_id_(make_uuid(*random_)),
        book_(concurrency_of(options_)) {
    make_backends();
    try {
      stream_.emplace(options_.server, *time_, loop_, events(), log_);
    } catch (const std::runtime_error& error) {
      refuse(error.what());
    }
  }

  ~impl() {
    loop_.run([this] {
      book_.leave();
      stream_->say();
    });
    loop_.wait_until([this] { return book_.running() == 0; }, options_.stop_grace);
    loop_.run([this] { gives_up_ = true; });
    backends_->stop(std::chrono::milliseconds(0));
    loop_.run([this] { book_.forget_running(); });
    if (stream_->connected()) loop_.wait_until([this] { return book_.idle(); }, acknowledgement_limit);
    stream_->close();
    loop_.end();
  }

  worker_statistics statistics() const {
    worker_statistics now{.attempts = ended_};
    loop_.run([&] { now.running = book_.running(); });
    return now;
  }
  std::string metrics() const { return shown_.text(); }
  std::optional<std::string> why_not_ready() const {
    if (stream_->connected()) return std::nullopt;
    const std::string why = stream_->why_not();
    return why.empty() ? "it is about to connect to the server at " + options_.server.address : why;
  }

 private:
  api::worker_stream_events events() {
    return {.first = [this] { return book_.begin(hello()); },
            .next = [this] { return book_.take_message(); },
            .received = [this](v1::WorkResponse&& message) { receive(message); }};
  }

  v1::WorkerHello hello() const {
    v1::WorkerHello hello;
    hello.set_namespace_(options_.server.name_space);
    hello.set_worker_id(worker_id_);
    hello.set_identity(identity());
    hello.mutable_task_queues()->Add(options_.task_queues.begin(), options_.task_queues.end());
    for (const tasks::task_backend* each : backends_->all()) {
      for (std::string& type : each->activity_types()) hello.add_activity_types(std::move(type));
    }
    return hello;
  }

  void make_backends() {
    tasks::backend_parts parts;
    parts.definitions = &definitions_;
    parts.native_threads = concurrency_of(options_);
    parts.processes = concurrency_of(options_);
    parts.containers = concurrency_of(options_);
    parts.docker = options_.docker;
    parts.engine_id = worker_id_;
    parts.time = time_.get();
    parts.lines = log_;
    parts.on_heartbeat = [this](const attempt_book::task_ptr& task, std::optional<messages::Payload> details) {
      loop_.post([this, task, details = std::move(details)] {
        book_.heartbeat(*task, details);
        stream_->say();
      });
    };
    parts.on_start = [this](const messages::ActivityTask& task) { attempts_.started(task, time_->now()); };
    parts.report = [this](tasks::attempt_end&& end) {
      loop_.post([this, end = std::make_shared<tasks::attempt_end>(std::move(end))] { on_end(std::move(*end)); });
    };
    parts.secrets = secrets_;
    const std::vector<std::string> names = options_.backends.empty() ? tasks::backends::names() : options_.backends;
    try {
      backends_ = std::make_unique<tasks::backends>(names, parts);
    } catch (const std::invalid_argument& error) {
      refuse(error.what());
    }
  }

  // --- on the loop

  void receive(const v1::WorkResponse& message) {
    for (const std::string& token : message.acknowledged()) book_.acknowledged(token);
    std::vector<attempt_book::task_ptr> fresh;
    for (const v1::AttemptTask& each : message.tasks()) {
      if (attempt_book::task_ptr task = book_.add(each)) fresh.push_back(std::move(task));
    }
    run(std::move(fresh));
    for (const v1::AttemptStop& each : message.stops()) {
      if (const auto id = tasks::parse_dispatch_id(each.token())) stop(*id, each.end_is_awaited());
    }
  }

  void run(std::vector<attempt_book::task_ptr>&& tasks) {
    for (const auto& task : tasks) attempts_.dispatched(*task);
    for (tasks::task_backend* const each : backends_->all()) {
      std::vector<attempt_book::task_ptr> its;
      std::erase_if(tasks, [&](auto& task) {
        if (!each->serves(task->activity_type())) return false;
        its.push_back(std::move(task));
        return true;
      });
      if (!its.empty()) each->run(std::move(its));
    }
    for (const auto& task : tasks) refuse_task(task);
  }

  void refuse_task(const attempt_book::task_ptr& task) {
    messages::Failure failure;
    failure.set_kind(messages::Failure::NOT_REGISTERED);
    failure.set_type("NotRegistered");
    failure.set_message("no activity named \"" + task->activity_type() + "\" is run by worker " + worker_id_ +
                        ": its program does not register it, or it has not the backend");
    on_end({task, 0, tasks::failed{std::move(failure)}});
  }

  /// What the server does not know any more is stopped, too, and forgotten once it has ended.
  void stop(const tasks::dispatch_id& id, bool is_awaited) {
    if (!book_.runs(id)) {
      if (!is_awaited) book_.acknowledged(tasks::to_string(id));
      return;
    }
    stops_.insert(id);
    for (tasks::task_backend* const each : backends_->all()) is_awaited ? each->request_stop(id) : each->cancel(id);
  }

  void on_end(tasks::attempt_end&& end) {
    if (stops_.erase(tasks::dispatch_id_of(*end.task)) == 0 && gives_up_) tasks::lose_if_canceled(end);
    ++ended_;
    attempts_.ended(end, time_->now());
    if (book_.end(std::move(end))) stream_->say();
  }

  const server_worker_options options_;
  const std::shared_ptr<const tasks::secret_source> secrets_;
  const registry definitions_;
  const log log_;
  const std::unique_ptr<clock> time_;
  const std::unique_ptr<random_source> random_;
  const std::string worker_id_;
  metrics::registry shown_;
  tasks::attempt_metrics attempts_;
  std::atomic<std::uint64_t> ended_{0};
  task_loop loop_;
  attempt_book book_;                   ///< on the loop, like the next two
  std::set<tasks::dispatch_id> stops_;  ///< attempts that the server asked to end
  bool gives_up_ = false;               ///< it stops, and what runs with it
  std::unique_ptr<tasks::backends> backends_;
  std::optional<api::worker_stream> stream_;
  const metrics::registry::registration collected_ = shown_.collect([this](metrics::scrape& into) {
    attempts_.collect(into);
    metrics::collect_process(into);
  });
};

server_worker::server_worker(registry registry, server_worker_options options)
    : impl_(std::make_unique<impl>(std::move(registry), std::move(options))) {}
server_worker::~server_worker() = default;
worker_statistics server_worker::statistics() const { return impl_->statistics(); }
std::string server_worker::metrics() const { return impl_->metrics(); }
std::optional<std::string> server_worker::why_not_ready() const { return impl_->why_not_ready(); }

}  // namespace evermill
