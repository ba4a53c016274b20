#include "plugins/queue/redis/membership.hpp"

#include <algorithm>
#include <charconv>
#include <string_view>
#include <utility>

namespace evermill::queue {
namespace {

using std::chrono::milliseconds;
using std::chrono::steady_clock;

constexpr milliseconds look_every{500};

std::vector<std::string> group_keys(const redis_address& address, const std::string& group) {
  const std::string tag = "{" + address.prefix + ":group:" + group + "}";
  return {tag + ":members", tag + ":descriptions", tag + ":changes", tag + ":coordinator"};
}

/// By how much a server's clock may run faster than ours within a lease.
milliseconds drift_of(milliseconds lease) { return lease / 100 + milliseconds(2); }

}  // namespace

redis_member::redis_member(std::shared_ptr<redis_common> common, membership_options options, std::function<void()> on_change)
    : common_(std::move(common)),
      options_(std::move(options)),
      on_change_(std::move(on_change)),
      keys_(group_keys(common_->address, options_.group)),
      timeout_(std::min(common_->address.timeout, std::max(options_.session_timeout / 10, milliseconds(50)))),
      said_{1, options_.description},
      voters_(common_->address.servers.size()) {
  for (std::size_t i = 0; i < voters_.size(); ++i) voters_[i].server = i;
  thread_ = std::thread([this] { run(); });
}

membership_view redis_member::view() {
  std::lock_guard lock(mutex_);
  looked_at_ = true;
  lapse(steady_clock::now());
  return view_;
}

void redis_member::describe(std::string description) {
  {
    std::lock_guard lock(mutex_);
    said_ = {said_.version + 1, std::move(description)};
  }
  wake_.set();
}

void redis_member::leave() {
  std::lock_guard once(leave_mutex_);  // it may be destroyed while the broker is closed
  {
    std::lock_guard lock(mutex_);
    leaving_ = true;
  }
  wake_.set();
  if (thread_.joinable()) thread_.join();
}

bool redis_member::lapse(steady_time now) {
  if (!view_.joined) return false;
  if (leaving_ || now >= alive_until_) {
    view_ = {view_.generation + 1, false, {}, ""};
    return true;
  }
  if (view_.coordinator != options_.member_id || now < decides_until_) return false;
  view_.coordinator.clear();
  ++view_.generation;
  return true;
}

void redis_member::run() {
  for (;;) {
    wake_.clear();
    {
      std::lock_guard lock(mutex_);
      if (leaving_) break;
    }
    round(steady_clock::now() >= next_renewal_);
    publish();
    wait_for(wake_, wake_, until_next_round(steady_clock::now()));
  }
  for (voter& each : voters_) {
    if (each.connection == nullptr) continue;
    each.connection->add_script(leave_script, {keys_.begin(), keys_.end()}, {options_.member_id, "0"});
    each.connection->push();
  }
  for (voter& each : voters_) {
    if (each.connection != nullptr) static_cast<void>(each.connection->next());
  }
  std::lock_guard lock(mutex_);
  lapse(steady_clock::now());
}

milliseconds redis_member::until_next_round(steady_time now) {
  std::unique_lock lock(mutex_);
  const bool nobody_decides = view_.coordinator.empty();
  lock.unlock();
  if (!nobody_decides) no_coordinator_.succeeded();
  const milliseconds most = std::min(look_every, options_.session_timeout / 3);
  const milliseconds wait = nobody_decides ? std::min(most, no_coordinator_.next()) : most;
  if (!has_asked_) return wait;
  return std::clamp(std::chrono::ceil<milliseconds>(next_renewal_ - now), milliseconds(1), wait);
}

void redis_member::connect(voter& at) {
  const auto now = steady_clock::now();
  if (at.connection != nullptr || now < at.next_attempt) return;
  auto opened = redis_connection::open(common_->address, at.server, timeout_, nullptr);
  if (!opened) return forget(at, opened.error().message);
  for (const redis_script* script : {&heartbeat_script, &leave_script}) {
    if (const auto ready = (*opened)->load(*script); !ready) return forget(at, ready.error().message);
  }
  at.connection = std::move(*opened);
  at.connected_since = steady_clock::now();
  at.described = 0;
  at.changes = "";
  common_->watch.answers(at.server);
}

void redis_member::forget(voter& which, const std::string& why) {
  common_->watch.lost(which.server, why);
  which.connection.reset();
  which.answered = false;
  which.next_attempt = steady_clock::now() + std::min(which.pauses.next(), look_every);
}

void redis_member::round(bool renews) {
  for (voter& each : voters_) {
    each.answered = false;
    connect(each);
  }
  const auto begin = steady_clock::now();
  std::unique_lock lock(mutex_);
  const bool decides = begin < decides_until_;
  const bool nobody_decides = view_.coordinator.empty();
  lock.unlock();
  const bool takes = decides || (has_asked_ && nobody_decides && begin >= next_take_);
  renews = renews || (takes && !decides);  // a lease that is taken is as long as one that is renewed
  for (voter& each : voters_) ask(each, renews, takes);
  std::size_t alive = 0;
  std::size_t decided = 0;
  for (voter& each : voters_) {
    hear(each, false);
    if (!each.answered) continue;
    ++alive;
    if (each.coordinator == options_.member_id) ++decided;
  }
  has_asked_ = has_majority(alive);
  if (!renews) return;
  const auto promised = begin + options_.session_timeout - drift_of(options_.session_timeout);
  lock.lock();
  if (has_majority(alive)) alive_until_ = promised;
  if (has_majority(decided)) decides_until_ = promised;
  const bool lost_the_vote = decided > 0 && !has_majority(decided) && steady_clock::now() >= decides_until_;
  lock.unlock();
  next_renewal_ = has_majority(alive) ? begin + options_.session_timeout / 3 : begin;
  if (lost_the_vote) give_back_lease();
}

void redis_member::ask(voter& at, bool renews, bool takes) {
  if (at.connection == nullptr) return;
  std::unique_lock lock(mutex_);
  const description said = said_;
  lock.unlock();
  const std::string text = at.described == said.version ? "" : std::to_string(said.version) + "\n" + said.text;
  at.described = said.version;
  at.connection->add_script(heartbeat_script, {keys_.begin(), keys_.end()},
                            {options_.member_id, std::to_string(options_.session_timeout.count()), takes ? "1" : "0",
                             at.changes, text, renews ? "1" : "0"});
  at.connection->push();
}

void redis_member::hear(voter& from, bool again) {
  if (from.connection == nullptr) return;
  const auto reply = from.connection->next();
  if (!reply) return forget(from, reply.error().message);
  if (is_error(**reply)) return forget(from, error_of(**reply, from.connection->where()).message);
  const redisReply& heard = **reply;
  if (heard.elements == 1 && !again) {
    from.described = 0;
    ask(from, true, false);
    return hear(from, true);
  }
  if (heard.elements < 2) return forget(from, "redis " + from.connection->where() + ": its answer is not understood");
  from.answered = true;
  from.pauses.succeeded();
  from.coordinator = text_of(*heard.element[1]);
  if (heard.elements < 3) return;
  from.changes = text_of(*heard.element[0]);
  from.members.clear();
  const redisReply& members = *heard.element[2];
  for (std::size_t i = 0; i + 1 < members.elements; i += 2) {
    description said;
    std::string_view text = text_of(*members.element[i + 1]);
    const std::size_t line = std::min(text.find('\n'), text.size());
    std::from_chars(text.data(), text.data() + line, said.version);
    said.text = text.substr(std::min(line + 1, text.size()));
    from.members[std::string(text_of(*members.element[i]))] = std::move(said);
  }
}

/// Two that take the lease at the same time may both have too few servers. Both give it back, and wait as chance has it.
void redis_member::give_back_lease() {
  for (voter& each : voters_) {
    if (!each.answered || each.coordinator != options_.member_id) continue;
    each.connection->add_script(leave_script, {keys_.begin(), keys_.end()}, {options_.member_id, "1"});
    if (const auto reply = each.connection->next(); !reply) forget(each, reply.error().message);
    each.coordinator.clear();
  }
  next_take_ = steady_clock::now() + milliseconds(random_->next() % 200);
}

membership_view redis_member::count_votes(steady_time now) {
  std::map<std::string, std::size_t> votes;
  std::map<std::string, std::size_t> coordinator_votes;
  std::map<std::string, description> descriptions;
  bool just_back = false;
  for (const voter& each : voters_) {
    if (!each.answered) continue;
    just_back = just_back || now < each.connected_since + 2 * look_every;
    if (!each.coordinator.empty()) ++coordinator_votes[each.coordinator];
    for (const auto& [id, said] : each.members) {
      ++votes[id];
      description& newest = descriptions[id];
      if (said.version > newest.version) newest = said;
    }
  }
  membership_view seen;
  seen.joined = true;
  std::map<std::string, std::string> members;
  // A server that is back may have forgotten those who are as alive as before, until they too have found it.
  if (just_back) {
    for (const member& each : known_) members[each.id] = each.description;
  }
  for (const auto& [id, count] : votes) {
    if (has_majority(count)) members[id] = descriptions[id].text;
  }
  for (auto& [id, said] : members) seen.members.push_back({id, std::move(said)});
  for (const auto& [id, count] : coordinator_votes) {
    if (has_majority(count)) seen.coordinator = id;
  }
  return seen;
}

void redis_member::publish() {
  const std::size_t answered =
      static_cast<std::size_t>(std::count_if(voters_.begin(), voters_.end(), [](const voter& each) { return each.answered; }));
  const auto now = steady_clock::now();
  bool calls = false;
  {
    std::lock_guard lock(mutex_);
    bool changed = false;
    if (has_majority(answered) && now < alive_until_) {
      membership_view seen = count_votes(now);
      known_ = seen.members;
      if (seen.coordinator == options_.member_id && now >= decides_until_) seen.coordinator.clear();
      const auto same = [](const member& a, const member& b) { return a.id == b.id && a.description == b.description; };
      changed = !view_.joined || seen.coordinator != view_.coordinator ||
                !std::equal(seen.members.begin(), seen.members.end(), view_.members.begin(), view_.members.end(), same);
      if (changed) {
        seen.generation = view_.generation + 1;
        view_ = std::move(seen);
      }
    } else {
      changed = lapse(now);
    }
    calls = changed && std::exchange(looked_at_, false) && !leaving_;
  }
  if (calls && on_change_) on_change_();
}

}  // namespace evermill::queue
