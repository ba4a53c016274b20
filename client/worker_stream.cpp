#include "client/worker_stream.hpp"

#include <grpcpp/channel.h>
#include <grpcpp/client_context.h>
#include <grpcpp/support/channel_arguments.h>
#include <grpcpp/support/client_callback.h>

#include <algorithm>
#include <atomic>
#include <condition_variable>
#include <mutex>
#include <utility>

#include "evermill/payload.hpp"
#include "evermill/v1/workers.grpc.pb.h"
#include "server/grpc/channel.hpp"

namespace evermill::api {
namespace {

constexpr std::chrono::milliseconds first_delay{100};
constexpr std::chrono::milliseconds longest_delay{5'000};
constexpr std::chrono::milliseconds end_limit{10'000};
constexpr int keepalive_ms = 10'000;
constexpr std::size_t max_message_bytes = max_payload_bytes + (16u << 20);

grpc::ChannelArguments channel_arguments() {
  grpc::ChannelArguments arguments;
  arguments.SetMaxReceiveMessageSize(static_cast<int>(max_message_bytes));
  arguments.SetInt(GRPC_ARG_KEEPALIVE_TIME_MS, keepalive_ms);
  arguments.SetInt(GRPC_ARG_KEEPALIVE_TIMEOUT_MS, keepalive_ms);
  arguments.SetInt(GRPC_ARG_HTTP2_MAX_PINGS_WITHOUT_DATA, 0);
  arguments.SetInt(GRPC_ARG_MAX_RECONNECT_BACKOFF_MS, static_cast<int>(longest_delay.count()));
  arguments.SetInt(GRPC_ARG_INITIAL_RECONNECT_BACKOFF_MS, static_cast<int>(first_delay.count()));
  return arguments;
}

/// One stream. gRPC calls it on its threads; what it hears goes to the loop.
class connection final : public grpc::ClientBidiReactor<v1::WorkRequest, v1::WorkResponse> {
 public:
  struct callbacks {
    std::function<void(v1::WorkResponse&&)> received;
    std::function<void()> written;
    std::function<void()> ending;  // it is to be let go of
    std::function<void(const grpc::Status&)> over;  // the last one
  };

  connection(v1::Workers::Stub& stub, const server_address& server, v1::WorkRequest&& first, callbacks to)
      : to_(std::move(to)), writing_(std::move(first)) {
    server::show_token(server, context_);
    stub.async()->Work(&context_, this);
    StartRead(&reading_);
    StartWrite(&writing_);
    AddHold();  // for `write`, which comes from the loop
    StartCall();
  }

  void write(v1::WorkRequest&& message) {
    writing_ = std::move(message);
    StartWrite(&writing_);
  }
  void cancel() { context_.TryCancel(); }
  /// Nothing is written any more.
  void release() { RemoveHold(); }

  void OnReadDone(bool ok) override {
    if (!ok) return to_.ending();
    to_.received(std::move(reading_));
    reading_ = {};
    StartRead(&reading_);
  }
  void OnWriteDone(bool) override { to_.written(); }
  void OnDone(const grpc::Status& status) override {
    const auto over = to_.over;  // this is destroyed meanwhile
    over(status);
  }

 private:
  const callbacks to_;
  grpc::ClientContext context_;
  v1::WorkRequest writing_;
  v1::WorkResponse reading_;
};

}  // namespace

class worker_stream::state : public std::enable_shared_from_this<state> {
 public:
  state(server_address server, clock& time, task_loop& loop, worker_stream_events events, log lines)
      : server_(std::move(server)),
        time_(time),
        loop_(loop),
        events_(std::move(events)),
        log_(std::move(lines)),
        stub_(v1::Workers::NewStub(server::open_channel(server_, channel_arguments()))) {}

  void connect() {
    if (closed_) return;
    const std::uint64_t generation = ++generation_;
    connection::callbacks to;
    to.received = [this, self = weak_from_this(), generation](v1::WorkResponse&& message) {
      auto shared = std::make_shared<v1::WorkResponse>(std::move(message));
      post(self, generation, [this, shared] { receive(std::move(*shared)); });
    };
    to.written = [this, self = weak_from_this(), generation] { post(self, generation, [this] { written(); }); };
    to.ending = [this, self = weak_from_this(), generation] { post(self, generation, [this] { let_go(); }); };
    to.over = [this, self = weak_from_this(), generation](const grpc::Status& status) {
      post(self, generation, [this, status] { over(status); });
    };
    writing_ = true;
    held_ = true;
    heard_ = false;
    connection_ = std::make_unique<connection>(*stub_, server_, events_.first(), std::move(to));
  }

  void say() {
    if (!connection_ || writing_ || !held_) return;
    auto message = events_.next();
    if (!message) return;
    writing_ = true;
    connection_->write(std::move(*message));
  }

  /// From now on nothing is told. Not on the loop.
  void close_and_wait() {
    if (over_.exchange(true)) return;
    loop_.run([this] {
      if (std::exchange(closed_, true)) return;
      if (alarm_ != 0) time_.cancel_alarm(alarm_);
      if (connection_) {
        connection_->cancel();
        let_go();
      }
    });
    loop_.wait_until([this] { return connection_ == nullptr; }, end_limit);
  }

  bool connected() const noexcept { return connected_; }
  std::string why_not() const {
    const std::lock_guard lock(mutex_);
    return why_not_;
  }

 private:
  void post(const std::weak_ptr<state>& self, std::uint64_t generation, std::function<void()> what) {
    loop_.post([self, generation, what = std::move(what)] {
      const auto here = self.lock();
      if (here && here->generation_ == generation) what();
    });
  }

  void receive(v1::WorkResponse&& message) {
    if (closed_) return;
    if (!heard_) {
      heard_ = true;
      delay_ = first_delay;
      connected_ = true;
      log_.info({}, "connected to the server at {}", server_.address);
    }
    events_.received(std::move(message));
    say();
  }

  void written() {
    writing_ = false;
    if (!closed_) say();
  }

  void let_go() {
    if (std::exchange(held_, false)) connection_->release();
  }

  static std::string why_of(const grpc::Status& status) {
    if (status.ok()) return "it has ended the connection";
    if (status.error_code() == grpc::StatusCode::UNIMPLEMENTED) {
      return "it takes no workers; where it shares its work over a broker, workers share that, too: --queue";
    }
    return status.error_message();
  }

  void over(const grpc::Status& status) {
    connection_.reset();
    connected_ = false;
    held_ = false;
    if (closed_) return;
    {
      const std::lock_guard lock(mutex_);
      why_not_ = "the server at " + server_.address + ": " + why_of(status);
    }
    log_.warn({}, "no connection to the server at {} ({}); tried again in {} ms", server_.address,
              why_of(status), delay_.count());
    alarm_ = time_.set_alarm(time_.now() + delay_, [post = loop_.poster(), self = weak_from_this()] {
      post([self] {
        if (const auto here = self.lock()) here->connect();
      });
    });
    delay_ = std::min(2 * delay_, longest_delay);
  }

  const server_address server_;
  clock& time_;
  task_loop& loop_;
  const worker_stream_events events_;
  const log log_;
  const std::unique_ptr<v1::Workers::Stub> stub_;
  std::atomic<bool> connected_{false};
  std::atomic<bool> over_{false};
  mutable std::mutex mutex_;
  std::string why_not_;
  // On the loop:
  std::unique_ptr<connection> connection_;
  std::uint64_t generation_ = 0;
  bool writing_ = false;
  bool held_ = false;
  bool heard_ = false;
  bool closed_ = false;
  std::chrono::milliseconds delay_ = first_delay;
  clock::alarm_id alarm_ = 0;
};

worker_stream::worker_stream(server_address server, clock& time, task_loop& loop, worker_stream_events events, log lines)
    : state_(std::make_shared<state>(std::move(server), time, loop, std::move(events), std::move(lines))) {
  loop.run([this] { state_->connect(); });
}

worker_stream::~worker_stream() { close(); }
void worker_stream::say() { state_->say(); }
bool worker_stream::connected() const noexcept { return state_->connected(); }
std::string worker_stream::why_not() const { return state_->why_not(); }

void worker_stream::close() { state_->close_and_wait(); }

}  // namespace evermill::api
