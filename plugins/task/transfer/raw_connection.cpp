#include "plugins/task/transfer/raw_connection.hpp"

#include <sys/socket.h>

#include "plugins/task/transfer/easy_transfer.hpp"

namespace evermill::tasks {

struct raw_connection::handle {
  easy_transfer transfer;
};

namespace {

transfer_request for_connection(const transfer_request& where) {
  transfer_request request = where;
  request.timeout = std::chrono::milliseconds(0);
  return request;
}

}  // namespace

raw_connection::raw_connection(const transfer_request& where)
    : handle_(new handle{easy_transfer(for_connection(where))}), tls_(where.url.starts_with("https:")) {
  const transfer_result& so_far = handle_->transfer.so_far();
  if (so_far.error != transfer_error::none) {
    error_ = so_far.message;
    return;
  }
  CURL* const curl = handle_->transfer.handle();
  curl_easy_setopt(curl, CURLOPT_CONNECT_ONLY, 1L);
  const CURLcode code = curl_easy_perform(curl);
  if (code != CURLE_OK) {
    error_ = handle_->transfer.finish(code).message;
    return;
  }
  curl_socket_t socket = CURL_SOCKET_BAD;
  if (curl_easy_getinfo(curl, CURLINFO_ACTIVESOCKET, &socket) != CURLE_OK || socket == CURL_SOCKET_BAD) {
    error_ = "libcurl has no connection";
    return;
  }
  socket_ = static_cast<int>(socket);
}

raw_connection::~raw_connection() = default;

raw_connection::progress raw_connection::send(std::string_view bytes) {
  progress made;
  const CURLcode code = curl_easy_send(handle_->transfer.handle(), bytes.data(), bytes.size(), &made.bytes);
  made.again = code == CURLE_AGAIN;
  made.failed = code != CURLE_OK && !made.again;
  if (made.failed) made.message = curl_easy_strerror(code);
  return made;
}

raw_connection::progress raw_connection::receive(char* to, std::size_t room) {
  progress made;
  const CURLcode code = curl_easy_recv(handle_->transfer.handle(), to, room, &made.bytes);
  made.again = code == CURLE_AGAIN;
  made.failed = code != CURLE_OK && !made.again;
  if (made.failed) made.message = curl_easy_strerror(code);
  return made;
}

bool raw_connection::end_writing() { return !tls_ && ::shutdown(socket_, SHUT_WR) == 0; }

}  // namespace evermill::tasks
