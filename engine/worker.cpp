#include "evermill/worker.hpp"

#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <map>
#include <mutex>
#include <set>
#include <thread>
#include <utility>

#include "actors/node.hpp"
#include "base/clock.hpp"
#include "base/log.hpp"
#include "base/random.hpp"
#include "base/task_loop.hpp"
#include "cluster/coordinator.hpp"
#include "cluster/decision_router.hpp"
#include "cluster/decision_stream.hpp"
#include "cluster/inbox.hpp"
#include "cluster/plan_reader.hpp"
#include "cluster/streams.hpp"
#include "cluster/worker_agent.hpp"
#include "base/process_metrics.hpp"
#include "engine/cluster_node.hpp"
#include "engine/engine_metrics.hpp"
#include "engine/names.hpp"
#include "plugins/queue/measured_broker.hpp"
#include "plugins/task/attempt_metrics.hpp"
#include "plugins/task/backends.hpp"

namespace evermill {
namespace {

constexpr std::chrono::milliseconds worker_tick{200};
constexpr std::chrono::milliseconds least_session_timeout{1'000};
constexpr std::chrono::milliseconds acknowledgement_limit{10'000};

unsigned concurrency_of(const worker_options& options) {
  return options.concurrency != 0 ? options.concurrency : tasks::default_native_threads();
}

void check(const worker_options& options) {
  const auto refuse = [](const std::string& why) { throw engine_error(engine_errc::invalid_argument, why); };
  if (options.queue.empty()) refuse("a worker needs the address of a queue");
  if (options.task_queues.empty()) refuse("a worker needs a task queue");
  if (const std::string wrong = tasks::backends::why_not(options.backends); !wrong.empty()) refuse(wrong);
  if (options.session_timeout < least_session_timeout) refuse("a session timeout below a second");
  std::set<std::string> names;
  for (const std::string& name : options.task_queues) {
    check_name("name of a task queue", name);
    if (!names.insert(name).second) refuse("task queue \"" + name + "\" is given twice");
  }
}

std::shared_ptr<const tasks::secret_source> secrets_of(const worker_options& options) {
  try {
    return tasks::open_secrets(options.secrets);
  } catch (const std::invalid_argument& error) {
    throw engine_error(engine_errc::invalid_argument, error.what());
  }
}

engine_options as_client(const worker_options& options) {
  engine_options client;
  client.mode = engine_mode::client;
  client.queue = options.queue;
  return client;
}

}  // namespace

/// What backends publish goes to the partitions; the end of an attempt until it is acknowledged.
class worker::impl {
 public:
  impl(registry definitions, worker_options options)
      : options_((check(options), std::move(options))),
        secrets_(secrets_of(options_)),
        definitions_(std::move(definitions)),
        log_(options_.logger ? log(options_.logger) : make_stderr_log("warning")),
        time_(make_system_clock()),
        random_(make_system_random()),
        member_id_(make_uuid(*random_)),
        connection_(connect()),
        unused_(queue::make_memory_queue(member_id_, connection_.description.partition_count())),
        decisions_({.cluster_id = connection_.description.cluster_id(),
                    .member = member_id_,
                    .partition_count = connection_.description.partition_count()},
                   broker(), [](partition_id, const std::string&, std::uint64_t) { return std::uint64_t{0}; },
                   [](const std::function<void()>&) {}, log_),
        router_({.member = member_id_,
                 .partition_count = connection_.description.partition_count(),
                 .give_up_after = std::chrono::hours(24 * 365)},
                *unused_, decisions_, *time_, *random_, [this](std::uint64_t token, const std::string&) { on_answer(token); }),
        ends_(*this),
        agent_({options_.task_queues, concurrency_of(options_)}, *time_, actions()) {
    make_backends();
    queue::broker_result<void> opened;
    loop_.run([&] { opened = open(); });
    if (!opened) {
      close();
      throw engine_error(engine_errc::unavailable, opened.error().message);
    }
  }

  ~impl() {
    loop_.run([this] { agent_.drain(); });
    loop_.wait_until([this] { return agent_.running() == 0; }, options_.stop_grace);
    loop_.run([this] { gives_up_ = true; });
    backends_->stop(std::chrono::milliseconds(0));
    loop_.wait_until([this] { return agent_.idle(); }, acknowledgement_limit);
    close();
  }

  worker_statistics statistics() const {
    worker_statistics now{.attempts = ended_};
    loop_.run([&] { now.running = agent_.running(); });
    return now;
  }

  std::string metrics() const { return shown_.text(); }

  std::optional<std::string> why_not_ready() const {
    if (joined_) return std::nullopt;
    return "the other processes of the cluster do not count this worker as alive";
  }

 private:
  cluster_connection connect() {
    cluster_connection made = connect_to_cluster(as_client(options_), *random_, log_);
    made.broker = queue::measure(std::move(made.broker), broker_counts_, *time_);
    return made;
  }

  /// Takes the ends of attempts, and keeps in mind which answer is whose.
  class ends_queue final : public queue::decision_queue {
   public:
    explicit ends_queue(impl& of) : of_(of) {}
    const std::string& source() const override { return of_.member_id_; }
    bool publish(partition_id to, std::shared_ptr<const messages::DecisionEvent> event) override {
      auto asked = std::make_shared<messages::DecisionEvent>(*event);
      asked->set_reply_token(++of_.last_token_);
      {
        const std::lock_guard lock(of_.mutex_);
        of_.ends_on_their_way_.emplace(asked->reply_token(), current);
      }
      return of_.router_.publish(to, std::move(asked));
    }
    bool publish(partition_id to, std::span<const std::shared_ptr<const messages::DecisionEvent>> events) override {
      return std::all_of(events.begin(), events.end(), [&](const auto& each) { return publish(to, each); });
    }
    queue::backlog_size backlog(partition_id) const override { return {}; }
    std::unique_ptr<queue::consumer> consume(partition_id, queue::position, std::function<void()>) override { return nullptr; }
    void close() override {}

    tasks::dispatch_id current;  ///< on the loop

   private:
    impl& of_;
  };

  queue::broker& broker() const { return *connection_.broker; }

  cluster::worker_agent::actions actions() {
    return {.send = [this](messages::ProcessMessage&& message) { inbox_->send(std::move(message)); },
            .run = [this](std::vector<cluster::worker_agent::task_ptr>&& tasks) { run(std::move(tasks)); },
            .tell = [this](const tasks::dispatch_id& id, messages::AttemptCancellation::How how) { tell(id, how); }};
  }

  void make_backends() {
    const auto report = [this](tasks::attempt_end&& end) {
      loop_.post([this, end = std::make_shared<tasks::attempt_end>(std::move(end))] { on_end(std::move(*end)); });
    };
    const auto on_heartbeat = [this](const auto& task, std::optional<messages::Payload> details) {
      actors::node::publish_heartbeat(router_, *task, std::move(details));
    };
    const auto on_start = [this](const messages::ActivityTask& task) { attempts_.started(task, time_->now()); };
    tasks::backend_parts parts;
    parts.definitions = &definitions_;
    parts.native_threads = concurrency_of(options_);
    parts.processes = concurrency_of(options_);
    parts.containers = concurrency_of(options_);
    parts.docker = options_.docker;
    parts.engine_id = connection_.description.cluster_id();
    parts.time = time_.get();
    parts.lines = log_;
    parts.on_heartbeat = on_heartbeat;
    parts.on_start = on_start;
    parts.report = report;
    parts.secrets = secrets_;
    const std::vector<std::string> names = options_.backends.empty() ? tasks::backends::names() : options_.backends;
    try {
      backends_ = std::make_unique<tasks::backends>(names, parts);
    } catch (const std::invalid_argument& error) {
      close();
      throw engine_error(engine_errc::invalid_argument, error.what());
    }
  }

  queue::broker_result<void> open() {
    inbox_ = std::make_unique<cluster::inbox>(
        member_id_, broker(), loop_.poster(), [this](messages::ProcessMessage&& message) { deliver(std::move(message)); }, log_);
    if (!inbox_->opened()) return inbox_->opened();
    plans_ = std::make_unique<cluster::plan_reader>(connection_.description.cluster_id(), broker(), loop_.poster(),
                                                    [this] { on_plan(); }, log_);
    if (auto read = plans_->start(); !read) return read;
    agent_.on_plan(plans_->plan());
    messages::MemberDescription says = describe_process(definitions_, *time_);
    says.set_role(messages::MemberDescription::WORKER);
    says.set_concurrency(concurrency_of(options_));
    says.mutable_task_queues()->Add(options_.task_queues.begin(), options_.task_queues.end());
    says.clear_workflow_types();
    auto joined = broker().join(
        {cluster::membership_group_name, member_id_, says.SerializeAsString(), options_.session_timeout}, [] {});
    if (!joined) return unexpected(joined.error());
    membership_ = std::move(*joined);
    tick();
    return {};
  }

  void close() {
    loop_.run([this] {
      closed_ = true;
      if (alarm_) time_->cancel_alarm(*alarm_);
      membership_.reset();
      plans_.reset();
      inbox_.reset();
    });
    loop_.end();
    broker().close();
  }

  void tick() {
    if (closed_) return;
    inbox_->look();
    plans_->look();
    const queue::membership_view view = membership_->view();
    joined_ = view.joined;
    if (view.joined && view.coordinator == member_id_) coordinator_.decide(plans_->plan(), view);
    router_.tick();
    agent_.tick();
    alarm_ = time_->set_alarm(time_->now() + worker_tick, [post = loop_.poster(), this] { post([this] { tick(); }); });
  }

  void on_plan() {
    coordinator_.on_plan();
    agent_.on_plan(plans_->plan());
  }

  void deliver(messages::ProcessMessage&& message) {
    switch (message.what_case()) {
      case messages::ProcessMessage::kWorkerTasks:
        agent_.on_tasks(message.from(), std::move(*message.mutable_worker_tasks()));
        break;
      case messages::ProcessMessage::kAttemptCancellation: agent_.on_cancellation(message.attempt_cancellation()); break;
      case messages::ProcessMessage::kLoadRequest: answer_load_request(message); break;
      case messages::ProcessMessage::kAnswer:
        if (router_.answered(message.call())) on_answer(message.call());
        break;
      default: break;
    }
  }

  void answer_load_request(const messages::ProcessMessage& message) {
    messages::ProcessMessage reply;
    reply.set_to(message.from());
    reply.set_call(message.call());
    reply.mutable_load()->set_running_attempts(agent_.running());
    reply.mutable_load()->set_ended_attempts(ended_);
    inbox_->send(std::move(reply));
  }

  void run(std::vector<cluster::worker_agent::task_ptr>&& tasks) {
    for (const auto& task : tasks) attempts_.dispatched(*task);
    for (tasks::task_backend* const each : backends_->all()) {
      std::vector<cluster::worker_agent::task_ptr> its;
      std::erase_if(tasks, [&](auto& task) {
        if (!each->serves(task->activity_type())) return false;
        its.push_back(std::move(task));
        return true;
      });
      if (!its.empty()) each->run(std::move(its));
    }
    for (const auto& task : tasks) refuse(task);
  }

  void refuse(const cluster::worker_agent::task_ptr& task) {
    messages::Failure failure;
    failure.set_kind(messages::Failure::NOT_REGISTERED);
    failure.set_type("NotRegistered");
    failure.set_message("no activity named \"" + task->activity_type() + "\" is run by worker " + member_id_ +
                        ": its program does not register it, or it has not the backend");
    loop_.post([this, end = std::make_shared<tasks::attempt_end>(tasks::attempt_end{task, 0, tasks::failed{std::move(failure)}})] {
      on_end(std::move(*end));
    });
  }

  void tell(const tasks::dispatch_id& id, messages::AttemptCancellation::How how) {
    stops_.insert(id);
    for (tasks::task_backend* const each : backends_->all()) {
      switch (how) {
        case messages::AttemptCancellation::REQUEST_STOP: each->request_stop(id); break;
        case messages::AttemptCancellation::EXPIRE: each->expire(id); break;
        default: each->cancel(id); break;
      }
    }
  }

  void on_end(tasks::attempt_end&& end) {
    const tasks::dispatch_id id = tasks::dispatch_id_of(*end.task);
    if (stops_.erase(id) == 0 && gives_up_) tasks::lose_if_canceled(end);
    ++ended_;
    attempts_.ended(end, time_->now());
    ends_.current = id;
    actors::node::publish_attempt_end(ends_, std::move(end));
    agent_.on_ended(id);
  }

  /// Whatever the answer is: the partition has the end, or does not want it.
  void on_answer(std::uint64_t token) {
    tasks::dispatch_id id;
    {
      const std::lock_guard lock(mutex_);
      const auto it = ends_on_their_way_.find(token);
      if (it == ends_on_their_way_.end()) return;
      id = it->second;
      ends_on_their_way_.erase(it);
    }
    loop_.post([this, id] {
      stops_.erase(id);
      agent_.on_acknowledged(id);
    });
  }

  const worker_options options_;
  const std::shared_ptr<const tasks::secret_source> secrets_;
  const registry definitions_;
  const log log_;
  const std::unique_ptr<clock> time_;
  const std::unique_ptr<random_source> random_;
  const std::string member_id_;
  metrics::registry shown_;
  tasks::attempt_metrics attempts_;
  queue::broker_metrics broker_counts_;
  std::atomic<bool> joined_{false};
  const cluster_connection connection_;
  const std::unique_ptr<queue::memory_queue> unused_;  // no partition is here
  task_loop loop_;
  cluster::decision_stream decisions_;
  cluster::decision_router router_;
  std::mutex mutex_;
  std::map<std::uint64_t, tasks::dispatch_id> ends_on_their_way_;  ///< by token
  std::uint64_t last_token_ = 0;                                   ///< on the loop
  std::atomic<std::uint64_t> ended_{0};
  ends_queue ends_;
  cluster::worker_agent agent_;  ///< on the loop, like all that follows
  std::unique_ptr<cluster::inbox> inbox_;
  std::unique_ptr<queue::membership> membership_;
  std::unique_ptr<cluster::plan_reader> plans_;
  cluster::coordinator coordinator_{connection_.description.partition_count(), broker(), *time_, loop_.poster()};
  std::optional<clock::alarm_id> alarm_;
  std::set<tasks::dispatch_id> stops_;  ///< attempts that nodes asked to end
  bool gives_up_ = false;               ///< it stops, and what runs with it
  bool closed_ = false;
  std::unique_ptr<tasks::backends> backends_;
  const metrics::registry::registration collected_ = shown_.collect([this](metrics::scrape& into) {
    collect_build(EVERMILL_VERSION, into);
    attempts_.collect(into);
    broker_counts_.collect(into);
    metrics::collect_process(into);
  });
};

worker::worker(registry registry, worker_options options) : impl_(std::make_unique<impl>(std::move(registry), std::move(options))) {}
worker::~worker() = default;
worker_statistics worker::statistics() const { return impl_->statistics(); }
std::string worker::metrics() const { return impl_->metrics(); }
std::optional<std::string> worker::why_not_ready() const { return impl_->why_not_ready(); }

}  // namespace evermill
