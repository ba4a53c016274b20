#include "plugins/task/http/http_backend.hpp"

#include <atomic>
#include <exception>
#include <utility>

#include "base/encodings.hpp"
#include "plugins/task/http/access_tokens.hpp"
#include "plugins/task/http/http_message.hpp"

namespace evermill::tasks {
namespace {

struct http_surroundings {
  explicit http_surroundings(evermill::clock& clock) : time(clock), tokens(*loop, clock) {}
  ~http_surroundings() { loop.reset(); }  // first: what ends then may look at the rest

  std::unique_ptr<transfer_loop> loop = std::make_unique<transfer_loop>();
  evermill::clock& time;
  access_tokens tokens;
};

/// One attempt: a token where one is needed, the request, and once more both where a kept token was revoked.
class http_exchange : public std::enable_shared_from_this<http_exchange> {
 public:
  http_exchange(http_surroundings& around, std::shared_ptr<running_call> call)
      : around_(around), call_(std::move(call)), request_(http_request_of(call_->task())), shown_(http_authentication_of(request_.authentication)) {}

  void begin() {
    transfer_ = transfer_of(request_, shown_);
    if (!request_.idempotency_header.empty()) {
      transfer_.headers.emplace_back(request_.idempotency_header, idempotency_key(dispatch_id_of(call_->task())));
    }
    for_each_trace_header(call_->task(), [&](const char* name, const std::string& value) {
      if (find_header(transfer_.headers, name) == nullptr) transfer_.headers.emplace_back(name, value);
    });
    if (shown_ && call_->secrets().any()) call_->secrets().keep(shown_->username + ":" + shown_->password);  // as basic encodes them
    if (shown_ && needs_token(*shown_)) {
      if (call_->secrets().any()) call_->secrets().keep(percent_encoded(shown_->client.id) + ":" + percent_encoded(shown_->client.secret));
      return get_token();
    }
    send();
  }

 private:
  /// A token that others wait for, too, is not given up with this request.
  void get_token() {
    call_->on_stop([self = shared_from_this()] {
      self->stopped_ = true;
      self->call_->end(canceled{});
    });
    around_.tokens.get(*shown_, transfer_, [self = shared_from_this()](const access_tokens::answer& answer) {
      if (self->stopped_) return;
      if (answer.token.empty()) return self->call_->end(answer.why);
      self->call_->secrets().keep(answer.token);
      self->transfer_.login = {transfer_login::kind::bearer, "", answer.token};
      self->may_ask_again_ = !answer.asked;
      self->send();
    });
  }

  void send() {
    response_ = std::make_unique<response_sink>(request_, to_string(dispatch_id_of(call_->task())));
    transfer_request sent = transfer_;
    sent.on_headers = [self = shared_from_this()](int status, const transfer_headers&) {
      self->response_->begin(status);
      return true;
    };
    sent.on_data = [self = shared_from_this()](std::string_view piece) {
      self->call_->heartbeat();
      return self->response_->take(piece);
    };
    if (sent.rewind_body) sent.rewind_body();
    const auto id = around_.loop->start(std::move(sent), [self = shared_from_this()](transfer_result&& result) { self->on_done(std::move(result)); });
    call_->on_stop([loop = around_.loop.get(), id] { loop->cancel(id); });
  }

  void on_done(transfer_result&& result) {
    if (result.error == transfer_error::canceled) return call_->end(canceled{});
    if (result.error == transfer_error::none && result.status == 401 && std::exchange(may_ask_again_, false)) {
      around_.tokens.forget(transfer_.login.password);
      return get_token();
    }
    call_->end(outcome_of_done(result));
  }

  outcome outcome_of_done(transfer_result& result) {
    const std::string what = request_.method + " " + request_.url;
    if (response_->too_large()) {
      result.error = transfer_error::too_large;
      result.message = "the response is larger than " + std::to_string(request_.max_response_bytes) +
                       " bytes; raise max_response_bytes, or have it written to a response_file";
    }
    if (result.error != transfer_error::none) return failure_of_transfer(result, what);
    try {
      response_->finish();
    } catch (const std::exception& error) {
      return call_failure("HttpFile", what + ": " + error.what(), false);
    }
    return outcome_of(request_, result, *response_, around_.time.now());
  }

  http_surroundings& around_;
  const std::shared_ptr<running_call> call_;
  const http_request request_;
  const std::optional<http_authentication> shown_;
  transfer_request transfer_;
  std::unique_ptr<response_sink> response_;  ///< on the loop's thread
  std::atomic<bool> stopped_{false};
  bool may_ask_again_ = false;
};

}  // namespace

std::unique_ptr<task_backend> make_http_backend(call_options options, on_attempt_end report) {
  options.name = http.name;
  const auto around = std::make_shared<http_surroundings>(*options.time);
  const auto start = [to = around.get()](const std::shared_ptr<running_call>& call) { std::make_shared<http_exchange>(*to, call)->begin(); };
  return make_call_backend(options, start, std::move(report), around);
}

}  // namespace evermill::tasks
