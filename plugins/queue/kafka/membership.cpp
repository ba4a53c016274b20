#include "plugins/queue/kafka/membership.hpp"

#include <algorithm>
#include <array>
#include <condition_variable>
#include <map>
#include <mutex>
#include <set>
#include <thread>
#include <utility>
#include <vector>

#include "plugins/queue/broker_limits.hpp"
#include "plugins/queue/kafka/group_client.hpp"

namespace evermill::queue::kafka {
namespace {

using std::chrono::milliseconds;
using clock = std::chrono::steady_clock;

constexpr std::size_t max_description_bytes = 64 * 1024;
constexpr std::size_t max_forgotten_descriptions = 256;
constexpr milliseconds retry_pause{500};
constexpr milliseconds look_again{50};  // while the group is being rearranged, or not known
constexpr milliseconds longest_unwatched{1000};
constexpr const char* group_header = "group";

/// Descriptions are sent again whenever somebody joins: those of the dead need not stay.
const admin::configs topic_configs{{"cleanup.policy", "compact,delete"}, {"retention.ms", "86400000"}};

std::string members_topic(const settings& of) { return of.prefix + "-members"; }

class joined_group final : public group_membership {
 public:
  joined_group(const membership_parts& parts, const membership_options& options, std::function<void()> on_change)
      : settings_(parts.with),
        admin_(parts.asks),
        producer_(parts.writes),
        readers_(parts.reads),
        log_(parts.to),
        options_(options),
        on_change_(std::move(on_change)),
        description_(options.description) {}
  ~joined_group() override { end(); }

  /// invalid: an option is wrong.
  broker_result<void> begin() {
    auto opened = open_group();
    if (!opened) return unexpected(std::move(opened.error()));
    group_ = std::move(*opened);
    thread_ = std::thread([this] { run(); });
    return {};
  }

  membership_view view() const override {
    std::lock_guard lock(mutex_);
    is_looked_at_ = true;
    return view_;
  }

  void describe(std::string description) override {
    std::lock_guard lock(mutex_);
    description_ = std::move(description);
    wants_to_tell_ = true;
    is_awake_ = true;
    changed_.notify_all();
  }

  void end() override {
    std::lock_guard one_at_a_time(ending_mutex_);
    {
      std::lock_guard lock(mutex_);
      ending_ = true;
      changed_.notify_all();
    }
    if (thread_.joinable()) thread_.join();
  }

 private:
  void wake() {
    std::lock_guard lock(mutex_);
    is_awake_ = true;
    changed_.notify_all();
  }

  /// Until there is something to do, it ends, or `until`. False: it ends.
  bool wait(clock::time_point until) {
    std::unique_lock lock(mutex_);
    changed_.wait_until(lock, until, [&] { return ending_ || is_awake_; });
    is_awake_ = false;
    return !ending_;
  }

  void run() {
    while (!prepare()) {
      if (!wait(clock::now() + retry_pause)) break;
    }
    while (!is_ending()) {
      if (is_lost_ && clock::now() >= joins_again_) join_again();
      group_->serve();
      read_descriptions();
      look();
      tell();
      publish();
      if (!wait(next_look_)) break;
    }
    publish_end();
    reader_.reset();
    group_->leave();
    group_.reset();
  }

  bool is_ending() const {
    std::lock_guard lock(mutex_);
    return ending_;
  }

  /// The topic, its reader, and then the group: who has joined hears of everybody.
  bool prepare() {
    const auto ensured = admin_.ensure(members_topic(settings_), 1, topic_configs);
    if (!ensured) return failed(ensured.error());
    if (!open_reader()) return false;
    if (const auto subscribed = group_->subscribe(); !subscribed) return failed(subscribed.error());
    std::lock_guard lock(mutex_);
    wants_to_tell_ = true;
    return true;
  }

  bool failed(const broker_error& why) {
    if (why.code != broker_errc::closed) log_.warn({}, "kafka: joining group {}: {}", options_.group, why.message);
    return false;
  }

  bool open_reader() {
    const std::string topic = members_topic(settings_);
    const auto kept = admin_.bounds(topic, 0);
    if (!kept) return failed(kept.error());
    auto opened = readers_.read(topic, 0, {.after = kept->first - 1, .prefetch_bytes = 1024 * 1024}, [this] { wake(); });
    if (!opened) return failed(opened.error());
    reader_ = std::move(*opened);
    return true;
  }

  void read_descriptions() {
    if (!reader_ && !open_reader()) return;
    std::vector<stored_record> found;
    for (;;) {
      found.clear();
      const auto count = reader_->poll(found, 100);
      if (!count) {  // trimmed, or the topic was made anew
        reader_.reset();
        wake();
        return;
      }
      if (*count == 0) break;
      for (stored_record& each : found) {
        const bool is_ours = std::any_of(each.what.headers.begin(), each.what.headers.end(), [&](const record_header& header) {
          return header.first == group_header && header.second == options_.group;
        });
        if (is_ours) descriptions_[each.what.key] = std::move(each.what.value);
      }
    }
    if (descriptions_.size() < members_.size() + max_forgotten_descriptions) return;
    std::erase_if(descriptions_, [&](const auto& each) { return !members_.contains(each.first); });
  }

  /// Asks who is in the group, where that is due.
  void look() {
    if (group_->take_rearranged() || clock::now() >= next_look_) {
      const group_state seen = group_->look();
      if (seen.is_known) {
        last_seen_ = clock::now();
        take(seen);
      }
      const milliseconds pause = seen.is_known && seen.is_stable ? longest_unwatched : look_again;
      next_look_ = clock::now() + std::min(pause, options_.session_timeout / 3);
    }
    if (!is_joined_ || !group_->is_other_life()) return;
    if (!is_server_away()) return give_up();
    log_.warn({}, "kafka: member {} of group {}: the server was not heard of for the session timeout", options_.member_id,
              options_.group);
    is_joined_ = false;  // until it is back
  }

  void take(const group_state& seen) {
    members_ = seen.members;
    // While it is rearranged, the group does not say who has the partition.
    if (seen.is_stable) coordinator_ = seen.coordinator;
    if (!members_.contains(coordinator_)) coordinator_.clear();
    for (const std::string& each : members_) {
      if (known_.insert(each).second && each != options_.member_id) {
        std::lock_guard lock(mutex_);
        wants_to_tell_ = true;
      }
    }
    if (is_lost_) return;
    const bool is_listed = members_.contains(options_.member_id);
    if (is_joined_ && !is_listed) return give_up();
    if (!is_joined_ && is_listed && seen.is_stable) {
      is_joined_ = true;
      group_->keep_life();
    }
  }

  bool is_server_away() const { return clock::now() - last_seen_ > options_.session_timeout; }

  /// While the server was there, the others had reason to take this one for dead, and may have acted on it: it stays away for as
  /// long as it takes them to notice, and then begins anew.
  void give_up() {
    log_.warn({}, "kafka: member {} was given up by group {}: it was not heard of in time; it joins again in {} ms",
              options_.member_id, options_.group, options_.session_timeout.count());
    is_joined_ = false;
    is_lost_ = true;
    joins_again_ = clock::now() + options_.session_timeout;
    group_->leave();
  }

  void join_again() {
    joins_again_ = clock::now() + options_.session_timeout;  // where it can't be done now
    auto opened = open_group();
    if (!opened) return static_cast<void>(failed(opened.error()));
    if (const auto subscribed = (*opened)->subscribe(); !subscribed) return static_cast<void>(failed(subscribed.error()));
    group_ = std::move(*opened);
    is_lost_ = false;
    known_.clear();  // all that are there are told what this one is
    next_look_ = clock::now();
  }

  broker_result<std::unique_ptr<group_client>> open_group() {
    return group_client::open(settings_, options_, members_topic(settings_), [this] { wake(); }, log_);
  }

  void tell() {
    std::string description;
    {
      std::lock_guard lock(mutex_);
      if (!wants_to_tell_ || is_lost_) return;
      wants_to_tell_ = false;
      description = description_;
    }
    std::vector<record> records{{options_.member_id, description, {{group_header, options_.group}}}};
    const auto told = producer_.append(members_topic(settings_), 0, std::move(records), {});
    if (told) return;
    if (told.error().code != broker_errc::closed) log_.warn({}, "kafka: {}", told.error().message);
    std::lock_guard lock(mutex_);
    if (told.error().code != broker_errc::too_large) wants_to_tell_ = true;  // with the next look
  }

  void publish() {
    membership_view next;
    next.joined = is_joined_;
    next.coordinator = coordinator_;
    for (const std::string& each : members_) {
      if (each == options_.member_id && !is_joined_) continue;
      next.members.push_back({each, descriptions_[each]});
    }
    if (coordinator_ == options_.member_id && !is_joined_) next.coordinator.clear();
    publish(std::move(next));
  }

  void publish_end() {
    membership_view next;
    {
      std::lock_guard lock(mutex_);
      next = view_;
      on_change_ = nullptr;
    }
    next.joined = false;
    std::erase_if(next.members, [&](const member& each) { return each.id == options_.member_id; });
    if (next.coordinator == options_.member_id) next.coordinator.clear();
    publish(std::move(next));
  }

  void publish(membership_view next) {
    std::function<void()> call;
    {
      std::lock_guard lock(mutex_);
      const auto is_same = [](const member& a, const member& b) { return a.id == b.id && a.description == b.description; };
      if (next.joined == view_.joined && next.coordinator == view_.coordinator &&
          std::equal(next.members.begin(), next.members.end(), view_.members.begin(), view_.members.end(), is_same)) {
        return;
      }
      next.generation = view_.generation + 1;
      view_ = std::move(next);
      log_.debug({}, "kafka: member {} of group {}: view {}: {} members, decided by '{}'{}", options_.member_id, options_.group,
                 view_.generation, view_.members.size(), view_.coordinator, view_.joined ? "" : ", not joined");
      if (!is_looked_at_ || ending_ || !on_change_) return;
      is_looked_at_ = false;
      call = on_change_;
    }
    call();
  }

  const settings settings_;
  admin& admin_;
  producer& producer_;
  readers& readers_;
  const log log_;
  const membership_options options_;

  // Of the thread.
  std::unique_ptr<group_client> group_;
  std::unique_ptr<stream_reader> reader_;
  std::set<std::string> members_;
  std::set<std::string> known_;
  std::string coordinator_;
  std::map<std::string, std::string> descriptions_;
  bool is_joined_ = false;
  bool is_lost_ = false;  ///< was given up, and has not joined again
  clock::time_point joins_again_{};
  clock::time_point last_seen_{};
  clock::time_point next_look_ = clock::now();

  mutable std::mutex mutex_;
  std::condition_variable changed_;
  std::function<void()> on_change_;
  std::string description_;
  bool wants_to_tell_ = false;
  bool is_awake_ = false;
  bool ending_ = false;
  mutable bool is_looked_at_ = true;
  membership_view view_;
  std::mutex ending_mutex_;
  std::thread thread_;
};

}  // namespace

broker_result<std::shared_ptr<group_membership>> join_group(const membership_parts& parts, const membership_options& options,
                                                            std::function<void()> on_change) {
  const auto wrong = [&](const std::string& what) {
    return unexpected(
        broker_error{broker_errc::invalid, parts.with.address() + ": join group '" + options.group + "': " + what});
  };
  if (!is_stream_name(options.group)) return wrong("a group's name is 1 to 200 of a-z, A-Z, 0-9, '.', '_' and '-'");
  if (options.member_id.empty() || options.member_id.size() > 200) return wrong("a member's id has 1 to 200 bytes");
  if (options.description.size() > max_description_bytes) return wrong("a description has up to 64 KiB");
  if (options.session_timeout < milliseconds(1)) return wrong("the session timeout is not positive");
  auto made = std::make_shared<joined_group>(parts, options, std::move(on_change));
  if (const auto begun = made->begin(); !begun) return unexpected(begun.error());
  return made;
}

}  // namespace evermill::queue::kafka
