#include "server/grpc/channel.hpp"

#include <grpcpp/channel.h>
#include <grpcpp/client_context.h>
#include <grpcpp/create_channel.h>
#include <grpcpp/security/credentials.h>

#include <algorithm>
#include <fstream>
#include <iterator>
#include <stdexcept>

namespace evermill::server {
namespace {

/// Throws for one that can't stand in a header.
void check_token(const server_address& server) {
  const bool is_header = std::all_of(server.token.begin(), server.token.end(), [](char c) { return c > ' ' && c < '\x7f'; });
  if (!is_header) throw std::runtime_error("the token that is to be shown is none: it holds a space, a line break, or another character that no token has");
}

std::string read_file(const std::string& file) {
  if (file.empty()) return {};
  std::ifstream from(file, std::ios::binary);
  std::string text((std::istreambuf_iterator<char>(from)), std::istreambuf_iterator<char>());
  if (!from || text.empty()) throw std::runtime_error("\"" + file + "\" can't be read, or is empty");
  return text;
}

}  // namespace

std::shared_ptr<grpc::Channel> open_channel(const server_address& server, const grpc::ChannelArguments& arguments) {
  check_token(server);
  if (!server.tls) return grpc::CreateCustomChannel(server.address, grpc::InsecureChannelCredentials(), arguments);
  grpc::SslCredentialsOptions options;
  options.pem_root_certs = read_file(server.ca_file);
  options.pem_cert_chain = read_file(server.certificate_file);
  options.pem_private_key = read_file(server.key_file);
  return grpc::CreateCustomChannel(server.address, grpc::SslCredentials(options), arguments);
}

void show_token(const server_address& server, grpc::ClientContext& context) {
  if (!server.token.empty()) context.AddMetadata("authorization", "Bearer " + server.token);
}

}  // namespace evermill::server
