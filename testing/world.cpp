#include "testing/world.hpp"

#include <algorithm>
#include <utility>

#include "engine/incarnation.hpp"
#include "interpreter/workflows.hpp"
#include "plugins/queue/memory/memory_queue.hpp"
#include "storage/journal.hpp"
#include "storage/rows.hpp"

namespace evermill::testing {
namespace {

/// Longer than any test: an execution leaves memory in a crash or not at all.
constexpr std::chrono::days never{365'000};
constexpr std::chrono::days horizon{73'000};

}  // namespace

world::world(registry definitions, const environment_options& options, store_opener open)
    : definitions_(interpreter::with_workflows(definitions)),
      lines_(options.logger ? log(options.logger) : log()),
      clock_(options.start_time),
      random_(make_seeded_random(options.seed)),
      store_(std::move(open)),
      activities_(definitions_, clock_),
      partitions_(options.partitions) {
  if (partitions_ == 0) throw engine_error(engine_errc::invalid_argument, "an environment has at least one partition");
  options_.passivate_after = never;
  options_.choose_next = [](std::size_t) { return std::size_t{0}; };
  if (options.replay_every_turn) options_.live_instances_per_partition = 0;
  boot();
}

world::~world() { die(); }

void world::boot() {
  store_.attach();
  const auto description =
      must(storage::boot_store(store_, partitions_, [this] { return make_uuid(*random_); }));
  ++boots_;
  options_.boot = boot_number(description.boot_number());
  options_.partitions = partitions_;
  queue_ = queue::make_memory_queue(options_.boot, partitions_);
  activities_.attach([this](tasks::attempt_end&& end) { actors::node::publish_attempt_end(*queue_, std::move(end)); },
                     [this](const auto& task, std::optional<messages::Payload> details) {
                       actors::node::publish_heartbeat(*queue_, *task, std::move(details));
                     });
  actors::node_parts parts;
  parts.store = &store_;
  parts.queue = queue_.get();
  parts.time = &clock_;
  parts.random = random_.get();
  parts.definitions = &definitions_;
  parts.backends = {&activities_};
  parts.run_step = [this](std::function<void()> step) { steps_.push_back(std::move(step)); };
  parts.listener = this;
  parts.lines = lines_;
  try {
    node_ = std::make_unique<actors::node>(std::move(parts), options_);
  } catch (const std::runtime_error& error) {
    throw engine_error(engine_errc::storage, error.what());
  }
}

/// What the process still does while it is taken apart reaches nobody.
void world::die() {
  store_.detach();
  activities_.detach();
  node_.reset();
  queue_.reset();
  steps_.clear();
  answers_.clear();
  ended_updates_.clear();
  failure_.reset();
}

void world::crash() {
  if (in_step_) {
    crash_after_step_ = true;
    return;
  }
  ++crashes_;
  die();
  store_.die_after(0);
  boot();
}

void world::on_failed(partition_id, const std::string& message) {
  if (!store_.is_dead()) failure_ = message;
}

bool world::handle_messages() {
  if (failure_) throw engine_error(engine_errc::storage, *failure_);
  if (store_.is_dead()) return crash(), true;
  return node_->run_one();
}

bool world::happen() {
  if (handle_messages()) return true;
  if (steps_.empty()) return activities_.run_one() || ring_due_alarm();
  const auto step = std::move(steps_.front());
  steps_.pop_front();
  in_step_ = true;
  step();
  in_step_ = false;
  if (std::exchange(crash_after_step_, false)) crash();
  return true;
}

bool world::ring_due_alarm() {
  const auto next = clock_.next_alarm();
  return next && *next <= clock_.now() && clock_.advance_to(clock_.now());
}

std::optional<timestamp> world::next_due() const {
  const auto next = clock_.next_alarm();
  return next && *next - clock_.now() <= horizon ? next : std::nullopt;
}

bool world::skip() {
  const auto next = next_due();
  return next && clock_.advance_to(std::max(*next, clock_.now()));
}

actors::answer world::ask(const messages::DecisionEvent& request, std::optional<partition_id> to) {
  const std::size_t before = to ? 0 : times_durable(request);
  const std::uint64_t crashes_before = crashes_;
  while (true) {
    auto event = std::make_shared<messages::DecisionEvent>(request);
    const std::uint64_t token = ++last_token_;
    event->set_reply_token(token);
    queue_->publish(to ? *to : partition_of(request.workflow_id()), std::move(event));
    const std::uint64_t crashes = crashes_;
    while (!answers_.contains(token) && crashes == crashes_ && handle_messages()) {
    }
    if (const auto answer = answers_.extract(token); !answer.empty()) {
      // An attempt's end that was durable before the crash makes its token one that is not current.
      const bool twice = request.has_activity_attempt_closed() && crashes_ > crashes_before &&
                         answer.mapped().what == actors::answer::outcome::not_found;
      return twice ? actors::answer() : answer.mapped();
    }
    if (crashes == crashes_) throw environment_error("a request to \"" + request.workflow_id() + "\" has no answer");
    if (!to && times_durable(request) > before) return {};
  }
}

actors::answer world::query(const actors::query_request& what) {
  while (true) {
    actors::query_request mine = what;
    const std::uint64_t token = mine.what.token = ++last_token_;
    node_->query(std::move(mine));
    const std::uint64_t crashes = crashes_;
    while (!answers_.contains(token) && crashes == crashes_ && handle_messages()) {
    }
    if (const auto answer = answers_.extract(token); !answer.empty()) return answer.mapped();
    if (crashes == crashes_) throw environment_error("a query to \"" + what.workflow_id + "\" has no answer");
  }
}

std::shared_ptr<const actors::code_result> world::update_end(const std::string& workflow_id,
                                                             const std::string& update_id) const {
  const auto found = ended_updates_.find({workflow_id, update_id});
  return found == ended_updates_.end() ? nullptr : found->second;
}

/// How often the journals of this workflow id have the request; 0 for one that can be repeated without harm.
std::size_t world::times_durable(const messages::DecisionEvent& request) const {
  const bool once = !request.request_id().empty();  // the same one is not done twice
  const messages::Event& asked = request.event();
  const bool repeatable =
      once || (!asked.has_workflow_execution_signaled() && !asked.has_workflow_execution_cancel_requested() &&
               !asked.has_human_task_assigned() && !asked.has_human_task_completed() && !request.has_terminate());
  const partition_id partition = partition_of(request.workflow_id());
  const auto header = must(storage::find_header(store_, partition, request.workflow_id()));
  if (repeatable || !header) return 0;
  std::size_t times = 0;
  for (std::uint64_t run = header->run_number(); run != 0;) {
    storage::journal_reader reader(store_, partition, run_number(run));
    run = 0;
    for (storage::stored_turn turn; must(reader.next(turn));) {
      const messages::Event& decision = turn.record.events(0);
      if (decision.has_workflow_execution_started()) {
        run = decision.workflow_execution_started().continued_from_run_number();
      }
      const bool terminated = turn.record.events(turn.record.events_size() - 1).has_workflow_execution_terminated();
      const bool same = request.has_terminate() ? terminated
                                                : decision.SerializeAsString() == request.event().SerializeAsString();
      if (same) ++times;
    }
  }
  return times;
}

}  // namespace evermill::testing
