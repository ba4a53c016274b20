#include "client/api_connection.hpp"

#include <grpcpp/channel.h>
#include <grpcpp/support/channel_arguments.h>

#include <algorithm>
#include <thread>

#include "evermill/payload.hpp"
#include "server/grpc/channel.hpp"
#include "server/grpc/status.hpp"

namespace evermill::api {
namespace {

constexpr std::size_t max_reply_bytes = max_payload_bytes + (16u << 20);
constexpr int first_reconnect_ms = 50;
constexpr int longest_reconnect_ms = 1'000;

grpc::ChannelArguments client_channel_arguments() {
  grpc::ChannelArguments arguments;
  arguments.SetMaxReceiveMessageSize(static_cast<int>(max_reply_bytes));
  arguments.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);  // clients of one program do not wait for each other's reconnects
  arguments.SetInt(GRPC_ARG_INITIAL_RECONNECT_BACKOFF_MS, first_reconnect_ms);
  arguments.SetInt(GRPC_ARG_MAX_RECONNECT_BACKOFF_MS, longest_reconnect_ms);
  arguments.SetInt(GRPC_ARG_ENABLE_RETRIES, 0);  // that is done here
  return arguments;
}

std::shared_ptr<grpc::Channel> open(const server_address& server) {
  try {
    return server::open_channel(server, client_channel_arguments());
  } catch (const std::exception& error) {
    throw client_error(client_errc::invalid_argument, error.what());
  }
}

client_errc errc_of(server::control_errc code) {
  using server::control_errc;
  switch (code) {
    case control_errc::invalid_argument: return client_errc::invalid_argument;
    case control_errc::unauthenticated: return client_errc::unauthenticated;
    case control_errc::permission_denied: return client_errc::permission_denied;
    case control_errc::unknown_workflow: return client_errc::unknown_workflow;
    case control_errc::not_found: return client_errc::not_found;
    case control_errc::already_exists: return client_errc::already_exists;
    case control_errc::closed: return client_errc::closed;
    case control_errc::conflict: return client_errc::conflict;
    case control_errc::refused: return client_errc::refused;
    case control_errc::blocked: return client_errc::blocked;
    case control_errc::overloaded: return client_errc::overloaded;
    case control_errc::storage: return client_errc::storage;
    case control_errc::stopped:
    case control_errc::unreachable: return client_errc::unavailable;
    case control_errc::incompatible: return client_errc::incompatible;
    case control_errc::internal: return client_errc::internal;
  }
  return client_errc::internal;
}

/// gRPC says so where a connection ends in the middle of a call.
bool is_broken_stream(const grpc::Status& status) {
  if (status.error_code() != grpc::StatusCode::INTERNAL && status.error_code() != grpc::StatusCode::UNKNOWN) return false;
  const std::string& message = status.error_message();
  return message.find("RST_STREAM") != std::string::npos || message.find("Stream removed") != std::string::npos;
}

}  // namespace

verdict judge(const grpc::Status& status) {
  switch (status.error_code()) {
    case grpc::StatusCode::UNAVAILABLE:
    case grpc::StatusCode::CANCELLED:
    case grpc::StatusCode::DEADLINE_EXCEEDED: return {true, true, server::retry_delay_in(status)};
    case grpc::StatusCode::RESOURCE_EXHAUSTED: return {!server::reason_in(status).empty(), false, server::retry_delay_in(status)};
    default: return {is_broken_stream(status), is_broken_stream(status), std::nullopt};
  }
}

milliseconds pauses::next(random_source& random) {
  const milliseconds whole = next_;
  next_ = std::min(2 * next_, longest);
  return whole - milliseconds(static_cast<std::int64_t>(random.next() % static_cast<std::uint64_t>(whole.count() / 2 + 1)));
}

api_connection::api_connection(server_address server)
    : server_(std::move(server)),
      who_("the server at " + server_.address),
      channel_(open(server_)),
      random_(make_system_random()),
      workflows(wire::Workflows::NewStub(channel_)),
      human_tasks(wire::HumanTasks::NewStub(channel_)),
      activities(wire::Activities::NewStub(channel_)),
      operations(wire::Operations::NewStub(channel_)),
      clock_(make_system_clock()) {}

void api_connection::wait_until_connected(milliseconds limit) {
  if (limit.count() <= 0 || channel_->WaitForConnected(std::chrono::system_clock::now() + limit)) return;
  throw client_error(client_errc::unavailable,
                     "nothing answers at " + server_.address + (server_.tls ? ", or its certificate does not fit" : "") +
                         "; is a server there that was started with --listen" + (server_.tls ? " and TLS?" : ", without TLS?"));
}

api_connection::time_point api_connection::until(milliseconds limit) {
  return limit.count() <= 0 ? time_point::max() : std::chrono::system_clock::now() + limit;
}

void api_connection::prepare(grpc::ClientContext& context, time_point until) const {
  if (until != time_point::max()) context.set_deadline(until);
  server::show_token(server_, context);
}

void api_connection::ask(time_point until, const std::function<grpc::Status(grpc::ClientContext&)>& once, milliseconds longest_try) const {
  bool may_have_happened = false;
  for (pauses between;;) {
    grpc::ClientContext context;
    prepare(context, std::min(until, api_connection::until(longest_try)));
    const grpc::Status status = once(context);
    if (status.ok()) return;
    const verdict next = judge(status);
    may_have_happened = may_have_happened || next.unknown;
    const milliseconds pause = next.after.value_or(between.next(*random_));
    if (!next.again || until - std::chrono::system_clock::now() <= pause) throw error_of(status, may_have_happened);
    std::this_thread::sleep_for(pause);
  }
}

client_error api_connection::error_of(const grpc::Status& status, bool may_have_happened) const {
  if (status.error_code() == grpc::StatusCode::DEADLINE_EXCEEDED) {
    return {client_errc::deadline_exceeded, who_ + " has not answered within the limit", may_have_happened};
  }
  if (judge(status).unknown) {
    return {client_errc::unavailable, who_ + " does not answer: " + status.error_message(), may_have_happened};
  }
  const server::control_error error = server::to_error(status, who_);
  return {errc_of(error.code()), error.what(), may_have_happened, server::retry_delay_in(status)};
}

}  // namespace evermill::api
