#include "sqlite_broker.hpp"

#include <linux/magic.h>
#include <sys/vfs.h>

#include <algorithm>

#include "membership.hpp"
#include "reader.hpp"
#include "writer.hpp"

namespace sqlite_queue {
namespace {

constexpr std::size_t largest_record = 1024 * 1024 + 64 * 1024;
constexpr std::uint32_t most_partitions = 100'000;
constexpr milliseconds append_patience{60'000};
constexpr std::uint64_t trimmed_together = 500;  // records: nobody else can write meanwhile

evermill::unexpected<broker_error> error(broker_errc code, const std::string& message) {
  return evermill::unexpected(broker_error{code, "sqlite broker: " + message});
}
evermill::unexpected<broker_error> no_stream(const std::string& name) {
  return error(broker_errc::not_found, "there is no stream '" + name + "': create it with ensure_stream");
}

bool is_stream_name(const std::string& name) {
  const auto fits = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' || c == '_' || c == '-';
  };
  return !name.empty() && name.size() <= 200 && std::all_of(name.begin(), name.end(), fits);
}

bool lies_in_memory(const std::string& path) {
  struct statfs system {};
  return ::statfs(path.c_str(), &system) != 0 || system.f_type == TMPFS_MAGIC || system.f_type == RAMFS_MAGIC;
}

class sqlite_broker final : public broker {
 public:
  sqlite_broker(std::shared_ptr<queue_file> file, std::shared_ptr<member_file> members)
      : file_(std::move(file)),
        members_(std::move(members)),
        watcher_(std::make_shared<watcher>(file_)),
        writer_(std::make_shared<writer>(file_, [to = watcher_] { to->wake(); })) {}
  ~sqlite_broker() override { sqlite_broker::close(); }

  std::string address() const override { return "sqlite://" + file_->address.path; }

  broker_result<std::uint32_t> ensure_stream(const std::string& name, std::uint32_t partitions) override {
    if (!is_stream_name(name) || partitions == 0 || partitions > most_partitions) {
      return error(broker_errc::invalid, "'" + name + "' with " + std::to_string(partitions) +
                                             " partitions is no stream: name it of a-z, A-Z, 0-9, '.', '_' and '-'");
    }
    const auto found = find_stream(name);  // without a turn at writing, where it is there
    if (found || found.error().code != broker_errc::not_found) return found;
    const auto has = writer_->run([&](connection& by) -> broker_result<std::uint64_t> {
      if (const auto there = count_lanes(by, name); there != 0) return there;
      for (std::uint64_t i = 0; i < partitions; ++i) by.execute("INSERT INTO lanes (stream, partition) VALUES (?, ?)", name, i);
      return partitions;
    });
    return has.map([](std::uint64_t count) { return static_cast<std::uint32_t>(count); });
  }

  broker_result<std::uint32_t> find_stream(const std::string& name) override {
    return look([&](connection& by) -> broker_result<std::uint32_t> {
      const auto there = count_lanes(by, name);
      if (there == 0) return no_stream(name);
      return there;
    });
  }

  broker_result<void> delete_stream(const std::string& name) override {
    return without_value(writer_->run([&](connection& by) -> broker_result<std::uint64_t> {
      if (count_lanes(by, name) == 0) return no_stream(name);
      by.execute("DELETE FROM records WHERE lane IN (SELECT id FROM lanes WHERE stream = ?)", name);
      return by.execute("DELETE FROM lanes WHERE stream = ?", name);
    }));
  }

  broker_result<void> append(const stream_partition& to, std::vector<record> records, append_callback done,
                             std::uint64_t fence) override {
    std::size_t bytes = 0;
    for (const record& each : records) {
      std::size_t size = each.key.size() + each.value.size();
      for (const auto& [name, value] : each.headers) size += name.size() + value.size();
      if (size > largest_record) {
        return error(broker_errc::too_large, "a record for '" + to.stream + "' has " + std::to_string(size) +
                                                 " bytes; it may have " + std::to_string(largest_record));
      }
      bytes += size + sizeof each + each.headers.size() * sizeof(record_header);
    }
    auto make = [to, fence, what = std::move(records)](connection& by) -> broker_result<std::uint64_t> {
      const auto found = find_lane(by, to);
      if (!found) return not_found(to);
      if (fence != 0 && fence < found->fence) {
        return error(broker_errc::refused, name_of(to) + "has seen a higher fence than " + std::to_string(fence) +
                                               ": somebody else writes now");
      }
      return append_records(by, *found, what, fence);
    };
    return writer_->add({std::move(make), std::move(done), bytes, steady_clock::now() + append_patience});
  }

  std::size_t max_record_bytes() const override { return largest_record; }

  broker_result<std::unique_ptr<stream_reader>> read(const stream_partition& from, const reader_options& options,
                                                     std::function<void()> on_readable) override {
    const auto found = lane_of(from);
    if (!found) return evermill::unexpected(found.error());
    if (options.after > found->last) {
      return error(broker_errc::regressed, name_of(from) + "ends at " + std::to_string(found->last) + ", before " +
                                               std::to_string(options.after));
    }
    if (options.after + 1 < found->first) {
      return error(broker_errc::trimmed, name_of(from) + "is kept from " + std::to_string(found->first) + " on only");
    }
    auto begun = std::make_shared<reading>(file_, from, found->id, options, std::move(on_readable));
    watcher_->add(begun);
    return make_reader(watcher_, std::move(begun));
  }

  broker_result<stream_bounds> bounds(const stream_partition& of) override {
    return lane_of(of).map([](const lane& found) { return stream_bounds{found.first, found.last}; });
  }

  broker_result<void> trim(const stream_partition& of, position through) override {
    lane trimmed;
    auto outcome = writer_->run([&](connection& by) -> broker_result<std::uint64_t> {
      const auto found = find_lane(by, of);
      if (!found) return not_found(of);
      trimmed = *found;
      trimmed.first = std::max(found->first, std::min(through, found->last) + 1);
      return by.execute("UPDATE lanes SET first = ? WHERE id = ?", trimmed.first, trimmed.id);
    });
    // From here on nobody reads them. They go piece by piece, so that others can write in between.
    while (outcome && *outcome != 0) {
      outcome = writer_->run([&](connection& by) -> broker_result<std::uint64_t> {
        return by.execute("DELETE FROM records WHERE rowid IN (SELECT rowid FROM records WHERE lane = ? AND at < ? LIMIT ?)",
                          trimmed.id, trimmed.first, trimmed_together);
      });
    }
    return without_value(outcome);
  }

  broker_result<std::unique_ptr<membership>> join(const membership_options& options,
                                                  std::function<void()> on_change) override {
    if (options.group.empty() || options.member_id.empty() || options.session_timeout < milliseconds(100)) {
      return error(broker_errc::invalid, "a member has a group, an id, and a session timeout of 100 ms or more");
    }
    if (file_->closed) return closed();
    auto row = std::make_shared<member_row>(members_, options, std::move(on_change));
    watcher_->add(row);
    return make_membership(watcher_, std::move(row));
  }

  /// Of the connection that writes: synchronous is a setting of each connection.
  broker_result<broker_durability> durability() override {
    std::string journal;
    const auto synchronous = writer_->run([&](connection& by) -> broker_result<std::uint64_t> {
      rows mode = by.select("PRAGMA journal_mode");
      if (mode.next()) journal = mode.bytes(0);
      rows level = by.select("PRAGMA synchronous");
      return level.next() ? level.number(0) : 0;
    });
    if (!synchronous) return evermill::unexpected(synchronous.error());
    const bool in_memory = lies_in_memory(file_->address.path);
    const bool never_syncs = sqlite3_compileoption_used("NO_SYNC") != 0;
    std::string said = "sqlite " + file_->address.path + ": journal_mode " + journal;
    said += ", synchronous " + std::to_string(*synchronous);
    if (in_memory) said += ", in memory";
    if (never_syncs) said += ", SQLite without syncs";
    constexpr std::uint64_t full = 2;
    return broker_durability{journal == "wal" && *synchronous >= full && !in_memory && !never_syncs, std::move(said)};
  }

  bool flush(milliseconds limit) override { return writer_->flush(limit); }

  void close() override {
    const std::lock_guard once(close_mutex_);
    file_->closed = true;
    watcher_->close();
    writer_->close();
  }

 private:
  static broker_result<void> without_value(const broker_result<std::uint64_t>& outcome) {
    return outcome.map([](std::uint64_t) {});
  }

  template <class Work>
  auto look(const Work& work) -> decltype(work(std::declval<connection&>())) {
    if (file_->closed) return closed();
    return attempt([&] { return file_->read(work); });
  }

  broker_result<lane> lane_of(const stream_partition& of) {
    return look([&](connection& by) -> broker_result<lane> {
      const auto found = find_lane(by, of);
      if (!found) return not_found(of);
      return *found;
    });
  }

  const std::shared_ptr<queue_file> file_;
  const std::shared_ptr<member_file> members_;
  const std::shared_ptr<watcher> watcher_;
  const std::shared_ptr<writer> writer_;
  std::mutex close_mutex_;
};

}  // namespace

broker_result<std::unique_ptr<broker>> open_sqlite_broker(const std::string& address, const evermill::plugin_log& say) {
  const auto where = parse_address(address);
  if (!where) return evermill::unexpected(where.error());
  return attempt([&]() -> broker_result<std::unique_ptr<broker>> {
    auto file = std::make_shared<queue_file>(*where, say);
    auto members = std::make_shared<member_file>(file);
    return std::make_unique<sqlite_broker>(std::move(file), std::move(members));
  });
}

}  // namespace sqlite_queue
