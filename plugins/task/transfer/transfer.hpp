// One request over HTTP and its response, by libcurl: the caller's thread waits for it, or transfer_loop's thread for many.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace evermill::tasks {

using transfer_headers = std::vector<std::pair<std::string, std::string>>;

/// The value of the first header of this name, whatever its case; null: there is none.
const std::string* find_header(const transfer_headers& headers, std::string_view name);

/// How long the server asks to wait (Retry-After), from `now`; nothing: it does not, or not so that it can be understood.
std::optional<std::chrono::seconds> retry_after(const transfer_headers& headers, std::chrono::system_clock::time_point now);

/// How the request shows who makes it. Digest is libcurl's; all else are headers.
struct transfer_login {
  enum class kind : std::uint8_t { none, basic, digest, bearer };
  kind how = kind::none;
  std::string username;
  std::string password;  ///< or the token
};

/// Signs by AWS Signature Version 4 (signature.hpp), when the request is sent.
struct transfer_signer {
  std::string region;
  std::string service;
  std::string key_id;
  std::string key;
  std::string session_token;  ///< "": none
};

struct transfer_request {
  std::string method = "GET";
  std::string url;  ///< http or https
  transfer_headers headers;
  std::optional<std::string> body;
  /// In place of `body`, for one that is streamed: fills the buffer and gives the number of bytes; 0 ends it, nothing ends the
  /// transfer (`aborted`). On the thread of the transfer. Where its length is not given the body is sent in chunks.
  std::function<std::optional<std::size_t>(char* to, std::size_t room)> read_body;
  std::optional<std::uint64_t> read_body_bytes;
  /// `read_body` begins anew, for a redirection or a login; false: it can't. May be empty.
  std::function<bool()> rewind_body;

  /// The path of a unix socket, in place of the URL's host and port.
  std::string unix_socket;
  transfer_login login;
  std::optional<transfer_signer> signer;
  unsigned max_redirects = 0;  ///< followed; 0: a redirection is a response like any
  bool verify_peer = true;     ///< its certificate, and that it is this host's
  std::string ca_file;         ///< PEM; "": the system's
  std::string certificate_file;  ///< PEM, of this client; "": none
  std::string key_file;          ///< PEM
  std::string proxy;             ///< "": as the environment says (http_proxy, https_proxy, no_proxy)

  std::chrono::milliseconds connect_timeout{30'000};
  std::chrono::milliseconds timeout{0};       ///< from begin to end; 0: none
  std::uint64_t max_body_bytes = 16u << 20;   ///< of the response, where it is kept

  /// The status line and the headers are there, of the last response where several follow each other. On the thread of the
  /// transfer; false ends it (`aborted`). May be empty.
  std::function<bool(int status, const transfer_headers&)> on_headers;
  /// Each piece of the response's body, in place of keeping it. As above.
  std::function<bool(std::string_view)> on_data;
};

enum class transfer_error : std::uint8_t {
  none,        ///< there is a response, whatever its status
  invalid,     ///< the request can't be made: its URL, a file that it names
  connection,  ///< no response, or a part of one: name not found, refused, broken off, no HTTP, no TLS
  tls,         ///< the certificate of one side is not accepted
  timeout,     ///< connect_timeout or timeout are over
  too_large,   ///< the response exceeds max_body_bytes, or has more than 256 KiB of headers
  aborted,     ///< by on_headers, on_data or read_body
  canceled,    ///< by stop
};

struct transfer_result {
  transfer_error error = transfer_error::none;
  std::string message;  ///< of an error, for people
  int status = 0;       ///< 0: there was no response
  transfer_headers headers;
  std::string body;     ///< empty where it went to on_data
  std::string url;      ///< of the response, after redirections
  bool connected = false;  ///< false: the server has certainly got nothing of the request
};

/// Ends one transfer from another thread. Copies are the same. Thread-safe.
class transfer_stop {
 public:
  transfer_stop();
  /// Soon after, `perform` returns `canceled`, now or as soon as it is called.
  void stop() const;
  bool stopped() const;

 private:
  friend transfer_result perform(const transfer_request&, const transfer_stop&);
  struct state;
  std::shared_ptr<state> state_;
};

/// Waits for the end of the transfer. Thread-safe; a connection for each call. The calling thread must have SIGPIPE blocked, unless the
/// process ignores it. Throws what the request's functions throw.
transfer_result perform(const transfer_request& request, const transfer_stop& stop = {});

}  // namespace evermill::tasks
