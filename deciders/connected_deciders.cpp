#include "deciders/connected_deciders.hpp"

#include <algorithm>
#include <stdexcept>

#include "base/namespaces.hpp"
#include "base/text.hpp"

namespace evermill::deciders {
namespace {

/// How often it looks within one turn timeout: a turn is found at most this part of it too late.
constexpr int looks_per_limit = 4;
constexpr std::size_t most_slow_runs = 10'000;

/// Types are kept as ids are: one of a namespace is not that of another.
workflow_name workflow_of(const question& what) { return {namespaces::qualified(what.name_space, what.workflow_type), what.version}; }

std::string shown(const std::string& id) {
  const auto [name_space, plain] = namespaces::split(id);
  return namespaces::is_default(name_space) ? std::string(plain) : std::string(plain) + " of " + std::string(name_space);
}

}  // namespace

connected_deciders::connected_deciders(connected_deciders_options options, std::string nonce, clock& time, log lines)
    : options_(std::move(options)), nonce_(std::move(nonce)), time_(time), log_(std::move(lines)) {}

connected_deciders::~connected_deciders() {
  clock::alarm_id alarm = 0;
  {
    const std::lock_guard lock(mutex_);
    closed_ = true;
    alarm = std::exchange(alarm_, 0);
    for (auto& [id, each] : sessions_) each.connection->close("the process is stopping");
  }
  if (alarm != 0) time_.cancel_alarm(alarm);
}

std::string unserved_text(const std::string& type, const std::string& version) {
  std::string text = "no worker is connected that decides the workflow \"";
  text.append(type).append("\"");
  if (!version.empty()) text.append(", version \"").append(version).append("\"");
  return text;
}

bool is_remote(const workflow_definition& definition) noexcept { return !definition.start; }

// --- workers

connected_deciders::session_id connected_deciders::connect(decider_description&& who, std::shared_ptr<decider_connection> connection) {
  require_name("decider's worker id", who.id);
  if (who.workflows.empty()) throw std::invalid_argument("a decider names at least one workflow type that it decides");
  for (const auto& [type, version] : who.workflows) {
    require_name("workflow type", type);
    if (!version.empty()) require_name("version of a workflow type", version);
    if (options_.is_local && options_.is_local(type)) {
      throw std::invalid_argument("the server has code of its own for the workflow type \"" + type +
                                  "\", which no other process decides then; choose another name");
    }
  }
  who.id = namespaces::qualified(who.name_space, who.id);
  std::set<workflow_name> decided;
  for (const auto& [type, version] : who.workflows) decided.emplace(namespaces::qualified(who.name_space, type), version);
  who.workflows = std::move(decided);
  const std::lock_guard lock(mutex_);
  if (closed_) {
    connection->close("the process is stopping");
    return 0;
  }
  for (auto it = sessions_.begin(); it != sessions_.end(); ++it) {
    if (it->second.about.id != who.id) continue;
    it->second.connection->close("the worker has connected anew");
    end_session(it);
    break;
  }
  const session_id id = ++last_session_;
  session& is = sessions_[id];
  is.about = std::move(who);
  is.connection = std::move(connection);
  take_back(id, is);
  for (const workflow_name& each : is.about.workflows) {
    known_workflow& known = workflows_[each];
    if (!known.definition) {
      auto made = std::make_unique<workflow_definition>();
      made->name = namespaces::plain(each.first);
      made->version = each.second;
      known.definition = std::move(made);
    }
    known.came = ++arrivals_;
    ++known.workers;
  }
  log_.info({}, "decider {} is connected: {}; it decides {} workflow types", shown(is.about.id), is.about.identity, is.about.workflows.size());
  if (served_) served_();
  return id;
}

/// The runs that it had before its connection broke, and still has as they are.
void connected_deciders::take_back(session_id id, session& from) {
  for (const auto& [run_id, token] : from.about.live) {
    const auto lost = lost_.find(run_id);
    instance* const run = lost == lost_.end() ? nullptr : &instances_.at(lost->second);
    if (run == nullptr || run->worker != from.about.id || run->last_token != token) {
      from.connection->drop(run_id);
      continue;
    }
    run->on = id;
    from.runs[run_id] = run->id;
    lost_.erase(lost);
  }
  from.about.live.clear();
}

void connected_deciders::grant(session_id session, std::uint32_t more) {
  const std::lock_guard lock(mutex_);
  auto* const who = find_session(session);
  if (who == nullptr) return;
  who->room += more;
  pump(session, *who);
}

void connected_deciders::withdraw(session_id session) {
  const std::lock_guard lock(mutex_);
  if (auto* const who = find_session(session)) who->room = 0;
}

void connected_deciders::answer(session_id session, const std::string& token, verdict&& how) {
  const std::lock_guard lock(mutex_);
  auto* const who = find_session(session);
  if (who == nullptr) return;
  const auto asked = who->asked.find(token);
  if (asked == who->asked.end()) return;  // too late: the run was placed anew
  instance& run = instances_.at(asked->second);
  who->asked.erase(asked);
  if (how.what == verdict::kind::moved && run.asks->what->from_start) {
    how.what = verdict::kind::failed;
    how.message = "its worker has evicted it before it had decided anything; one that has no room grants no credit";
  }
  if (how.what == verdict::kind::decided || how.what == verdict::kind::rejected) {
    ++turns_;
    run.last_token = token;
    slow_.erase(run.run_id);
  } else {
    unplace(run, how.what == verdict::kind::failed);
  }
  tell(run, std::move(how));
}

void connected_deciders::evicted(session_id session, const std::string& run_id) {
  const std::lock_guard lock(mutex_);
  auto* const who = find_session(session);
  if (who == nullptr) return;
  const auto placed = who->runs.find(run_id);
  if (placed == who->runs.end()) return;
  instance& run = instances_.at(placed->second);
  if (run.asks && !run.asks->token.empty()) return;  // its answer says so, too
  const bool waits = run.asks.has_value();
  take_out(run);
  unplace(run, false);
  if (waits) tell(run, verdict::kind::moved, {});
}

void connected_deciders::disconnect(session_id session) {
  const std::lock_guard lock(mutex_);
  const auto it = sessions_.find(session);
  if (it == sessions_.end()) return;
  log_.info({}, "decider {} is gone; it had {} runs", shown(it->second.about.id), it->second.runs.size());
  end_session(it);
}

/// What it was asked is asked of others; what it has may come back with it.
void connected_deciders::end_session(std::map<session_id, session>::iterator which) {
  session gone = std::move(which->second);
  sessions_.erase(which);
  for (const workflow_name& each : gone.about.workflows) --workflows_.at(each).workers;
  for (const auto& [run_id, id] : gone.runs) {
    instance& run = instances_.at(id);
    run.on = 0;
    if (run.asks) {
      run.worker.clear();
      tell(run, verdict::kind::moved, {});
    } else {
      lost_[run_id] = id;
    }
  }
  refuse_unserved();
}

void connected_deciders::refuse_unserved() {
  for (auto it = unplaced_.begin(); it != unplaced_.end();) {
    if (is_served(it->first)) {
      ++it;
      continue;
    }
    for (const auto& [number, id] : it->second) {
      tell(instances_.at(id), verdict::kind::unserved, unserved_text(std::string(namespaces::plain(it->first.first)), it->first.second));
    }
    it = unplaced_.erase(it);
  }
}

connected_deciders::session* connected_deciders::find_session(session_id id) {
  const auto it = sessions_.find(id);
  return it == sessions_.end() ? nullptr : &it->second;
}

bool connected_deciders::serves(const session& who, const workflow_name& what) {
  if (!what.second.empty()) return who.about.workflows.contains(what);
  const auto first = who.about.workflows.lower_bound(what);
  return first != who.about.workflows.end() && first->first == what.first;
}

bool connected_deciders::is_served(const workflow_name& what) const {
  return std::any_of(sessions_.begin(), sessions_.end(), [&](const auto& each) { return serves(each.second, what); });
}

bool connected_deciders::is_slow(const std::string& run_id, const std::string& worker) const {
  const auto it = slow_.find(run_id);
  return it != slow_.end() && it->second.contains(worker);
}

decider_load connected_deciders::load() const {
  const std::lock_guard lock(mutex_);
  decider_load sum;
  sum.workers = sessions_.size();
  for (const auto& [id, each] : sessions_) {
    sum.runs += each.runs.size();
    sum.waiting += each.queue.size();
    sum.asked += each.asked.size();
  }
  for (const auto& [name, each] : unplaced_) sum.waiting += each.size();
  sum.turns_total = turns_;
  sum.timeouts_total = timeouts_;
  return sum;
}

// --- questions

const workflow_definition* connected_deciders::find(std::string_view name_space, const std::string& type, const std::string& version) {
  const std::string kept = namespaces::qualified(name_space, type);
  const std::lock_guard lock(mutex_);
  const known_workflow* newest = nullptr;
  for (auto it = workflows_.lower_bound({kept, version}); it != workflows_.end() && it->first.first == kept; ++it) {
    if (!version.empty() && it->first.second != version) break;
    if (it->second.workers > 0 && (newest == nullptr || it->second.came > newest->came)) newest = &it->second;
  }
  return newest == nullptr ? nullptr : newest->definition.get();
}

connected_deciders::ticket connected_deciders::open() {
  const std::lock_guard lock(mutex_);
  const ticket id = ++last_ticket_;
  instances_[id].id = id;
  return id;
}

void connected_deciders::ask(ticket who, std::shared_ptr<const question> what, std::function<void(verdict&&)> told) {
  const std::lock_guard lock(mutex_);
  instance& run = instances_.at(who);
  run.asks = pending{std::move(what), std::move(told)};
  run.asks->number = ++last_number_;
  const question& asked = *run.asks->what;
  if (!asked.from_start) {
    session* const has = find_session(run.on);
    const auto placed = has == nullptr ? std::map<std::string, ticket>::iterator() : has->runs.find(run.run_id);
    if (has == nullptr || placed == has->runs.end() || placed->second != who) return tell(run, verdict::kind::moved, {});
    has->queue.emplace(run.asks->number, who);
    return pump(run.on, *has);
  }
  unplace(run, true);
  run.run_id = asked.run_id;
  if (!is_served(workflow_of(asked))) {
    return tell(run, verdict::kind::unserved, unserved_text(asked.workflow_type, asked.version));
  }
  const auto to = roomiest_for(asked);
  if (to == sessions_.end()) {
    slow_.erase(run.run_id);
    return tell(run, verdict::kind::timed_out, "the workers that could decide its turn have not answered in time");
  }
  unplaced_[workflow_of(asked)].emplace(run.asks->number, who);
  pump(to->first, to->second);
}

std::map<connected_deciders::session_id, connected_deciders::session>::iterator connected_deciders::roomiest_for(const question& what) {
  auto best = sessions_.end();
  for (auto it = sessions_.begin(); it != sessions_.end(); ++it) {
    if (!serves(it->second, workflow_of(what)) || is_slow(what.run_id, it->second.about.id)) continue;
    if (best == sessions_.end() || it->second.room > best->second.room) best = it;
  }
  return best;
}

void connected_deciders::pump(session_id id, session& to) {
  while (to.room > 0) {
    const auto [queue, next] = first_for(to);
    if (queue == nullptr) return;
    instance& run = instances_.at(next->second);
    take_out(run);
    send(id, to, run);
  }
}

/// What came first of all that it may be asked; null: nothing.
std::pair<connected_deciders::waiting*, connected_deciders::waiting::iterator> connected_deciders::first_for(session& to) {
  std::pair<waiting*, waiting::iterator> first{nullptr, {}};
  const auto look_at = [&](waiting& queue) {
    for (auto it = queue.begin(); it != queue.end(); ++it) {
      if (first.first != nullptr && it->first > first.second->first) return;
      if (is_slow(instances_.at(it->second).run_id, to.about.id)) continue;
      first = {&queue, it};
      return;
    }
  };
  look_at(to.queue);
  for (const workflow_name& each : to.about.workflows) {
    if (const auto it = unplaced_.find(each); it != unplaced_.end()) look_at(it->second);
    if (each.second.empty()) continue;
    if (const auto it = unplaced_.find({each.first, ""}); it != unplaced_.end()) look_at(it->second);
  }
  return first;
}

/// The worker now has the run.
void connected_deciders::send(session_id id, session& to, instance& run) {
  pending& asks = *run.asks;
  asks.token = nonce_ + "." + std::to_string(++last_token_);
  --to.room;
  to.asked[asks.token] = run.id;
  to.runs[run.run_id] = run.id;
  run.on = id;
  run.worker = to.about.id;
  if (options_.turn_timeout.count() > 0) {
    asks.due = time_.now() + options_.turn_timeout + options_.timeout_per_event * asks.what->history_events;
    set_alarm();
  }
  to.connection->ask(asks.token, asks.what);
}

void connected_deciders::close(ticket who) {
  const std::lock_guard lock(mutex_);
  const auto it = instances_.find(who);
  if (it == instances_.end()) return;
  take_out(it->second);
  unplace(it->second, true);
  instances_.erase(it);
}

void connected_deciders::on_served(std::function<void()> told) {
  const std::lock_guard lock(mutex_);
  served_ = std::move(told);
}

/// No worker has it any more.
void connected_deciders::unplace(instance& run, bool tell_worker) {
  if (session* const has = find_session(run.on)) {
    const auto placed = has->runs.find(run.run_id);
    if (placed != has->runs.end() && placed->second == run.id) {  // otherwise it has a later life of the run
      has->runs.erase(placed);
      if (tell_worker) has->connection->drop(run.run_id);
    }
  }
  run.on = 0;
  run.worker.clear();
  const auto lost = lost_.find(run.run_id);
  if (lost != lost_.end() && lost->second == run.id) lost_.erase(lost);
}

/// Of where its question waits, or is.
void connected_deciders::take_out(instance& run) {
  if (!run.asks) return;
  session* const has = find_session(run.on);
  if (!run.asks->token.empty()) {
    if (has != nullptr) has->asked.erase(run.asks->token);
    return;
  }
  if (has != nullptr) has->queue.erase(run.asks->number);
  const auto queue = unplaced_.find(workflow_of(*run.asks->what));
  if (queue == unplaced_.end()) return;
  queue->second.erase(run.asks->number);
  if (queue->second.empty()) unplaced_.erase(queue);
}

void connected_deciders::tell(instance& run, verdict&& what) {
  const pending asked = *std::exchange(run.asks, std::nullopt);
  asked.told(std::move(what));
}

void connected_deciders::tell(instance& run, verdict::kind what, std::string message) {
  verdict how;
  how.what = what;
  how.message = std::move(message);
  tell(run, std::move(how));
}

// --- time

void connected_deciders::time_out(instance& run) {
  const std::shared_ptr<const question> what = run.asks->what;
  const std::string worker = shown(run.worker);
  log_.warn({}, "decider {} has not answered a turn of \"{}\" in time; the run is taken from it", worker, what->workflow_id);
  ++timeouts_;
  if (slow_.size() >= most_slow_runs) slow_.clear();
  std::set<std::string>& slow = slow_[run.run_id];
  slow.insert(run.worker);
  take_out(run);
  unplace(run, true);
  if (slow.size() < options_.slow_workers && roomiest_for(*what) != sessions_.end()) return tell(run, verdict::kind::moved, {});
  const auto limit = std::chrono::duration_cast<std::chrono::milliseconds>(options_.turn_timeout);
  std::string message = "no worker has answered its turn within " + std::to_string(limit.count()) + " ms (" + std::to_string(slow.size()) +
                        " tried, \"" + worker + "\" last); it is tried anew when a worker connects, or by `taint`; `terminate` ends it";
  slow_.erase(run.run_id);
  tell(run, verdict::kind::timed_out, std::move(message));
}

/// While a worker is asked.
void connected_deciders::set_alarm() {
  if (closed_ || alarm_ != 0) return;
  alarm_ = time_.set_alarm(time_.now() + options_.turn_timeout / looks_per_limit, [this] { ring(); });
}

void connected_deciders::ring() {
  const std::lock_guard lock(mutex_);
  alarm_ = 0;
  if (closed_) return;
  const timestamp now = time_.now();
  std::vector<ticket> late;
  bool any = false;
  for (const auto& [session, each] : sessions_) {
    for (const auto& [token, id] : each.asked) {
      any = true;
      if (instances_.at(id).asks->due <= now) late.push_back(id);
    }
  }
  for (const ticket id : late) time_out(instances_.at(id));
  if (any) set_alarm();
}

}  // namespace evermill::deciders
