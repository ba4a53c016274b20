// A transfer_request as a handle of libcurl. Only in transfer/: nothing else includes curl.h.
#pragma once

#include <curl/curl.h>

#include <array>
#include <exception>
#include <memory>
#include <string>

#include "plugins/task/transfer/transfer.hpp"

namespace evermill::tasks {

/// libcurl is set up once in a process, and never taken down: other libraries may use it.
void ensure_curl();

/// Stays where it is: libcurl points to it.
class easy_transfer {
 public:
  explicit easy_transfer(transfer_request request);
  easy_transfer(const easy_transfer&) = delete;
  easy_transfer& operator=(const easy_transfer&) = delete;

  CURL* handle() const noexcept { return curl_.get(); }
  /// Why it can't be begun; `none` otherwise.
  const transfer_result& so_far() const noexcept { return result_; }
  /// What came, once libcurl has said how it ended. Throws what the request's functions threw.
  transfer_result finish(CURLcode code);
  transfer_result cancel();

 private:
  void configure();
  void set_body();
  void set_headers();
  void set_login();
  void set_tls();
  template <class Value>
  void set(CURLoption option, Value value);
  void refuse(std::string why);
  void note_connection();
  template <class Function>
  bool guarded(Function&& function);

  static std::size_t on_body(char* data, std::size_t size, std::size_t count, void* self);
  static std::size_t on_header(char* data, std::size_t size, std::size_t count, void* self);
  static std::size_t on_read(char* to, std::size_t size, std::size_t count, void* self);
  static int on_seek(void* self, curl_off_t offset, int origin);
  bool take(std::string_view data);
  bool headers_done();

  struct easy_deleter {
    void operator()(CURL* curl) const { curl_easy_cleanup(curl); }
  };
  struct list_deleter {
    void operator()(curl_slist* list) const { curl_slist_free_all(list); }
  };

  const transfer_request request_;
  transfer_result result_;
  bool headers_told_ = false;
  std::size_t header_bytes_ = 0;
  bool aborted_ = false;
  std::exception_ptr thrown_;
  std::array<char, CURL_ERROR_SIZE> error_{};
  std::unique_ptr<curl_slist, list_deleter> headers_;
  std::unique_ptr<CURL, easy_deleter> curl_;  // ended first
};

}  // namespace evermill::tasks
