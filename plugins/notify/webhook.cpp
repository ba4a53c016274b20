#include <openssl/evp.h>
#include <openssl/hmac.h>

#include <array>
#include <chrono>

#include "activities.hpp"
#include "evermill/notify.hpp"
#include "http_post.hpp"

namespace evermill::notify {
namespace {

using nlohmann::json;

constexpr std::string_view secret_scheme = "whsec_";

std::string key_of(std::string secret) {
  if (secret.starts_with(secret_scheme)) secret.erase(0, secret_scheme.size());
  std::string key(secret.size() / 4 * 3 + 3, '\0');
  const int bytes = EVP_DecodeBlock(reinterpret_cast<unsigned char*>(key.data()),
                                    reinterpret_cast<const unsigned char*>(secret.data()), static_cast<int>(secret.size()));
  const std::size_t padding = secret.ends_with("==") ? 2 : secret.ends_with('=') ? 1 : 0;
  if (bytes <= 0 || secret.size() % 4 != 0) refuse_input("a webhook's secret is \"whsec_\" and base64");
  key.resize(static_cast<std::size_t>(bytes) - padding);
  return key;
}

/// "v1," and what standardwebhooks.com says to sign.
std::string signature_of(const std::string& secret, const std::string& text) {
  const std::string key = key_of(secret);
  std::array<unsigned char, EVP_MAX_MD_SIZE> digest{};
  unsigned int length = 0;
  HMAC(EVP_sha256(), key.data(), static_cast<int>(key.size()), reinterpret_cast<const unsigned char*>(text.data()), text.size(),
       digest.data(), &length);
  std::array<char, EVP_MAX_MD_SIZE * 2> encoded{};
  EVP_EncodeBlock(reinterpret_cast<unsigned char*>(encoded.data()), digest.data(), static_cast<int>(length));
  return std::string("v1,") + encoded.data();
}

bool may_pass(long status) { return status < 400 || status >= 500 || status == 408 || status == 425 || status == 429; }

long call(const webhook_call& what, const plugin_attempt& attempt) {
  post_request request;
  request.url = or_variable(what.url, "EVERMILL_WEBHOOK_URL");
  if (request.url.empty()) refuse_input("a webhook needs a URL: \"url\", or the variable EVERMILL_WEBHOOK_URL");
  request.body = what.body.dump();
  request.headers.assign(what.headers.begin(), what.headers.end());
  const auto now =
      std::chrono::duration_cast<std::chrono::seconds>(std::chrono::system_clock::now().time_since_epoch()).count();
  const std::string id = "evermill-" + attempt.workflow_id + "-" + attempt.idempotency_key;
  request.headers.emplace_back("webhook-id", id);
  request.headers.emplace_back("webhook-timestamp", std::to_string(now));
  const std::string secret = or_variable(what.secret, "EVERMILL_WEBHOOK_SECRET");
  if (!secret.empty()) {
    request.headers.emplace_back("webhook-signature",
                                 signature_of(secret, id + "." + std::to_string(now) + "." + request.body));
  }
  const post_response response = post(request, attempt.stop);
  if (response.status >= 200 && response.status < 300) return response.status;
  activity_failure failure(may_pass(response.status) ? "WebhookFailed" : "WebhookRefused",
                           "the webhook answers with status " + std::to_string(response.status), may_pass(response.status));
  const json details{{"status", response.status}, {"body", response.body}};
  failure.with_details(details.dump(-1, ' ', false, json::error_handler_t::replace));
  if (response.retry_after) failure.retry_after(std::chrono::seconds(*response.retry_after));
  throw failure;
}

}  // namespace

std::string call_webhook(const plugin_attempt& attempt) {
  return std::to_string(call(input_of<webhook_call>(attempt), attempt));
}

std::string announce_by_webhook(const plugin_attempt& attempt) {
  webhook_call what;
  what.body = {{"type", "evermill.human_task"}, {"data", input_of<human_task_notice>(attempt)}};
  call(what, attempt);
  return {};
}

}  // namespace evermill::notify
