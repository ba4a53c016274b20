#include "storage/log_judge.hpp"

#include <utility>

#include "base/planted.hpp"
#include "messages/record.hpp"
#include "storage/keys.hpp"
#include "storage/row_access.hpp"

namespace evermill::storage {
namespace {

using kind = log_verdict::kind;

std::string partition_key(partition_id partition) {
  std::string key;
  append_partition(key, partition);
  return key;
}

std::string log_key(partition_id partition) { return "log/" + partition_key(partition); }

std::string name_of(partition_id partition) { return "commit log of partition " + std::to_string(partition.value); }

log_verdict ignored(std::string why) { return {kind::ignored, std::move(why), {}}; }
log_verdict corrupt(std::string why) { return {kind::corrupt, std::move(why), {}}; }

std::string name_of(const messages::Ownership& owner) {
  return "epoch " + std::to_string(owner.epoch()) + " (" + owner.owner() + ")";
}

}  // namespace

void append_log_record(std::string& out, partition_id partition, const messages::LogRecord& record) {
  append_record(out, log_key(partition), record);
}

storage_result<messages::LogRecord> parse_log_record(partition_id partition, std::string_view bytes) {
  messages::LogRecord record;
  const auto parsed = parse_record(log_key(partition), bytes, record);
  if (parsed) return record;
  const auto code = parsed.error() == record_error::newer_version ? storage_errc::newer_format : storage_errc::corrupt;
  return unexpected(storage_error{code, name_of(partition) + ": " + std::string(to_string(parsed.error()))});
}

log_judge::log_judge(partition_id partition, messages::LogPosition from)
    : partition_(partition), position_(std::move(from)), last_seen_(position_.position()) {}

bool log_judge::reigns(const messages::Ownership& owner) const {
  if (position_.released() || owner.epoch() == 0) return false;
  if (planted(bug::ignore_epoch)) return true;
  return same_ownership(owner, position_.owner());
}

/// Whoever commits has read that its claim holds. So a claim of this epoch or of an earlier one lay before, and it was this one.
bool log_judge::has_no_claim(const messages::Ownership& by) const {
  const messages::Ownership& reigning = position_.owner();
  return by.epoch() > reigning.epoch() || (by.epoch() == reigning.epoch() && by.owner() != reigning.owner());
}

log_verdict log_judge::judge(std::uint64_t at, messages::LogRecord&& record) {
  if (at <= last_seen_) return ignored("it was read before");
  last_seen_ = at;
  log_verdict verdict;
  switch (record.what_case()) {
    case messages::LogRecord::kDescription: verdict = describe(record.description()); break;
    case messages::LogRecord::kClaim: verdict = claim(record.claim()); break;
    case messages::LogRecord::kCommit: verdict = commit(std::move(*record.mutable_commit())); break;
    case messages::LogRecord::kRelease: verdict = release(record.release()); break;
    case messages::LogRecord::WHAT_NOT_SET: verdict = corrupt("a record of no known kind"); break;
  }
  if (verdict.what != kind::corrupt && parts_ == 0) position_.set_position(at);
  return verdict;
}

log_verdict log_judge::describe(const messages::LogDescription& description) {
  if (!position_.cluster_id().empty()) return ignored("the log has a description");
  if (description.partition() != partition_.value) {
    return corrupt("it is the log of partition " + std::to_string(description.partition()));
  }
  if (description.cluster_id().empty() || description.partition_count() <= partition_.value) {
    return corrupt("its description names a cluster of " + std::to_string(description.partition_count()) + " partitions");
  }
  position_.set_cluster_id(description.cluster_id());
  position_.set_partition_count(description.partition_count());
  return {kind::described, {}, {}};
}

log_verdict log_judge::missing_before(std::uint64_t number, const std::string& what) const {
  return corrupt("a " + what + " comes after commit " + std::to_string(number) + ", but the last one that is there is " +
                 std::to_string(position_.number()));
}

log_verdict log_judge::claim(const messages::Claim& claim) {
  if (position_.cluster_id().empty()) return corrupt("it does not begin with a description");
  if (claim.by().epoch() <= position_.owner().epoch()) {
    return ignored("the claim of " + name_of(claim.by()) + " comes after that of " + name_of(position_.owner()));
  }
  if (claim.by().epoch() > position_.owner().epoch() + 1) {
    return corrupt("the claim of " + name_of(claim.by()) + " has seen one that is not there: the last one is that of " +
                   name_of(position_.owner()));
  }
  if (claim.number() > position_.number()) return missing_before(claim.number(), "claim");
  *position_.mutable_owner() = claim.by();
  position_.set_member(claim.member());
  position_.set_released(false);
  position_.set_number_at_claim(position_.number());
  gathered_.clear();  // of a commit that its owner did not finish
  parts_ = 0;
  return {kind::claimed, {}, {}};
}

log_verdict log_judge::commit(messages::CommitPart&& part) {
  if (has_no_claim(part.by()) && !planted(bug::ignore_epoch)) {
    return corrupt("the claim of " + name_of(part.by()) + ", which commits, is not there");
  }
  if (!reigns(part.by())) return ignored("the commit of " + name_of(part.by()) + " comes after its reign");
  const std::uint64_t next = position_.number() + 1;
  if (part.number() <= position_.number_at_claim()) {
    return corrupt(name_of(part.by()) + " does not know commit " + std::to_string(part.number()) + ", which it writes anew");
  }
  if (part.number() < next || (part.number() == next && part.part() < parts_)) return ignored("it was written twice");
  if ((part.number() > next || part.part() > parts_) && !planted(bug::accept_commit_gap)) {
    return corrupt("part " + std::to_string(part.part()) + " of commit " + std::to_string(part.number()) + " follows part " +
                   std::to_string(parts_) + " of commit " + std::to_string(next) + ", which is not there");
  }
  gathered_.append(part.operations());
  ++parts_;
  if (!part.last()) return {kind::part, {}, {}};
  parts_ = 0;
  auto batch = write_batch::from_bytes(std::exchange(gathered_, {}));
  if (!batch) return corrupt("commit " + std::to_string(part.number()) + " holds no list of operations");
  position_.set_number(part.number());
  return {kind::committed, {}, std::move(*batch)};
}

log_verdict log_judge::release(const messages::Release& release) {
  if (has_no_claim(release.by())) return corrupt("the claim of " + name_of(release.by()) + ", which ends, is not there");
  if (!reigns(release.by())) return ignored("the release of " + name_of(release.by()) + " comes after its reign");
  if (release.number() > position_.number()) return missing_before(release.number(), "release");
  position_.set_released(true);
  gathered_.clear();
  parts_ = 0;
  return {kind::released, {}, {}};
}

bool same_ownership(const messages::Ownership& a, const messages::Ownership& b) {
  return a.epoch() == b.epoch() && a.owner() == b.owner();
}

void put_log_position(write_batch& batch, partition_id partition, const messages::LogPosition& position) {
  put_message(batch, family::log_positions, partition_key(partition), position);
}

void erase_log_position(write_batch& batch, partition_id partition) {
  batch.erase(family::log_positions, partition_key(partition));
}

storage_result<messages::LogPosition> load_log_position(const key_value_store& store, partition_id partition) {
  const std::string key = partition_key(partition);
  messages::LogPosition position;
  std::string value;
  const auto found = store.get(family::log_positions, key, value);
  if (!found) return unexpected(found.error());
  if (!*found) return position;
  const auto name = [partition] { return "position in the " + name_of(partition); };
  if (auto parsed = parse_message(family::log_positions, key, value, name, position); !parsed) return unexpected(parsed.error());
  return position;
}

}  // namespace evermill::storage
