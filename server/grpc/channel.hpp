// How a program reaches a server: where it is, and what it shows.
#pragma once

#include <grpcpp/support/channel_arguments.h>

#include <filesystem>
#include <memory>
#include <string>

#include "evermill/server_address.hpp"

namespace grpc {
class Channel;
class ClientContext;
}  // namespace grpc

namespace evermill::server {

/// Does not wait for the server. Throws std::runtime_error where a file can't be read, or the token can't stand in a request: gRPC ends
/// the process that tries.
std::shared_ptr<grpc::Channel> open_channel(const server_address& server, const grpc::ChannelArguments& arguments);

/// Each call shows the token.
void show_token(const server_address& server, grpc::ClientContext& context);

}  // namespace evermill::server
