#include "server/security/token_store.hpp"

#include <array>
#include <stdexcept>
#include <utility>

namespace evermill::server::security {
namespace {

std::shared_ptr<const principal> principal_of(const token_record& record) {
  auto made = std::make_shared<principal>();
  made->name = record.name;
  made->id = "token:" + record.id;
  made->how = authentication::token;
  made->grants = record.grants;
  made->expires = record.expires;
  return made;
}

}  // namespace

token_store::token_store(std::string path, const clock& time, log lines)
    : path_(std::move(path)), clock_(time), log_(std::move(lines)), watch_({path_}, time, std::chrono::seconds(1)) {
  auto loaded = load();
  if (!loaded) throw std::runtime_error(loaded.error());
  records_ = std::move(*loaded);
}

result<std::shared_ptr<const token_store::records>, std::string> token_store::load() const {
  auto read = read_tokens_file(path_);
  if (!read) return unexpected(read.error());
  auto made = std::make_shared<records>();
  for (auto& [id, record] : *read) {
    auto token = std::make_shared<known_token>();
    token->who = principal_of(record);
    token->record = std::move(record);
    made->emplace(id, std::move(token));
  }
  return made;
}

std::shared_ptr<const token_store::records> token_store::current() {
  if (watch_.changed()) {
    auto loaded = load();
    if (loaded) {
      log_.info({}, "the tokens file \"{}\" has changed and was read: {} tokens", path_, (*loaded)->size());
      const std::lock_guard lock(mutex_);
      records_ = std::move(*loaded);
    } else {
      log_.error({}, "the tokens file has changed and can't be used; the tokens that were read before stay in force: {}",
                 loaded.error());
    }
  }
  const std::lock_guard lock(mutex_);
  return records_;
}

token_store::verdict token_store::judge(const token_record& of) const {
  if (of.revoked) return verdict::revoked;
  if (of.expires && *of.expires <= clock_.now()) return verdict::expired;
  return verdict::valid;
}

token_store::finding token_store::find(std::string_view token) {
  const auto read = read_token(token);
  if (!read) return {};
  const auto all = current();
  const digest shown = sha256(token);
  const auto found = all->find(read->id);
  if (found == all->end()) return {verdict::unknown, nullptr};
  const bool same = same_secret(found->second->record.hash, shown);
  return {same ? judge(found->second->record) : verdict::forged, found->second};
}

std::shared_ptr<const principal> token_store::still(std::string_view id) {
  const auto all = current();
  const auto found = all->find(id);
  if (found == all->end() || judge(found->second->record) != verdict::valid) return nullptr;
  return found->second->who;
}

std::size_t token_store::size() { return current()->size(); }

std::string_view verdict_text(token_store::verdict of) noexcept {
  constexpr std::array<std::string_view, 6> texts{"it is valid",       "it is no token (damaged or mistyped)",
                                                  "its id is unknown", "its secret is wrong",
                                                  "it has expired",    "it was revoked"};
  return texts[static_cast<std::size_t>(of)];
}

}  // namespace evermill::server::security
