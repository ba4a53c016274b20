#include "plugins/task/transfer/easy_transfer.hpp"

#include <algorithm>
#include <cstdio>
#include <mutex>
#include <utility>

#include "plugins/task/transfer/signature.hpp"

namespace evermill::tasks {
namespace {

constexpr std::size_t most_header_bytes = 256 * 1024;  // of all responses of a transfer; libcurl ends it at 300 kB, as a broken connection

bool is_tls_error(CURLcode code) {
  switch (code) {
    case CURLE_PEER_FAILED_VERIFICATION:
    case CURLE_SSL_CERTPROBLEM:
    case CURLE_SSL_CIPHER:
    case CURLE_SSL_ISSUER_ERROR:
    case CURLE_SSL_INVALIDCERTSTATUS:
    case CURLE_SSL_PINNEDPUBKEYNOTMATCH:
    case CURLE_SSL_CLIENTCERT: return true;
    default: return false;
  }
}

bool is_invalid_request(CURLcode code) {
  switch (code) {
    case CURLE_UNSUPPORTED_PROTOCOL:
    case CURLE_URL_MALFORMAT:
    case CURLE_SSL_CACERT_BADFILE:
    case CURLE_BAD_FUNCTION_ARGUMENT:
    case CURLE_UNKNOWN_OPTION: return true;
    default: return false;
  }
}

transfer_error error_of(CURLcode code) {
  if (code == CURLE_OK) return transfer_error::none;
  if (code == CURLE_OPERATION_TIMEDOUT) return transfer_error::timeout;
  if (is_tls_error(code)) return transfer_error::tls;
  return is_invalid_request(code) ? transfer_error::invalid : transfer_error::connection;
}

bool same_name(std::string_view a, std::string_view b) {
  const auto lower = [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; };
  return std::equal(a.begin(), a.end(), b.begin(), b.end(), [&](char x, char y) { return lower(x) == lower(y); });
}

bool has_line_break(std::string_view text) { return text.find_first_of(std::string_view("\r\n\0", 3)) != std::string_view::npos; }

std::string_view trimmed_header(std::string_view text) {
  const std::size_t first = text.find_first_not_of(" \t\r\n");
  if (first == std::string_view::npos) return {};
  return text.substr(first, text.find_last_not_of(" \t\r\n") - first + 1);
}

}  // namespace

const std::string* find_header(const transfer_headers& headers, std::string_view name) {
  const auto it = std::find_if(headers.begin(), headers.end(), [&](const auto& each) { return same_name(each.first, name); });
  return it == headers.end() ? nullptr : &it->second;
}

std::optional<std::chrono::seconds> retry_after(const transfer_headers& headers, std::chrono::system_clock::time_point now) {
  const std::string* const said = find_header(headers, "retry-after");
  if (said == nullptr || said->empty()) return std::nullopt;
  constexpr std::size_t most_digits = 9;
  if (said->find_first_not_of("0123456789") == std::string::npos) {
    return said->size() <= most_digits ? std::optional(std::chrono::seconds(std::stol(*said))) : std::nullopt;
  }
  const std::time_t at = curl_getdate(said->c_str(), nullptr);
  if (at < 0) return std::nullopt;
  const auto wait = std::chrono::ceil<std::chrono::seconds>(std::chrono::system_clock::from_time_t(at) - now);
  return std::max(wait, std::chrono::seconds(0));
}

void ensure_curl() {
  static std::once_flag once;
  std::call_once(once, [] { curl_global_init(CURL_GLOBAL_DEFAULT); });
}

easy_transfer::easy_transfer(transfer_request request) : request_(std::move(request)) {
  ensure_curl();
  curl_.reset(curl_easy_init());
  if (curl_) {
    configure();
  } else {
    refuse("there is no memory for a transfer");
  }
}

void easy_transfer::refuse(std::string why) {
  if (result_.error != transfer_error::none) return;
  result_.error = transfer_error::invalid;
  result_.message = std::move(why);
}

template <class Value>
void easy_transfer::set(CURLoption option, Value value) {
  const CURLcode code = curl_easy_setopt(curl_.get(), option, value);
  if (code != CURLE_OK) refuse(std::string("libcurl refuses an option of the transfer: ") + curl_easy_strerror(code));
}

void easy_transfer::configure() {
  set(CURLOPT_ERRORBUFFER, error_.data());
  set(CURLOPT_PRIVATE, static_cast<void*>(this));
  set(CURLOPT_NOSIGNAL, 1L);
  set(CURLOPT_URL, request_.url.c_str());
  set(CURLOPT_PROTOCOLS_STR, "http,https");
  set(CURLOPT_REDIR_PROTOCOLS_STR, "http,https");
  set(CURLOPT_PATH_AS_IS, 1L);
  set(CURLOPT_FOLLOWLOCATION, request_.max_redirects > 0 ? 1L : 0L);
  if (request_.max_redirects > 0) set(CURLOPT_MAXREDIRS, static_cast<long>(request_.max_redirects));  // 0 would forbid digest, too
  set(CURLOPT_ACCEPT_ENCODING, "");  // all that libcurl can undo
  set(CURLOPT_CONNECTTIMEOUT_MS, static_cast<long>(request_.connect_timeout.count()));
  set(CURLOPT_TIMEOUT_MS, static_cast<long>(request_.timeout.count()));
  set(CURLOPT_TCP_KEEPALIVE, 1L);
  set(CURLOPT_USERAGENT, "evermill");
  set(CURLOPT_WRITEFUNCTION, &easy_transfer::on_body);
  set(CURLOPT_WRITEDATA, static_cast<void*>(this));
  set(CURLOPT_HEADERFUNCTION, &easy_transfer::on_header);
  set(CURLOPT_HEADERDATA, static_cast<void*>(this));
  if (!request_.unix_socket.empty()) set(CURLOPT_UNIX_SOCKET_PATH, request_.unix_socket.c_str());
  if (!request_.proxy.empty()) set(CURLOPT_PROXY, request_.proxy.c_str());
  set_body();
  set_login();
  set_tls();
  set_headers();
}

void easy_transfer::set_body() {
  if (request_.method.empty() || has_line_break(request_.method) || request_.method.find(' ') != std::string::npos) {
    return refuse("\"" + request_.method + "\" is no HTTP method");
  }
  if (request_.read_body) {
    set(CURLOPT_UPLOAD, 1L);
    set(CURLOPT_READFUNCTION, &easy_transfer::on_read);
    set(CURLOPT_READDATA, static_cast<void*>(this));
    set(CURLOPT_SEEKFUNCTION, &easy_transfer::on_seek);
    set(CURLOPT_SEEKDATA, static_cast<void*>(this));
    if (request_.read_body_bytes) set(CURLOPT_INFILESIZE_LARGE, static_cast<curl_off_t>(*request_.read_body_bytes));
  } else if (request_.body) {
    set(CURLOPT_POSTFIELDSIZE_LARGE, static_cast<curl_off_t>(request_.body->size()));
    set(CURLOPT_POSTFIELDS, request_.body->c_str());
  } else if (request_.method == "POST") {
    set(CURLOPT_POSTFIELDSIZE_LARGE, curl_off_t{0});
    set(CURLOPT_POSTFIELDS, "");
  }
  const bool has_body = request_.read_body || request_.body;
  if (request_.method == "HEAD") {
    set(CURLOPT_NOBODY, 1L);
  } else if (request_.method == "GET" && !has_body) {
    set(CURLOPT_HTTPGET, 1L);
  } else if (request_.method != "POST" || request_.read_body) {
    set(CURLOPT_CUSTOMREQUEST, request_.method.c_str());
  }
}

void easy_transfer::set_login() {
  const transfer_login& login = request_.login;
  switch (login.how) {
    case transfer_login::kind::none: return;
    case transfer_login::kind::bearer:
      set(CURLOPT_HTTPAUTH, static_cast<long>(CURLAUTH_BEARER));
      set(CURLOPT_XOAUTH2_BEARER, login.password.c_str());
      return;
    default: break;
  }
  set(CURLOPT_HTTPAUTH, static_cast<long>(login.how == transfer_login::kind::basic ? CURLAUTH_BASIC : CURLAUTH_DIGEST));
  set(CURLOPT_USERNAME, login.username.c_str());
  set(CURLOPT_PASSWORD, login.password.c_str());
}

void easy_transfer::set_tls() {
  set(CURLOPT_SSL_VERIFYPEER, request_.verify_peer ? 1L : 0L);
  set(CURLOPT_SSL_VERIFYHOST, request_.verify_peer ? 2L : 0L);
  if (!request_.ca_file.empty()) set(CURLOPT_CAINFO, request_.ca_file.c_str());
  if (!request_.certificate_file.empty()) set(CURLOPT_SSLCERT, request_.certificate_file.c_str());
  if (!request_.key_file.empty()) set(CURLOPT_SSLKEY, request_.key_file.c_str());
}

void easy_transfer::set_headers() {
  transfer_headers headers = request_.headers;
  if (request_.signer) {
    transfer_headers made = sign(request_, *request_.signer, std::chrono::system_clock::now());
    headers.insert(headers.end(), std::make_move_iterator(made.begin()), std::make_move_iterator(made.end()));
  }
  headers.emplace_back("Expect", "");  // no round trip before the body
  if (request_.body && find_header(headers, "content-type") == nullptr) headers.emplace_back("Content-Type", "");  // none of libcurl's
  for (const auto& [name, value] : headers) {
    if (name.empty() || has_line_break(name) || has_line_break(value) || name.find(':') != std::string::npos) {
      return refuse("the header \"" + name + "\" has a character that no header can have");
    }
    const bool removes = value.empty() && (name == "Expect" || name == "Content-Type");
    const std::string line = value.empty() ? name + (removes ? ":" : ";") : name + ": " + value;
    curl_slist* const longer = curl_slist_append(headers_.get(), line.c_str());
    if (longer == nullptr) return refuse("there is no memory for a transfer");
    headers_.release();
    headers_.reset(longer);
  }
  set(CURLOPT_HTTPHEADER, headers_.get());
}

/// What is thrown here must not pass libcurl.
template <class Function>
bool easy_transfer::guarded(Function&& function) {
  try {
    if (function()) return true;
  } catch (...) {
    thrown_ = std::current_exception();
  }
  aborted_ = true;
  return false;
}

std::size_t easy_transfer::on_header(char* data, std::size_t size, std::size_t count, void* self) {
  auto& mine = *static_cast<easy_transfer*>(self);
  const std::string_view line(data, size * count);
  const bool fits = mine.guarded([&] {
    mine.header_bytes_ += line.size();
    if (mine.header_bytes_ > most_header_bytes) mine.result_.error = transfer_error::too_large;
    if (mine.result_.error == transfer_error::too_large) return false;
    if (line.starts_with("HTTP/")) {
      mine.result_.headers.clear();
      mine.headers_told_ = false;
    } else if (const std::size_t colon = line.find(':'); colon != std::string_view::npos) {
      mine.result_.headers.emplace_back(line.substr(0, colon), trimmed_header(line.substr(colon + 1)));
    }
    return true;
  });
  return fits ? line.size() : 0;
}

bool easy_transfer::headers_done() {
  if (std::exchange(headers_told_, true) || !request_.on_headers) return true;
  long status = 0;
  curl_easy_getinfo(curl_.get(), CURLINFO_RESPONSE_CODE, &status);
  return request_.on_headers(static_cast<int>(status), result_.headers);
}

std::size_t easy_transfer::on_body(char* data, std::size_t size, std::size_t count, void* self) {
  auto& mine = *static_cast<easy_transfer*>(self);
  const std::string_view piece(data, size * count);
  return mine.guarded([&] { return mine.headers_done() && mine.take(piece); }) ? piece.size() : CURL_WRITEFUNC_ERROR;
}

bool easy_transfer::take(std::string_view data) {
  if (request_.on_data) return request_.on_data(data);
  if (result_.body.size() + data.size() > request_.max_body_bytes) {
    result_.error = transfer_error::too_large;
    return false;
  }
  result_.body.append(data);
  return true;
}

std::size_t easy_transfer::on_read(char* to, std::size_t size, std::size_t count, void* self) {
  auto& mine = *static_cast<easy_transfer*>(self);
  std::optional<std::size_t> read;
  const bool goes_on = mine.guarded([&] {
    read = mine.request_.read_body(to, size * count);
    return read.has_value();
  });
  return goes_on ? *read : CURL_READFUNC_ABORT;
}

int easy_transfer::on_seek(void* self, curl_off_t offset, int origin) {
  auto& mine = *static_cast<easy_transfer*>(self);
  const bool begins_anew = offset == 0 && origin == SEEK_SET && mine.request_.rewind_body;
  return begins_anew && mine.guarded([&] { return mine.request_.rewind_body(); }) ? CURL_SEEKFUNC_OK : CURL_SEEKFUNC_FAIL;
}

void easy_transfer::note_connection() {
  long status = 0;
  long sent = 0;
  char* url = nullptr;
  curl_easy_getinfo(curl_.get(), CURLINFO_RESPONSE_CODE, &status);
  curl_easy_getinfo(curl_.get(), CURLINFO_REQUEST_SIZE, &sent);
  curl_easy_getinfo(curl_.get(), CURLINFO_EFFECTIVE_URL, &url);
  result_.status = static_cast<int>(status);
  result_.connected = sent > 0;
  result_.url = url != nullptr ? url : request_.url;
}

transfer_result easy_transfer::finish(CURLcode code) {
  if (code == CURLE_OK && !guarded([&] { return headers_done(); })) code = CURLE_ABORTED_BY_CALLBACK;
  if (thrown_) std::rethrow_exception(std::exchange(thrown_, nullptr));
  note_connection();
  if (result_.error == transfer_error::too_large) {
    result_.body.clear();
    const bool by_headers = header_bytes_ > most_header_bytes;
    result_.message = by_headers ? "the response has more than " + std::to_string(most_header_bytes) + " bytes of headers"
                                 : "the response is larger than " + std::to_string(request_.max_body_bytes) + " bytes";
    return std::move(result_);
  }
  result_.error = aborted_ ? transfer_error::aborted : error_of(code);
  if (code == CURLE_UNSUPPORTED_PROTOCOL && result_.connected && result_.status == 0) result_.error = transfer_error::connection;  // HTTP/0.9
  if (result_.error == transfer_error::none) return std::move(result_);
  result_.message = error_[0] != '\0' ? error_.data() : curl_easy_strerror(code);
  if (aborted_) result_.message = "the transfer was given up by its caller";
  return std::move(result_);
}

transfer_result easy_transfer::cancel() {
  note_connection();
  result_.error = transfer_error::canceled;
  result_.message = "the transfer was canceled";
  return std::move(result_);
}

}  // namespace evermill::tasks
