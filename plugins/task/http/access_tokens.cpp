#include "plugins/task/http/access_tokens.hpp"

#include <utility>

namespace evermill::tasks {
namespace {

constexpr std::size_t most_entries = 1'000;
constexpr std::chrono::milliseconds token_timeout{60'000};  // one waits for others

/// A server that refuses one may still give another by the grant itself.
bool was_refused(const transfer_result& result) {
  return result.error == transfer_error::none && result.status >= 400 && result.status < 500 && result.status != 429;
}

}  // namespace

void access_tokens::get(const http_authentication& shown, const transfer_request& surroundings, on_answer answer) {
  const std::string key = nlohmann::json{shown, surroundings.ca_file, surroundings.certificate_file, surroundings.verify_peer,
                                         surroundings.proxy}.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
  std::unique_lock lock(mutex_);
  make_room();
  entry& mine = entries_[key];
  if (!mine.token.empty() && time_.now() < mine.valid_until) {
    const std::string token = mine.token;
    lock.unlock();
    return answer({token, false, {}});
  }
  mine.waiting.push_back(std::move(answer));
  if (mine.waiting.size() > 1) return;
  const std::string refresh_token = std::exchange(mine.refresh_token, {});
  lock.unlock();
  transfer_request plain;
  plain.ca_file = surroundings.ca_file;
  plain.certificate_file = surroundings.certificate_file;
  plain.key_file = surroundings.key_file;
  plain.verify_peer = surroundings.verify_peer;
  plain.proxy = surroundings.proxy;
  plain.connect_timeout = surroundings.connect_timeout;
  plain.timeout = token_timeout;
  plain.max_body_bytes = 1u << 20;
  if (shown.kind == "oidc") return discover(key, shown, plain);
  ask(key, shown, token_url(shown), plain, refresh_token);
}

void access_tokens::discover(const std::string& key, const http_authentication& shown, const transfer_request& surroundings) {
  transfer_request request = surroundings;
  request.url = discovery_url(shown);
  loop_.start(std::move(request), [this, key, shown, surroundings](transfer_result&& result) {
    discovered found = discovered_of(shown, result, time_.now());
    if (!found.token_url) return tell(key, {std::nullopt, std::move(found.why)});
    ask(key, shown, *found.token_url, surroundings, {});
  });
}

void access_tokens::ask(const std::string& key, const http_authentication& shown, const std::string& url,
                        const transfer_request& surroundings, const std::string& refresh_token) {
  loop_.start(token_request(shown, url, refresh_token, surroundings),
              [this, key, shown, url, surroundings, refreshed = !refresh_token.empty()](transfer_result&& result) {
                if (refreshed && was_refused(result)) return ask(key, shown, url, surroundings, {});
                tell(key, answer_of(shown, result, time_.now()));
              });
}

void access_tokens::tell(const std::string& key, token_answer&& what) {
  std::vector<on_answer> waiting;
  answer told;
  {
    const std::lock_guard lock(mutex_);
    entry& mine = entries_[key];
    waiting.swap(mine.waiting);
    if (what.granted) {
      mine.token = what.granted->token;
      mine.refresh_token = what.granted->refresh_token;
      mine.valid_until = time_.now() + what.granted->valid_for;
    }
    told = {what.granted ? what.granted->token : std::string(), true, std::move(what.why)};
  }
  for (const on_answer& each : waiting) each(told);
}

void access_tokens::forget(const std::string& token) {
  const std::lock_guard lock(mutex_);
  for (auto& [key, each] : entries_) {
    if (each.token == token) each.token.clear();
  }
}

void access_tokens::make_room() {
  if (entries_.size() < most_entries) return;
  const timestamp now = time_.now();
  std::erase_if(entries_, [&](const auto& each) { return each.second.waiting.empty() && each.second.valid_until <= now; });
  if (entries_.size() < most_entries) return;
  std::erase_if(entries_, [](const auto& each) { return each.second.waiting.empty(); });
}

}  // namespace evermill::tasks
