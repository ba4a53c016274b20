#include "cluster/remote_store.hpp"

#include <algorithm>
#include <utility>
#include <vector>

namespace evermill::cluster {
namespace {

using storage::storage_errc;
using storage::storage_error;
using storage::storage_result;

constexpr std::uint32_t rows_per_page = 256;
/// A page that has reached this is not made longer; a single row may be larger.
constexpr std::size_t page_bytes = 512 * 1024;

storage_result<messages::ReadReply> ask(const read_rows& read, messages::ReadRequest&& request) {
  auto reply = read(std::move(request));
  if (reply && !reply->error().empty()) return unexpected(storage_error{storage_errc::io, reply->error()});
  return reply;
}

/// One page after the other.
class remote_cursor final : public storage::cursor {
 public:
  remote_cursor(read_rows read, messages::ReadRequest request) : read_(std::move(read)), request_(std::move(request)) { load(); }

  bool valid() const override { return at_ < page_.rows_size(); }
  std::string_view key() const override { return page_.rows(at_).key(); }
  std::string_view value() const override { return page_.rows(at_).value(); }
  void next() override {
    if (++at_ < page_.rows_size() || !page_.more()) return;
    request_.set_from(page_.rows(page_.rows_size() - 1).key() + '\0');
    load();
  }
  void seek(std::string_view key) override {
    while (valid() && this->key() < key) {
      if (at_ + 1 == page_.rows_size()) {
        if (!page_.more()) return static_cast<void>(++at_);
        request_.set_from(std::string(key));
        return load();
      }
      ++at_;
    }
  }
  storage_result<void> status() const override { return status_; }

 private:
  void load() {
    at_ = 0;
    auto page = ask(read_, messages::ReadRequest(request_));
    if (page) {
      page_ = std::move(*page);
    } else {
      page_.Clear();
      status_ = unexpected(page.error());
    }
  }

  const read_rows read_;
  messages::ReadRequest request_;
  messages::ReadReply page_;
  int at_ = 0;
  storage_result<void> status_;
};

class remote_store final : public storage::key_value_store {
 public:
  remote_store(partition_id partition, read_rows read) : partition_(partition), read_(std::move(read)) {}

  storage_result<void> write(const storage::write_batch&) override { return unexpected(read_only()); }
  storage_result<void> compact() override { return unexpected(read_only()); }
  bool durable() const override { return true; }
  storage::store_statistics statistics() const override { return {}; }

  storage_result<bool> get(storage::family f, std::string_view key, std::string& value) const override {
    auto reply = ask(read_, request(f, key));
    if (!reply) return unexpected(reply.error());
    if (reply->rows_size() == 0) return false;
    value = std::move(*reply->mutable_rows(0)->mutable_value());
    return true;
  }

  std::unique_ptr<storage::cursor> scan(storage::family f, std::string_view from, std::string_view to) const override {
    messages::ReadRequest walk = request(f, from);
    walk.set_walk(true);
    walk.set_to(std::string(to));
    walk.set_limit(rows_per_page);
    return std::make_unique<remote_cursor>(read_, std::move(walk));
  }

 private:
  static storage_error read_only() { return {storage_errc::read_only, "another process owns the partition"}; }
  messages::ReadRequest request(storage::family f, std::string_view from) const {
    messages::ReadRequest request;
    request.set_partition(partition_.value);
    request.set_family(static_cast<std::uint32_t>(f));
    request.set_from(std::string(from));
    return request;
  }

  const partition_id partition_;
  const read_rows read_;
};

void add_row(messages::ReadReply& reply, std::string_view key, std::string_view value) {
  messages::ReadReply::Row& row = *reply.add_rows();
  row.set_key(std::string(key));
  row.set_value(std::string(value));
}

}  // namespace

std::unique_ptr<storage::key_value_store> make_remote_store(partition_id partition, read_rows read) {
  return std::make_unique<remote_store>(partition, std::move(read));
}

messages::ReadReply answer_read(const storage::key_value_store& store, const messages::ReadRequest& request) {
  messages::ReadReply reply;
  if (request.family() >= storage::family_count) {
    reply.set_error("a family of rows that this process does not know: it runs another version");
    return reply;
  }
  const auto family = static_cast<storage::family>(request.family());
  if (!request.walk()) {
    std::string value;
    const auto found = store.get(family, request.from(), value);
    if (!found) reply.set_error(found.error().message);
    if (found && *found) add_row(reply, "", value);
    return reply;
  }
  const auto rows = store.scan(family, request.from(), request.to());
  const std::uint32_t limit = std::clamp(request.limit(), 1U, rows_per_page);
  for (std::size_t bytes = 0; rows->valid(); rows->next()) {
    if (static_cast<std::uint32_t>(reply.rows_size()) == limit || bytes >= page_bytes) {
      reply.set_more(true);
      break;
    }
    add_row(reply, rows->key(), rows->value());
    bytes += rows->key().size() + rows->value().size();
  }
  if (const auto status = rows->status(); !status) reply.set_error(status.error().message);
  return reply;
}

}  // namespace evermill::cluster
