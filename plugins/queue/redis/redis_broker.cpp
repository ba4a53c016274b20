#include "plugins/queue/redis/redis_broker.hpp"

#include <algorithm>
#include <atomic>
#include <limits>
#include <mutex>
#include <optional>
#include <utility>
#include <vector>

#include "base/check.hpp"
#include "base/random.hpp"
#include "plugins/queue/broker_limits.hpp"
#include "plugins/queue/redis/common.hpp"
#include "plugins/queue/redis/membership.hpp"
#include "plugins/queue/redis/reader.hpp"
#include "plugins/queue/redis/writer.hpp"

namespace evermill::queue {
namespace {

using std::chrono::milliseconds;

constexpr std::size_t max_headers = 1'000;  // as words of a record, which are put on Lua's stack
constexpr std::uint32_t max_partitions = 100'000;

unexpected<broker_error> error(broker_errc code, std::string message) {
  return unexpected(broker_error{code, "redis broker: " + std::move(message)});
}

unexpected<broker_error> not_found(const std::string& stream) {
  return error(broker_errc::not_found, "there is no stream '" + stream + "': create it with ensure_stream");
}
unexpected<broker_error> not_found(const stream_partition& of) {
  return error(broker_errc::not_found,
               "there is no partition " + std::to_string(of.partition) + " of a stream '" + of.stream + "'");
}

struct partition_state {
  std::string incarnation;
  stream_bounds bounds;
};

class redis_membership final : public membership {
 public:
  explicit redis_membership(std::shared_ptr<redis_member> member) : member_(std::move(member)) {}
  ~redis_membership() override { member_->leave(); }
  membership_view view() const override { return member_->view(); }
  void describe(std::string description) override { member_->describe(std::move(description)); }

 private:
  const std::shared_ptr<redis_member> member_;
};

class redis_broker final : public broker {
 public:
  redis_broker(redis_address address, const redis_broker_options& options)
      : common_(std::make_shared<redis_common>(std::move(address), options.log)),
        options_(options),
        random_(make_system_random()),
        writer_(common_, make_uuid(*random_), {options.max_pending_bytes, options.append_timeout}),
        reader_(std::make_shared<redis_reader_thread>(common_)) {}
  ~redis_broker() override { redis_broker::close(); }

  std::string address() const override { return common_->address.show(); }

  broker_result<std::uint32_t> ensure_stream(const std::string& name, std::uint32_t partitions) override {
    if (!is_stream_name(name) || partitions == 0 || partitions > max_partitions) {
      return error(broker_errc::invalid, "'" + name + "' with " + std::to_string(partitions) +
                                             " partitions is no stream: name it of a-z, A-Z, 0-9, '.', '_' and '-'");
    }
    return with_connection([&](redis_connection& at) -> broker_result<std::uint32_t> {
      const std::string key = partitions_key(common_->address, name);
      if (auto set = at.run({"SET", key, std::to_string(partitions), "NX"}); !set) return unexpected(set.error());
      const auto count = find(at, name);
      if (!count) return count;
      // Also where it was there: whoever made it may have died in the middle.
      const std::string incarnation = make_uuid(*random_);
      for (std::uint32_t i = 0; i < *count; ++i) {
        at.add({"SET", partition_keys(common_->address, {name, i}).incarnation, incarnation, "NX"});
      }
      if (const auto done = take_answers(at, *count); !done) return unexpected(done.error());
      return count;
    });
  }

  broker_result<std::uint32_t> find_stream(const std::string& name) override {
    return with_connection([&](redis_connection& at) { return find(at, name); });
  }

  broker_result<void> delete_stream(const std::string& name) override {
    return with_connection([&](redis_connection& at) -> broker_result<void> {
      const auto count = find(at, name);
      if (!count) return unexpected(count.error());
      for (std::uint32_t i = 0; i < *count; ++i) {
        const partition_keys keys(common_->address, {name, i});
        at.add({"DEL", keys.incarnation, keys.records, keys.fence});
      }
      if (const auto done = take_answers(at, *count); !done) return done;
      // Last, so that a deletion that is broken off can be made again.
      const auto done = at.run({"DEL", partitions_key(common_->address, name)});
      if (!done) return unexpected(done.error());
      return {};
    });
  }

  broker_result<void> append(const stream_partition& to, std::vector<record> records, append_callback done,
                             std::uint64_t fence) override {
    EVERMILL_CHECK(!records.empty(), "an append has records");
    std::size_t bytes = 0;
    for (const record& each : records) {
      const std::size_t size = record_bytes(each);
      bytes += size;
      if (size > options_.max_record_bytes || each.headers.size() > max_headers) {
        return error(broker_errc::too_large, "a record for stream '" + to.stream + "' has " + std::to_string(size) +
                                                 " bytes and " + std::to_string(each.headers.size()) +
                                                 " headers; it may have " + std::to_string(options_.max_record_bytes) +
                                                 " and " + std::to_string(max_headers));
      }
    }
    return writer_.append(to, std::move(records), bytes, std::move(done), fence);
  }

  std::size_t max_record_bytes() const override { return options_.max_record_bytes; }

  broker_result<std::unique_ptr<stream_reader>> read(const stream_partition& from, const reader_options& options,
                                                     std::function<void()> on_readable) override {
    const auto found = state_of(from);
    if (!found) return unexpected(found.error());
    if (options.after > found->bounds.last) {
      return error(broker_errc::regressed, "partition " + std::to_string(from.partition) + " of stream '" + from.stream +
                                               "' ends at " + std::to_string(found->bounds.last) + ", before " +
                                               std::to_string(options.after));
    }
    if (options.after + 1 < found->bounds.first) {
      return error(broker_errc::trimmed, "partition " + std::to_string(from.partition) + " of stream '" + from.stream +
                                             "' is kept from " + std::to_string(found->bounds.first) + " on only");
    }
    auto reading = std::make_shared<redis_reading>(from, partition_keys(common_->address, from), found->incarnation, options,
                                                   std::move(on_readable));
    reader_->add(reading);
    return make_redis_reader(reader_, std::move(reading));
  }

  broker_result<stream_bounds> bounds(const stream_partition& of) override {
    return state_of(of).map([](const partition_state& found) { return found.bounds; });
  }

  broker_result<void> trim(const stream_partition& of, position through) override {
    return with_connection([&](redis_connection& at) -> broker_result<void> {
      const partition_keys keys(common_->address, of);
      const std::string keep = std::to_string(std::min(through, std::numeric_limits<position>::max() - 1) + 1);
      const auto reply = at.run_script(trim_script, {keys.records, keys.incarnation}, {keep});
      if (!reply) return unexpected(reply.error());
      if (number_of(**reply) == 0) return not_found(of);
      return {};
    });
  }

  broker_result<std::unique_ptr<membership>> join(const membership_options& options,
                                                  std::function<void()> on_change) override {
    if (options.group.empty() || options.member_id.empty() || options.session_timeout < milliseconds(100)) {
      return error(broker_errc::invalid, "a member has a group, an id, and a session timeout of 100 ms or more");
    }
    std::lock_guard lock(members_mutex_);
    if (closed_) return redis_closed();
    auto joined = std::make_shared<redis_member>(common_, options, std::move(on_change));
    std::erase_if(members_, [](const auto& each) { return each.expired(); });
    members_.push_back(joined);
    return std::make_unique<redis_membership>(std::move(joined));
  }

  broker_result<broker_durability> durability() override {
    return with_connection([&](redis_connection& at) -> broker_result<broker_durability> {
      const auto role = at.run({"INFO", "replication"});
      if (!role) return unexpected(role.error());
      const bool is_master = text_of(**role).find("role:master") != std::string_view::npos;
      std::string settings = is_master ? "role master" : "role replica";
      bool survives = is_master;
      // The last two: a rewrite of its file does without fsync, and what is evicted is gone.
      for (const auto& [name, wanted] : {std::pair("appendonly", "yes"), std::pair("appendfsync", "always"),
                                         std::pair("no-appendfsync-on-rewrite", "no"),
                                         std::pair("maxmemory-policy", "noeviction")}) {
        at.add({"CONFIG", "GET", name});
        const auto reply = at.next();
        if (!reply) return unexpected(reply.error());
        if (is_error(**reply)) {
          return broker_durability{
              false, "redis " + at.where() + " does not tell its settings: " + std::string(text_of(**reply))};
        }
        const std::string value((*reply)->elements == 2 ? text_of(*(*reply)->element[1]) : "not known");
        survives = survives && value == wanted;
        settings += std::string(", ") + name + " " + value;
      }
      const auto obstacle = why_transactions_are_left_out(at);
      if (!obstacle) return unexpected(obstacle.error());
      if (!obstacle->empty()) return broker_durability{false, "redis " + at.where() + ": " + settings + ", but " + *obstacle};
      return broker_durability{survives, "redis " + at.where() + ": " + settings};
    });
  }

  bool flush(milliseconds limit) override { return writer_.flush(limit); }

  void close() override {
    std::lock_guard once(close_mutex_);
    closed_ = true;
    common_->stop.set();
    writer_.close();
    reader_->close();
    std::vector<std::shared_ptr<redis_member>> members;
    {
      std::lock_guard lock(members_mutex_);
      for (const auto& each : members_) {
        if (auto member = each.lock()) members.push_back(std::move(member));
      }
    }
    for (const auto& each : members) each->leave();
  }

 private:
  /// Does what blocks, on the one connection that is kept for that. Whatever is done here may be done twice.
  template <class Work>
  auto with_connection(const Work& work) -> decltype(work(std::declval<redis_connection&>())) {
    std::lock_guard lock(control_mutex_);
    for (bool again : {true, false}) {
      if (closed_) return redis_closed();
      const bool is_new = control_ == nullptr || !control_->usable();
      if (is_new) {
        auto opened = redis_connection::open(common_->address, 0, common_->address.timeout, &common_->stop);
        if (!opened) return unexpected(opened.error());
        control_ = std::move(*opened);
      }
      auto outcome = work(*control_);
      if (control_->usable()) return outcome;
      control_.reset();
      if (is_new || !again) return outcome;  // one that was idle may have been ended long ago
    }
    return redis_closed();
  }

  /// Redis 7.0 loads its append-only file with the rights of its user `default`, whether or not that may log in, and leaves out each
  /// transaction (what a script has written is one) of which that user may not do all. "": it may do everything.
  static broker_result<std::string> why_transactions_are_left_out(redis_connection& at) {
    at.add({"ACL", "GETUSER", "default"});
    const auto reply = at.next();
    if (!reply) return unexpected(reply.error());
    if (is_error(**reply)) {
      const bool old = text_of(**reply).find("unknown command") != std::string_view::npos;  // it has no users
      return old ? "" : "it does not tell what its user \"default\" may do, without whose rights transactions are lost in a restart";
    }
    std::string_view commands, keys;
    for (std::size_t i = 0; i + 1 < (*reply)->elements; i += 2) {
      const std::string_view name = text_of(*(*reply)->element[i]);
      if (name == "commands") commands = text_of(*(*reply)->element[i + 1]);
      if (name == "keys") keys = text_of(*(*reply)->element[i + 1]);
    }
    if (commands == "+@all" && keys == "~*") return "";
    return "its user \"default\" may not do everything, without which a restart loses transactions: give it \"off ~* &* +@all\"";
  }

  static broker_result<void> take_answers(redis_connection& at, std::size_t count) {
    std::optional<broker_error> failure;
    for (std::size_t i = 0; i < count; ++i) {
      const auto reply = at.next();
      if (!reply) return unexpected(reply.error());
      if (is_error(**reply)) failure = error_of(**reply, at.where());
    }
    if (failure) return unexpected(std::move(*failure));
    return {};
  }

  broker_result<std::uint32_t> find(redis_connection& at, const std::string& name) {
    const auto reply = at.run({"GET", partitions_key(common_->address, name)});
    if (!reply) return unexpected(reply.error());
    if ((*reply)->type == REDIS_REPLY_NIL) return not_found(name);
    return static_cast<std::uint32_t>(number_of(**reply));
  }

  broker_result<partition_state> state_of(const stream_partition& of) {
    return with_connection([&](redis_connection& at) -> broker_result<partition_state> {
      const partition_keys keys(common_->address, of);
      const auto reply = at.run_script(bounds_script, {keys.records, keys.incarnation}, {});
      if (!reply) return unexpected(reply.error());
      if ((*reply)->elements != 3) return not_found(of);
      redisReply* const* const parts = (*reply)->element;
      return partition_state{std::string(text_of(*parts[0])), {number_of(*parts[1]), number_of(*parts[2])}};
    });
  }

  const std::shared_ptr<redis_common> common_;
  const redis_broker_options options_;
  const std::unique_ptr<random_source> random_;
  redis_writer writer_;
  const std::shared_ptr<redis_reader_thread> reader_;
  std::atomic<bool> closed_ = false;

  std::mutex close_mutex_;
  std::mutex control_mutex_;
  std::unique_ptr<redis_connection> control_;

  std::mutex members_mutex_;
  std::vector<std::weak_ptr<redis_member>> members_;
};

}  // namespace

broker_result<std::unique_ptr<broker>> make_redis_broker(const std::string& address, const redis_broker_options& options) {
  auto parsed = parse_redis_address(address);
  if (!parsed) return unexpected(parsed.error());
  if (options.append_timeout > std::chrono::minutes(30)) {
    return error(broker_errc::invalid, "the append timeout is longer than 30 minutes");
  }
  return std::make_unique<redis_broker>(std::move(*parsed), options);
}

}  // namespace evermill::queue
