#include "cluster/node_member.hpp"

#include <algorithm>
#include <utility>
#include <vector>

#include "cluster/plan.hpp"
#include "cluster/snapshot.hpp"
#include "cluster/streams.hpp"

namespace evermill::cluster {
namespace {

constexpr std::chrono::seconds look_interval{1};
constexpr std::chrono::seconds load_interval{5};
/// Whoever has not read a message by then does not wait for it any more.
constexpr std::chrono::minutes tidy_up_interval{5};
constexpr std::uint64_t plans_kept = 64;

bool names(const google::protobuf::RepeatedPtrField<std::string>& members, const std::string& member) {
  return std::find(members.begin(), members.end(), member) != members.end();
}

/// Gives up what lay in the inboxes at the last call.
class inbox_sweep {
 public:
  explicit inbox_sweep(queue::broker& broker) : broker_(broker) {}

  void operator()() {
    for (std::uint32_t partition = 0; partition < inbox_partitions; ++partition) {
      const queue::stream_partition place{inbox_stream_name, partition};
      const auto bounds = broker_.bounds(place);
      if (!bounds) return;
      if (last_[partition] != 0) static_cast<void>(broker_.trim(place, last_[partition]));
      last_[partition] = bounds->last;
    }
  }

 private:
  queue::broker& broker_;
  std::vector<queue::position> last_ = std::vector<queue::position>(inbox_partitions);
};

}  // namespace

node_member::node_member(node_member_options options, storage::key_value_store& store, queue::broker& broker, clock& time,
                         random_source& random, partition_host& host, task_loop::post_function post, task_loop::post_function chores,
                         log lines)
    : options_(std::move(options)),
      store_(store),
      broker_(broker),
      time_(time),
      random_(random),
      host_(host),
      post_(std::move(post)),
      chores_(std::move(chores)),
      log_(std::move(lines)),
      logs_({options_.member, options_.cluster.cluster_id(), options_.cluster.partition_count()}, store, broker, random, *this, post_,
            log_),
      coordinator_(options_.cluster.partition_count(), broker_, time_, post_),
      plans_(std::in_place, options_.cluster.cluster_id(), broker_, post_, [this] { on_plan(); }, log_) {
  for (std::uint32_t id = 0; id < options_.cluster.partition_count(); ++id) places_[partition_id(static_cast<std::uint16_t>(id))];
  sweep_ = [sweep = std::make_shared<inbox_sweep>(broker_)] { (*sweep)(); };
}

node_member::~node_member() { end(); }

void node_member::end() {
  alive_.reset();
  if (alarm_) time_.cancel_alarm(*alarm_);
  alarm_.reset();
  membership_.reset();
  plans_.reset();
  logs_.unfollow_all();
}

std::function<void()> node_member::guarded(std::function<void()> what) const {
  return [alive = std::weak_ptr(alive_), what = std::move(what)] {
    if (!alive.expired()) what();
  };
}

queue::broker_result<void> node_member::start() {
  if (auto started = plans_->start(); !started) return started;
  said_ = description().SerializeAsString();
  const auto on_change = [post = post_, look = guarded([this] { this->look(); })] { post(look); };
  auto joined = broker_.join({membership_group_name, options_.member, said_, options_.session_timeout}, on_change);
  if (!joined) return unexpected(joined.error());
  membership_ = std::move(*joined);
  tick();
  return {};
}

void node_member::leave() {
  options_.says.set_leaving(true);
  look();
}

void node_member::close_down() {
  closing_ = true;
  look();
}

bool node_member::has_peers() const {
  return std::any_of(plan().members().begin(), plan().members().end(), [&](const messages::ClusterPlan::Member& each) {
    return each.id() != options_.member && each.description().role() == messages::MemberDescription::NODE &&
           !each.description().leaving();
  });
}

bool node_member::is_free() const {
  return std::all_of(places_.begin(), places_.end(), [](const auto& entry) { return entry.second.what == doing::nothing; });
}

bool node_member::runs(partition_id id) const {
  const auto it = places_.find(id);
  return it != places_.end() && (it->second.what == doing::running || it->second.what == doing::draining);
}

// --- what happens by itself

void node_member::set_alarm() {
  alarm_ = time_.set_alarm(now() + options_.tick, [post = post_, tick = guarded([this] { this->tick(); })] { post(tick); });
}

void node_member::tick() {
  alarm_.reset();
  plans_->look();
  if (now() - looked_at_ >= look_interval) {
    logs_.look();
    looked_at_ = now();
  }
  look();
  set_alarm();
}

void node_member::look() {
  if (!membership_) return;
  view_ = membership_->view();
  if (view_.joined && view_.coordinator == options_.member) {
    coordinator_.decide(plan(), view_);
    tidy_up();
  }
  for (auto& [id, at] : places_) step(id, at);
  say_what_it_has();
}

// --- the plan

void node_member::tidy_up() {
  if (now() - tidied_up_at_ < tidy_up_interval) return;
  tidied_up_at_ = now();
  chores_([broker = &broker_, sweep = sweep_, through = plans_->position() > plans_kept ? plans_->position() - plans_kept : 0] {
    sweep();
    if (through != 0) static_cast<void>(broker->trim({plan_stream_name, 0}, through));
  });
}

void node_member::on_plan() {
  coordinator_.on_plan();
  host_.on_plan(plan());
  look();
}

// --- partitions

void node_member::change(place& at, doing what) {
  at.what = what;
  at.since = now();
}

void node_member::step(partition_id id, place& at) {
  if (at.broken || at.loading || id.value >= plan().partitions_size()) return;
  const messages::ClusterPlan::Partition& planned = plan().partitions(id.value);
  const bool own = planned.owner() == options_.member && !closing_;
  if (!own) at.wanted_since = {};
  if (own && at.wanted_since == timestamp()) at.wanted_since = now();
  const partition_log* const log = logs_.find(id);
  switch (at.what) {
    case doing::nothing:
      if (!own && (closing_ || !names(planned.followers(), options_.member))) {
        if (log != nullptr && !log->claiming()) logs_.unfollow(id);
      } else if (log == nullptr) {
        follow(id, at);
      } else if (own && !log->claiming() && log->caught_up() && may_claim(at, log->position())) {
        at.how = &how_it_comes(log->position());
        logs_.claim(id);
      }
      break;
    case doing::running:
      if (own) {
        save(id, at, *log);
        break;
      }
      log_.info({id, {}, {}}, "the partition is given up, for {}", closing_ ? "whoever comes" : planned.owner());
      host_.drain(id);
      change(at, doing::draining);
      break;
    case doing::draining:
      if (!host_.is_drained(id) && now() - at.since < options_.drain_limit) break;
      host_.stop(id, "the partition goes to another process");
      change(at, doing::stopped);
      [[fallthrough]];
    case doing::stopped:
      if (log->submitting()) break;
      change(at, doing::releasing);
      logs_.release(id);
      break;
    case doing::releasing: break;
  }
}

void node_member::follow(partition_id id, place& at) {
  const auto followed = logs_.follow(id);
  if (followed) {
    at.loaded = false;
    at.saved_at = 0;  // its bytes are counted anew
    return;
  }
  if (followed.error().code == storage::storage_errc::missing && !is_gap(id, at)) return load(id, at);
  if (followed.error().code == storage::storage_errc::io) {
    log_.warn({id, {}, {}}, "its log can't be read now: {}", followed.error().message);
    return;
  }
  at.broken = true;
  host_.on_stopped(id, followed.error());
}

/// Where the log does not go on behind a snapshot, another one may have been made while that was read, and is to be read next. Where
/// there is none that goes on further, what lies between is lost.
bool node_member::is_gap(partition_id id, place& at) {
  if (!at.loaded) return false;
  const auto position = storage::load_log_position(store_, id);
  const std::uint64_t loaded_to = position ? position->position() : 0;
  if (std::exchange(at.gap_behind, loaded_to) == loaded_to) return true;
  at.loaded = false;
  at.load_at = now() + load_interval;
  return false;
}

/// What it lacks is in the log no longer.
void node_member::load(partition_id id, place& at) {
  if (now() < at.load_at) return;
  at.loading = true;
  log_.info({id, {}, {}}, "the rows of the partition are read from a snapshot");
  chores_([this, id, post = post_, alive = std::weak_ptr(alive_), broker = &broker_, store = &store_] {
    if (alive.expired()) return;
    post([this, id, alive, loaded = load_snapshot(*broker, id, *store)] {
      if (!alive.expired()) on_loaded(id, loaded);
    });
  });
}

void node_member::on_loaded(partition_id id, const storage::storage_result<void>& loaded) {
  place& at = places_[id];
  at.loading = false;
  at.loaded = loaded.has_value();
  if (loaded) return look();
  if (loaded.error().code == storage::storage_errc::missing || loaded.error().code == storage::storage_errc::corrupt) {
    at.broken = true;
    return host_.on_stopped(id, loaded.error());
  }
  at.load_at = now() + load_interval;
  log_.warn({id, {}, {}}, "the snapshot can't be read now: {}", loaded.error().message);
}

/// The rows are looked at here, where nothing is written to them meanwhile; all that takes long is done elsewhere.
void node_member::save(partition_id id, place& at, const partition_log& log) {
  const std::uint64_t due = std::max(options_.snapshot_log_bytes, 2 * at.saved_bytes);
  if (at.saving || log.bytes() < at.saved_at + due) return;
  auto rows = look_at_rows(store_, id);
  if (!rows || !*rows) return;
  at.saving = true;
  at.saved_at = log.bytes();
  const auto shared = std::make_shared<snapshot_rows>(std::move(**rows));
  chores_([this, id, shared, post = post_, alive = std::weak_ptr(alive_), broker = &broker_, random = &random_, me = options_.member] {
    if (alive.expired()) return;
    post([this, id, alive, bytes = write_snapshot(*broker, std::move(*shared), me, *random)] {
      if (alive.expired()) return;
      places_[id].saving = false;
      if (bytes) places_[id].saved_bytes = *bytes;
      if (!bytes) log_.warn({id, {}, {}}, "no snapshot was made: {}", bytes.error().message);
    });
  });
}

/// Who lives and has it is to let go of it first: two who take it from each other do no harm, and no work.
bool node_member::may_claim(const place& at, const messages::LogPosition& position) const {
  if (position.owner().epoch() == 0 || position.released() || position.member() == options_.member) return true;
  const bool lives = std::any_of(view_.members.begin(), view_.members.end(),
                                 [&](const queue::member& each) { return each.id == position.member(); });
  return (view_.joined && !lives) || now() - at.wanted_since > options_.patience;
}

metrics::counter& node_member::how_it_comes(const messages::LogPosition& position) const {
  if (position.owner().epoch() == 0) return options_.counts->first;
  return position.released() ? options_.counts->handovers : options_.counts->takeovers;
}

void node_member::on_owned(partition_id id, std::uint64_t epoch) {
  place& at = places_[id];
  log_.info({id, {}, {}}, "this process has the partition, with epoch {}", epoch);
  if (at.how != nullptr) at.how->add();
  change(at, doing::running);
  if (auto started = host_.start(id, epoch); !started) on_stopped(id, started.error());
  post_(guarded([this] { say_what_it_has(); }));
}

void node_member::on_lost(partition_id id, const std::string& why) {
  place& at = places_[id];
  if (at.what != doing::nothing) log_.info({id, {}, {}}, "this process has the partition no longer: {}", why);
  if (at.what != doing::nothing && at.what != doing::releasing) options_.counts->losses.add();
  if (at.what == doing::running || at.what == doing::draining) host_.stop(id, why);
  change(at, doing::nothing);
  post_(guarded([this] { look(); }));
}

void node_member::on_stopped(partition_id id, const storage::storage_error& why) {
  place& at = places_[id];
  if (at.what == doing::running || at.what == doing::draining) host_.stop(id, why.message);
  change(at, doing::nothing);
  if (why.code == storage::storage_errc::missing) {  // it was so far behind that a snapshot has to be read
    log_.warn({id, {}, {}}, "what follows in its log is gone: {}", why.message);
    return post_(guarded([this, id] { logs_.unfollow(id); }));
  }
  at.broken = true;
  host_.on_stopped(id, why);
}

// --- what others are told

std::vector<partition_share> node_member::shares() const {
  std::vector<partition_share> all;
  for (const auto& [id, at] : places_) {
    const partition_log* const log = logs_.find(id);
    if (log == nullptr && !at.broken) continue;
    partition_share share{.id = id, .owned = at.what != doing::nothing, .broken = at.broken};
    if (log != nullptr) {
      share.caught_up = log->caught_up();
      share.epoch = log->position().owner().epoch();
      share.at = log->last_seen();
    }
    all.push_back(share);
  }
  return all;
}

std::optional<std::string> node_member::why_apart() const {
  if (!view_.joined) return "the other processes of the cluster do not count this one as alive";
  const bool planned = std::any_of(plan().members().begin(), plan().members().end(),
                                   [&](const messages::ClusterPlan::Member& each) { return each.id() == options_.member; });
  if (!planned) return "the cluster's plan does not know of this process yet";
  return std::nullopt;
}

messages::MemberDescription node_member::description() const {
  messages::MemberDescription says = options_.says;
  for (const auto& [id, at] : places_) {
    const partition_log* const log = logs_.find(id);
    if (at.what != doing::nothing) {
      says.add_owned(id.value);
    } else if (log != nullptr && !at.broken) {
      log->caught_up() ? says.add_caught_up(id.value) : says.add_following(id.value);
    }
  }
  return says;
}

void node_member::say_what_it_has() {
  std::string says = description().SerializeAsString();
  if (says == said_ || !membership_) return;
  said_ = says;
  membership_->describe(std::move(says));
}

}  // namespace evermill::cluster
