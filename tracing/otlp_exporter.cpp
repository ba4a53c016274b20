#include "tracing/otlp_exporter.hpp"

#include <pthread.h>
#include <signal.h>

#include <algorithm>
#include <cmath>
#include <iterator>
#include <limits>
#include <optional>
#include <stdexcept>

#include "plugins/task/transfer/transfer.hpp"

namespace evermill::tracing {
namespace {

namespace shown {
using metrics::description;
using metrics::kind;

constexpr description exported{"evermill_trace_spans_exported_total", kind::counter, "Spans that the collector has accepted."};
constexpr description dropped{"evermill_trace_spans_dropped_total", kind::counter,
                              "Spans that were given up: there was no room, the collector refused them, or the process stopped."};
constexpr description failures{"evermill_trace_export_failures_total", kind::counter,
                               "Requests to the collector that did not succeed; most are made again."};
constexpr description queued{"evermill_trace_spans_queued", kind::gauge, "Spans that wait to be sent."};
}  // namespace shown

std::uint64_t bound_of(double ratio) {
  if (!(ratio >= 0 && ratio <= 1)) throw std::invalid_argument("the part of traces that is shown is not between 0 and 1");
  if (ratio >= 1) return std::numeric_limits<std::uint64_t>::max();
  return static_cast<std::uint64_t>(std::ldexp(ratio, 63)) << 1;
}

void check_url(const std::string& url) {
  if (url.starts_with("http://") || url.starts_with("https://")) return;
  throw std::invalid_argument("spans are sent to a URL of http or https");
}

/// As OTLP says: these may pass, all others will not.
bool may_pass(int status) { return status == 429 || status == 502 || status == 503 || status == 504; }

std::string host_of(const std::string& url) {
  const std::size_t begin = url.find("://") + 3;
  const std::string authority = url.substr(begin, url.find_first_of("/?#", begin) - begin);
  return authority.substr(authority.find('@') == std::string::npos ? 0 : authority.find('@') + 1);
}

}  // namespace

/// What the thread has of its own.
class otlp_exporter::sender {
 public:
  enum class end : std::uint8_t { accepted, rejected, may_pass };
  struct outcome {
    end how = end::may_pass;
    std::uint64_t rejected = 0;
    std::string why;
    std::optional<std::chrono::seconds> retry_after;
  };

  outcome send(const otlp_options& options, const std::vector<span>& batch, std::chrono::milliseconds limit) const {
    tasks::transfer_request request;
    request.method = "POST";
    request.url = options.url;
    request.headers = options.headers;
    request.headers.emplace_back("Content-Type", "application/json");
    request.body = to_otlp_json(batch, options.resource);
    request.connect_timeout = request.timeout = limit;
    request.max_body_bytes = 64u << 10;
    const tasks::transfer_result answer = tasks::perform(request, stop);
    if (answer.error != tasks::transfer_error::none) {
      const bool never = answer.error == tasks::transfer_error::invalid;
      return {never ? end::rejected : end::may_pass, 0, answer.message, std::nullopt};
    }
    if (answer.status / 100 == 2) {
      otlp_partial_success part = partial_success_of(answer.body);
      return {end::accepted, std::min<std::uint64_t>(part.rejected, batch.size()), std::move(part.message), std::nullopt};
    }
    outcome how{may_pass(answer.status) ? end::may_pass : end::rejected, 0, "status " + std::to_string(answer.status), std::nullopt};
    how.retry_after = tasks::retry_after(answer.headers, std::chrono::system_clock::now());
    return how;
  }

  const tasks::transfer_stop stop;
};

otlp_exporter::otlp_exporter(otlp_options options, log lines)
    : options_((check_url(options.url), std::move(options))),
      log_(std::move(lines)),
      sampled_below_(bound_of(options_.sample_ratio)),
      sender_(std::make_unique<sender>()),
      thread_([this] { work(); }) {}

otlp_exporter::~otlp_exporter() {
  std::unique_lock lock(mutex_);
  stopping_ = true;
  stop_by_ = std::chrono::steady_clock::now() + options_.flush_limit;
  changed_.notify_all();
  const bool done = changed_.wait_until(lock, stop_by_, [this] { return finished_; });
  lock.unlock();
  if (!done) sender_->stop.stop();  // a request that is under way, and all later ones
  thread_.join();
}

bool otlp_exporter::samples(const trace_context& root) const noexcept {
  return sampled_below_ == std::numeric_limits<std::uint64_t>::max() || root.trace_low < sampled_below_;
}

void otlp_exporter::offer(std::vector<span>&& spans) {
  std::size_t taken = 0;
  {
    const std::lock_guard lock(mutex_);
    if (!finished_) taken = std::min(spans.size(), options_.queue_limit - std::min(options_.queue_limit, waiting_.size()));
    const bool was_enough = waiting_.size() >= options_.batch;
    std::move(spans.begin(), spans.begin() + static_cast<std::ptrdiff_t>(taken), std::back_inserter(waiting_));
    const bool first = waiting_.size() == taken;
    if (taken > 0 && (first || (!was_enough && waiting_.size() >= options_.batch))) changed_.notify_all();
  }
  dropped_full_.add(spans.size() - taken);
}

/// False: nothing more comes.
bool otlp_exporter::wait_for_batch(std::vector<span>& batch) {
  std::unique_lock lock(mutex_);
  changed_.wait(lock, [this] { return stopping_ || !waiting_.empty(); });
  changed_.wait_for(lock, options_.gather, [this] { return stopping_ || waiting_.size() >= options_.batch; });
  const auto count = static_cast<std::ptrdiff_t>(std::min(waiting_.size(), options_.batch));
  batch.assign(std::make_move_iterator(waiting_.begin()), std::make_move_iterator(waiting_.begin() + count));
  waiting_.erase(waiting_.begin(), waiting_.begin() + count);
  return !batch.empty();
}

/// False: the time to stop has come.
bool otlp_exporter::wait_to_retry(std::chrono::milliseconds time) {
  std::unique_lock lock(mutex_);
  const auto until = std::chrono::steady_clock::now() + time;
  while (std::chrono::steady_clock::now() < (stopping_ ? std::min(until, stop_by_) : until)) {
    changed_.wait_until(lock, stopping_ ? std::min(until, stop_by_) : until);
    if (stopping_) break;  // once more at once, and then as long as there is time
  }
  return !stopping_ || std::chrono::steady_clock::now() < stop_by_;
}

void otlp_exporter::work() {
  sigset_t broken_pipe;  // of a connection that breaks while it is written to
  ::sigemptyset(&broken_pipe);
  ::sigaddset(&broken_pipe, SIGPIPE);
  ::pthread_sigmask(SIG_BLOCK, &broken_pipe, nullptr);
  bool away = false;
  std::vector<span> batch;
  while (wait_for_batch(batch)) {
    for (std::chrono::milliseconds wait = options_.first_retry;; wait = std::min(2 * wait, options_.longest_retry)) {
      const sender::outcome how = sender_->send(options_, batch, options_.timeout);
      if (how.how == sender::end::accepted) {
        sent_.add(batch.size() - how.rejected);
        dropped_rejected_.add(how.rejected);
        if (how.rejected > 0) log_.warn({}, "the collector at {} has refused {} spans: {}", host_of(options_.url), how.rejected, how.why);
        if (std::exchange(away, false)) log_.info({}, "traces are sent to {} again", host_of(options_.url));
        break;
      }
      failures_.add();
      if (how.how == sender::end::rejected) {
        dropped_rejected_.add(batch.size());
        log_.warn({}, "the collector at {} refuses {} spans, which are dropped: {}", host_of(options_.url), batch.size(), how.why);
        break;
      }
      if (!std::exchange(away, true)) {
        log_.warn({}, "traces can't be sent to {} now ({}); up to {} spans are kept until they can be", host_of(options_.url), how.why,
                  options_.queue_limit);
      }
      const auto pause = std::max<std::chrono::milliseconds>(wait, how.retry_after.value_or(std::chrono::seconds(0)));
      if (wait_to_retry(std::min(pause, 2 * options_.longest_retry))) continue;
      dropped_stopping_.add(batch.size());
      break;
    }
  }
  const std::lock_guard lock(mutex_);
  finished_ = true;
  changed_.notify_all();
}

void otlp_exporter::collect(metrics::scrape& into) const {
  into.add(shown::exported, {}, sent_);
  into.add(shown::dropped, {{"reason", "queue_full"}}, dropped_full_);
  into.add(shown::dropped, {{"reason", "rejected"}}, dropped_rejected_);
  into.add(shown::dropped, {{"reason", "stopping"}}, dropped_stopping_);
  into.add(shown::failures, {}, failures_);
  const std::lock_guard lock(mutex_);
  into.add(shown::queued, {}, static_cast<double>(waiting_.size()));
}

}  // namespace evermill::tracing
