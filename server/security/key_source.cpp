#include "server/security/key_source.hpp"

#include <atomic>
#include <condition_variable>
#include <mutex>
#include <stdexcept>
#include <utility>
#include <vector>

#include "plugins/task/transfer/transfer_loop.hpp"
#include "server/security/guarded_file.hpp"

namespace evermill::server::security {
namespace {

using shared_keys = std::shared_ptr<const json_web_keys>;

class file_keys final : public key_source {
 public:
  file_keys(const key_source_options& options, const clock& time, log lines)
      : path_(options.file), log_(std::move(lines)), watch_({path_}, time, std::chrono::seconds(1)) {
    auto loaded = load();
    if (!loaded) throw std::runtime_error(loaded.error());
    keys_ = std::move(*loaded);
  }

  void find(std::optional<std::string> kid, algorithm which, on_answer answer) override {
    const shared_keys keys = current();
    const json_web_key* const key = keys->find(kid, which);
    answer(key == nullptr ? key_answer::unknown : key_answer::found, key);
  }
  std::uint64_t generation() const override { return generation_.load(std::memory_order_acquire); }
  void refresh() override {
    watch_.hasten();
    static_cast<void>(current());
  }

 private:
  result<shared_keys, std::string> load() const {
    auto text = read_guarded_file(path_, file_rule::any, max_key_set_bytes);
    if (!text) return unexpected(text.error());
    auto keys = read_key_set(*text);
    if (!keys) return unexpected("\"" + path_ + "\": " + keys.error());
    for (const std::string& each : keys->left_out) log_.warn({}, "\"{}\": left out {}", path_, each);
    return std::make_shared<const json_web_keys>(std::move(*keys));
  }

  shared_keys current() {
    if (watch_.changed()) {
      if (auto loaded = load()) {
        log_.info({}, "the key set \"{}\" has changed and was read: {} keys", path_, (*loaded)->keys.size());
        const std::lock_guard lock(mutex_);
        keys_ = std::move(*loaded);
        generation_.fetch_add(1, std::memory_order_release);
      } else {
        log_.error({}, "the key set has changed and can't be used; the keys that were read before stay in force: {}",
                   loaded.error());
      }
    }
    const std::lock_guard lock(mutex_);
    return keys_;
  }

  const std::string path_;
  const log log_;
  file_watch watch_;
  std::mutex mutex_;
  shared_keys keys_;
  std::atomic<std::uint64_t> generation_{1};
};

/// What a fetch that is still under way shares with its source, which may end before it.
class url_keys final : public key_source {
 public:
  url_keys(const key_source_options& options, const clock& time, tasks::transfer_loop& fetches, log lines)
      : shared_(std::make_shared<state>(options, time, std::move(lines))), fetches_(fetches) {}

  ~url_keys() override {
    std::vector<waiter> left;
    {
      std::unique_lock lock(shared_->mutex);
      shared_->ended = true;
      shared_->answered.wait(lock, [&] { return !shared_->answering; });  // what it calls may end with us
      left.swap(shared_->waiting);
    }
    answer_all(left, nullptr);
  }

  void find(std::optional<std::string> kid, algorithm which, on_answer answer) override {
    std::unique_lock lock(shared_->mutex);
    const shared_keys keys = shared_->keys;
    const json_web_key* const key = keys == nullptr ? nullptr : keys->find(kid, which);
    const timestamp now = shared_->time.now();
    const bool old = key != nullptr && now - shared_->fetched >= shared_->options.refresh;
    const bool may_fetch = !shared_->fetching && now >= shared_->next_fetch;
    const bool fetch = may_fetch && (key == nullptr || old);
    if (fetch) {
      shared_->fetching = true;
      shared_->next_fetch = now + shared_->options.refetch_pause;
    }
    const bool waits = key == nullptr && shared_->fetching && shared_->waiting.size() < max_waiting;
    if (waits) shared_->waiting.push_back({std::move(kid), which, std::move(answer)});
    lock.unlock();
    if (fetch) start_fetch();
    if (waits) return;
    answer(key != nullptr ? key_answer::found : keys == nullptr ? key_answer::unavailable : key_answer::unknown, key);
  }
  std::uint64_t generation() const override { return shared_->generation.load(std::memory_order_acquire); }
  void refresh() override {
    {
      const std::lock_guard lock(shared_->mutex);
      if (std::exchange(shared_->fetching, true)) return;
      shared_->next_fetch = shared_->time.now() + shared_->options.refetch_pause;
    }
    start_fetch();
  }

 private:
  static constexpr std::size_t max_waiting = 1000;

  struct waiter {
    std::optional<std::string> kid;
    algorithm which;
    on_answer answer;
  };

  struct state {
    state(const key_source_options& how, const clock& clock, log into) : options(how), time(clock), lines(std::move(into)) {}
    const key_source_options options;
    const clock& time;
    const log lines;
    std::mutex mutex;
    shared_keys keys;
    timestamp fetched{};
    timestamp next_fetch{};
    bool fetching = false;
    bool away = false;  ///< the last fetch has failed
    bool ended = false;
    bool answering = false;  ///< a fetch that has ended calls those who waited
    std::condition_variable answered;
    std::vector<waiter> waiting;
    std::atomic<std::uint64_t> generation{1};
  };

  void start_fetch() {
    tasks::transfer_request request;
    request.url = shared_->options.url;
    request.headers = {{"Accept", "application/jwk-set+json, application/json"}};
    request.ca_file = shared_->options.ca_file;
    request.timeout = request.connect_timeout = shared_->options.timeout;
    request.max_body_bytes = max_key_set_bytes;
    fetches_.start(std::move(request), [shared = shared_](tasks::transfer_result&& got) { end_fetch(*shared, std::move(got)); });
  }

  static result<json_web_keys, std::string> keys_of(const tasks::transfer_result& got) {
    if (got.error != tasks::transfer_error::none) return unexpected(got.message);
    if (got.status != 200) return unexpected("it answers with status " + std::to_string(got.status));
    return read_key_set(got.body);
  }

  static void end_fetch(state& shared, tasks::transfer_result&& got) {
    auto keys = keys_of(got);
    std::vector<waiter> waiting;
    shared_keys now_known;
    {
      const std::lock_guard lock(shared.mutex);
      shared.fetching = false;
      if (shared.ended) return;
      waiting.swap(shared.waiting);
      note(shared, keys);
      now_known = shared.keys;
      shared.answering = true;
    }
    answer_all(waiting, now_known.get());
    const std::lock_guard lock(shared.mutex);
    shared.answering = false;
    shared.answered.notify_all();
  }

  static void note(state& shared, result<json_web_keys, std::string>& keys) {
    const std::string& url = shared.options.url;
    if (!keys) {
      // Once per absence: requests go on, and would fill the log.
      if (!std::exchange(shared.away, true)) {
        shared.lines.error({}, "the keys at {} can't be fetched{}: {}", url,
                           shared.keys == nullptr ? "" : "; those fetched before are used", keys.error());
      }
      return;
    }
    if (std::exchange(shared.away, false)) shared.lines.info({}, "the keys at {} can be fetched again", url);
    for (const std::string& each : keys->left_out) shared.lines.debug({}, "{}: left out {}", url, each);
    shared.keys = std::make_shared<const json_web_keys>(std::move(*keys));
    shared.fetched = shared.time.now();
    shared.generation.fetch_add(1, std::memory_order_release);
  }

  static void answer_all(std::vector<waiter>& waiting, const json_web_keys* keys) {
    for (waiter& each : waiting) {
      const json_web_key* const key = keys == nullptr ? nullptr : keys->find(each.kid, each.which);
      each.answer(key != nullptr ? key_answer::found : keys == nullptr ? key_answer::unavailable : key_answer::unknown, key);
    }
  }

  const std::shared_ptr<state> shared_;
  tasks::transfer_loop& fetches_;
};

}  // namespace

std::unique_ptr<key_source> make_file_keys(const key_source_options& options, const clock& time, log lines) {
  return std::make_unique<file_keys>(options, time, std::move(lines));
}

std::unique_ptr<key_source> make_url_keys(const key_source_options& options, const clock& time, tasks::transfer_loop& fetches,
                                          log lines) {
  return std::make_unique<url_keys>(options, time, fetches, std::move(lines));
}

}  // namespace evermill::server::security
