#include "plugins/task/grpc/grpc_backend.hpp"

#include <grpc/grpc.h>
#include <grpcpp/generic/generic_stub.h>
#include <grpcpp/grpcpp.h>

#include <atomic>
#include <condition_variable>
#include <fstream>
#include <iterator>
#include <map>
#include <mutex>
#include <tuple>
#include <utility>

#include "evermill/exceptions.hpp"
#include "base/encodings.hpp"
#include "plugins/task/grpc/grpc_message.hpp"
#include "plugins/task/http/access_tokens.hpp"
#include "plugins/task/http/http_message.hpp"

namespace evermill::tasks {
namespace {

constexpr std::size_t kept_channels = 100;
constexpr std::chrono::seconds deadline_margin{1};  // the attempt's own limit comes first

std::string text_of_file(const std::string& path) {
  if (path.empty()) return {};
  std::ifstream file(path, std::ios::binary);
  if (!file) throw payload_error("\"" + path + "\" can't be read");
  return {std::istreambuf_iterator<char>(file), {}};
}

class grpc_exchange;

struct grpc_surroundings {
  explicit grpc_surroundings(evermill::clock& clock) : tokens(*loop, clock) {}
  ~grpc_surroundings() {
    loop.reset();
    std::unique_lock lock(mutex);
    quiet.wait(lock, [&] { return calls == 0; });  // they were canceled
  }

  std::shared_ptr<::grpc::Channel> channel_to(const grpc_request& request) {
    // gRPC 1.51 does not stand its own end and beginning beside calls that are on their way out: once begun, it stays.
    static const bool stays = (::grpc_init(), true);
    (void)stays;
    const std::string target = target_of(request);
    const auto key = std::tuple(target, request.tls, request.ca_file, request.certificate_file, request.key_file);
    const std::lock_guard lock(mutex);
    if (const auto it = channels.find(key); it != channels.end()) return it->second;
    std::shared_ptr<::grpc::ChannelCredentials> credentials = ::grpc::InsecureChannelCredentials();
    if (request.tls) {
      ::grpc::SslCredentialsOptions options;
      options.pem_root_certs = text_of_file(request.ca_file);
      options.pem_cert_chain = text_of_file(request.certificate_file);
      options.pem_private_key = text_of_file(request.key_file);
      credentials = ::grpc::SslCredentials(options);
    }
    ::grpc::ChannelArguments arguments;
    arguments.SetMaxReceiveMessageSize(-1);  // each call has a bound of its own
    if (channels.size() >= kept_channels) channels.clear();
    return channels[key] = ::grpc::CreateCustomChannel(target, credentials, arguments);
  }

  void begun() {
    const std::lock_guard lock(mutex);
    ++calls;
  }
  void ended() {
    const std::lock_guard lock(mutex);
    --calls;
    quiet.notify_all();
  }

  std::unique_ptr<transfer_loop> loop = std::make_unique<transfer_loop>();  ///< for tokens
  access_tokens tokens;
  std::mutex mutex;
  std::condition_variable quiet;
  int calls = 0;
  std::map<std::tuple<std::string, bool, std::string, std::string, std::string>, std::shared_ptr<::grpc::Channel>> channels;
};

/// One attempt. Any method is a stream of messages there and back, if only of one each.
class grpc_exchange final : public ::grpc::ClientBidiReactor<::grpc::ByteBuffer, ::grpc::ByteBuffer>,
                            public std::enable_shared_from_this<grpc_exchange> {
 public:
  grpc_exchange(grpc_surroundings& around, std::shared_ptr<running_call> call)
      : around_(around),
        call_(std::move(call)),
        request_(grpc_request_of(call_->task())),
        shown_(http_authentication_of(request_.authentication)),
        method_(find_grpc_method(request_)),
        messages_(messages_of(request_, *method_)) {}

  void begin() {
    if (!shown_) return send();
    if (shown_->kind == "digest") throw payload_error("gRPC knows no digest authentication");
    if (shown_->kind == "bearer") return send_with("Bearer " + shown_->token);
    if (shown_->kind == "basic") {
      if (call_->secrets().any()) call_->secrets().keep(shown_->username + ":" + shown_->password);
      return send_with("Basic " + base64_encoded(shown_->username + ":" + shown_->password));
    }
    if (needs_token(*shown_)) get_token();
  }

 private:
  void get_token() {
    call_->on_stop([self = shared_from_this()] {
      self->stopped_ = true;
      self->call_->end(canceled{});
    });
    transfer_request surroundings;
    surroundings.ca_file = request_.ca_file;
    around_.tokens.get(*shown_, surroundings, [self = shared_from_this()](const access_tokens::answer& answer) {
      if (self->stopped_) return;
      if (answer.token.empty()) return self->call_->end(answer.why);
      self->call_->secrets().keep(answer.token);
      self->kept_token_ = answer.asked ? std::string() : answer.token;
      try {
        self->send_with("Bearer " + answer.token);
      } catch (const payload_error& error) {
        self->call_->end(call_failure("InvalidPayload", error.what(), false));
      }
    });
  }

  void send_with(const std::string& authorization) {
    for (const char each : authorization) {  // gRPC ends the process for what it can't send
      if (each < ' ' || each > '~') throw payload_error("\"authentication\" has characters that are not ASCII, or for no eyes");
    }
    context_.AddMetadata("authorization", authorization);
    send();
  }

  void send() {
    for (const auto& [name, value] : request_.metadata) context_.AddMetadata(name, value);
    for_each_trace_header(call_->task(), [&](const char* name, const std::string& value) {
      if (request_.metadata.count(name) == 0) context_.AddMetadata(name, value);
    });
    if (const std::int64_t limit = call_->task().options().start_to_close_us(); limit > 0) {
      context_.set_deadline(std::chrono::system_clock::now() + std::chrono::microseconds(limit) + deadline_margin);
    }
    ::grpc::GenericStub stub(around_.channel_to(request_));
    around_.begun();
    counted_ = std::shared_ptr<void>(nullptr, [to = &around_](void*) { to->ended(); });
    alive_ = shared_from_this();
    const auto self = alive_;
    stub.PrepareBidiStreamingCall(&context_, method_->path(), {}, this);
    StartRead(&received_);
    write_next();
    StartCall();
    call_->on_stop([self] { self->context_.TryCancel(); });
  }

  void write_next() {
    if (written_ == messages_.size()) return StartWritesDone();
    const ::grpc::Slice slice(messages_[written_++]);
    sent_ = ::grpc::ByteBuffer(&slice, 1);
    if (written_ == messages_.size()) {
      StartWriteLast(&sent_, {});
    } else {
      StartWrite(&sent_);
    }
  }

  void OnWriteDone(bool ok) override {
    if (ok && written_ < messages_.size()) write_next();
  }

  void OnReadDone(bool ok) override {
    if (!ok) return;
    call_->heartbeat();
    bytes_ += received_.Length();
    if (bytes_ > static_cast<std::uint64_t>(request_.max_response_bytes)) {
      too_large_ = true;
      return context_.TryCancel();
    }
    std::vector<::grpc::Slice> slices;
    received_.Dump(&slices);
    std::string& text = responses_.emplace_back();
    for (const ::grpc::Slice& each : slices) text.append(reinterpret_cast<const char*>(each.begin()), each.size());
    StartRead(&received_);
  }

  void OnDone(const ::grpc::Status& status) override {
    const auto self = std::move(alive_);
    if (status.error_code() == ::grpc::UNAUTHENTICATED && !kept_token_.empty()) around_.tokens.forget(kept_token_);
    call_->end(outcome_of_call(status));
  }

  outcome outcome_of_call(const ::grpc::Status& status) const {
    if (too_large_) {
      return call_failure("GrpcResponseTooLarge",
                          "calling " + method_->path() + ": the response is larger than " + std::to_string(request_.max_response_bytes) +
                              " bytes; raise max_response_bytes",
                          false);
    }
    if (status.ok()) return grpc_outcome(request_, *method_, responses_);
    failed how = grpc_failure(request_, status.error_code(), status.error_message());
    if (status.error_code() == ::grpc::UNAUTHENTICATED && !kept_token_.empty()) how.failure.set_non_retryable(false);  // with a new token
    return how;
  }

  grpc_surroundings& around_;
  std::shared_ptr<void> counted_;  ///< ended last, when nothing of gRPC is left here
  const std::shared_ptr<running_call> call_;
  const grpc_request request_;
  const std::optional<http_authentication> shown_;
  const std::shared_ptr<const grpc_method> method_;
  const std::vector<std::string> messages_;
  std::shared_ptr<grpc_exchange> alive_;  ///< until OnDone
  std::atomic<bool> stopped_{false};
  std::string kept_token_;  ///< that may have been revoked
  ::grpc::ClientContext context_;
  std::size_t written_ = 0;
  ::grpc::ByteBuffer sent_;
  ::grpc::ByteBuffer received_;
  std::uint64_t bytes_ = 0;
  bool too_large_ = false;
  std::vector<std::string> responses_;
};

}  // namespace

std::unique_ptr<task_backend> make_grpc_backend(call_options options, on_attempt_end report) {
  options.name = grpc_call.name;
  const auto around = std::make_shared<grpc_surroundings>(*options.time);
  const auto start = [to = around.get()](const std::shared_ptr<running_call>& call) { std::make_shared<grpc_exchange>(*to, call)->begin(); };
  return make_call_backend(options, start, std::move(report), around);
}

}  // namespace evermill::tasks
