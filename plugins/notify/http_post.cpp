#include "http_post.hpp"

#include <curl/curl.h>

#include <algorithm>
#include <memory>
#include <mutex>

#include "evermill/activity_plugin.hpp"

namespace evermill::notify {
namespace {

constexpr long connect_ms = 10'000;
constexpr long answer_ms = 60'000;
constexpr std::size_t most_kept = 64 * 1024;

struct freed {
  void operator()(CURL* curl) const { curl_easy_cleanup(curl); }
  void operator()(curl_slist* list) const { curl_slist_free_all(list); }
};

std::size_t keep(char* data, std::size_t size, std::size_t count, void* to) {
  auto& body = *static_cast<std::string*>(to);
  body.append(data, std::min(size * count, most_kept - std::min(most_kept, body.size())));
  return size * count;
}

int look_at_stop(void* stop, curl_off_t, curl_off_t, curl_off_t, curl_off_t) {
  return static_cast<const std::stop_token*>(stop)->stop_requested() ? 1 : 0;
}

std::string host_of(const std::string& url) {
  const std::size_t scheme = url.find("://");
  const std::size_t begin = scheme == std::string::npos ? 0 : scheme + 3;
  const std::string authority = url.substr(begin, url.find_first_of("/?#", begin) - begin);
  return authority.substr(authority.find('@') == std::string::npos ? 0 : authority.find('@') + 1);
}

[[noreturn]] void refuse(const std::string& why) { throw activity_failure("InvalidPayload", why, false); }

}  // namespace

post_response post(const post_request& request, const std::stop_token& stop) {
  static std::once_flag once;
  std::call_once(once, [] { curl_global_init(CURL_GLOBAL_DEFAULT); });
  if (!request.url.starts_with("http://") && !request.url.starts_with("https://"))
    refuse("a notification needs the URL of an http or https server");
  const std::unique_ptr<CURL, freed> curl(curl_easy_init());
  std::unique_ptr<curl_slist, freed> headers(curl_slist_append(nullptr, "Content-Type: application/json"));
  for (const auto& [name, value] : request.headers) {
    if (name.empty() || (name + value).find_first_of("\r\n") != std::string::npos)
      refuse("the header \"" + name + "\" can't be sent");
    curl_slist* const longer = curl_slist_append(headers.get(), (name + ": " + value).c_str());
    if (longer != headers.get()) headers.reset(longer);
  }
  post_response response;
  curl_easy_setopt(curl.get(), CURLOPT_URL, request.url.c_str());
  curl_easy_setopt(curl.get(), CURLOPT_NOSIGNAL, 1L);
  curl_easy_setopt(curl.get(), CURLOPT_HTTPHEADER, headers.get());
  curl_easy_setopt(curl.get(), CURLOPT_POSTFIELDSIZE_LARGE, static_cast<curl_off_t>(request.body.size()));
  curl_easy_setopt(curl.get(), CURLOPT_POSTFIELDS, request.body.data());
  curl_easy_setopt(curl.get(), CURLOPT_CONNECTTIMEOUT_MS, connect_ms);
  curl_easy_setopt(curl.get(), CURLOPT_TIMEOUT_MS, answer_ms);
  curl_easy_setopt(curl.get(), CURLOPT_USERAGENT, "evermill");
  curl_easy_setopt(curl.get(), CURLOPT_WRITEFUNCTION, &keep);
  curl_easy_setopt(curl.get(), CURLOPT_WRITEDATA, &response.body);
  curl_easy_setopt(curl.get(), CURLOPT_NOPROGRESS, 0L);
  curl_easy_setopt(curl.get(), CURLOPT_XFERINFOFUNCTION, &look_at_stop);
  curl_easy_setopt(curl.get(), CURLOPT_XFERINFODATA, const_cast<std::stop_token*>(&stop));
  const CURLcode code = curl_easy_perform(curl.get());
  if (code == CURLE_ABORTED_BY_CALLBACK) throw activity_canceled();
  if (code == CURLE_URL_MALFORMAT) refuse("the URL of " + host_of(request.url) + " is malformed");
  if (code != CURLE_OK) {
    throw activity_failure("NotifyUnavailable", host_of(request.url) + " does not answer: " + curl_easy_strerror(code), true);
  }
  curl_easy_getinfo(curl.get(), CURLINFO_RESPONSE_CODE, &response.status);
  curl_off_t seconds = 0;
  if (curl_easy_getinfo(curl.get(), CURLINFO_RETRY_AFTER, &seconds) == CURLE_OK && seconds > 0) {
    response.retry_after = static_cast<long>(seconds);
  }
  return response;
}

}  // namespace evermill::notify
