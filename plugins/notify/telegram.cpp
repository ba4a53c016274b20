#include <algorithm>
#include <chrono>

#include "activities.hpp"
#include "evermill/notify.hpp"
#include "http_post.hpp"

namespace evermill::notify {
namespace {

using nlohmann::json;

constexpr std::size_t most_characters = 4096;  // of a message; Telegram's limit
constexpr long too_many_requests = 429;

std::size_t characters_in(const std::string& text) {
  return static_cast<std::size_t>(std::count_if(text.begin(), text.end(), [](char c) { return (c & 0xC0) != 0x80; }));
}

/// A token is a part of the path, and nothing else may become one.
bool is_token(const std::string& token) {
  return !token.empty() &&
         token.find_first_not_of("0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ:_-") == std::string::npos;
}

/// {"ok":false,"error_code":429,"description":"…","parameters":{"retry_after":7}}
[[noreturn]] void fail(const post_response& response, const json& said) {
  const std::string description =
      said.is_object() ? said.value("description", response.body.substr(0, 500)) : response.body.substr(0, 500);
  const std::string status = std::to_string(response.status);
  if (response.status == too_many_requests) {
    activity_failure busy("TelegramBusy", "Telegram asks to wait: " + description, true);
    const json about = said.is_object() ? said.value("parameters", json::object()) : json::object();
    const long seconds = about.is_object() ? about.value("retry_after", response.retry_after.value_or(0)) : 0;
    if (seconds > 0) busy.retry_after(std::chrono::seconds(seconds));
    throw busy;
  }
  if (response.status >= 400 && response.status < 500) {
    throw activity_failure("TelegramRefused", "Telegram refuses the message (" + status + "): " + description, false);
  }
  throw activity_failure("NotifyUnavailable", "Telegram can't take the message (" + status + "): " + description, true);
}

std::int64_t send(const telegram_message& message, const plugin_attempt& attempt) {
  const std::string token = or_variable(message.token, "EVERMILL_TELEGRAM_TOKEN");
  const std::string chat = or_variable(message.chat, "EVERMILL_TELEGRAM_CHAT");
  std::string api = or_variable(message.api, "EVERMILL_TELEGRAM_API");
  if (api.empty()) api = "https://api.telegram.org";
  if (message.text.empty()) refuse_input("a Telegram message needs a text");
  if (characters_in(message.text) > most_characters) refuse_input("a Telegram message has at most 4096 characters");
  if (!is_token(token))
    refuse_input("a Telegram message needs a bot's token: \"token\", or the variable EVERMILL_TELEGRAM_TOKEN");
  if (chat.empty()) refuse_input("a Telegram message needs a chat: \"chat\", or the variable EVERMILL_TELEGRAM_CHAT");
  json body{{"chat_id", chat}, {"text", message.text}, {"disable_notification", message.silent}};
  if (!message.parse_mode.empty()) body["parse_mode"] = message.parse_mode;
  const post_response response = post({api + "/bot" + token + "/sendMessage", body.dump(), {}}, attempt.stop);
  const json said = json::parse(response.body, nullptr, false);
  const bool sent = response.status == 200 && said.is_object() && said.value("ok", false);
  if (!sent) fail(response, said);
  const json result = said.value("result", json::object());
  return result.is_object() ? result.value("message_id", std::int64_t{0}) : 0;
}

}  // namespace

std::string send_telegram(const plugin_attempt& attempt) {
  return std::to_string(send(input_of<telegram_message>(attempt), attempt));
}

std::string announce_by_telegram(const plugin_attempt& attempt) {
  const auto notice = input_of<human_task_notice>(attempt);
  std::string text = notice.title;
  if (!notice.question.is_null()) text += "\n" + notice.question.dump().substr(0, 2'000);
  if (!notice.assignee.empty()) text += "\nfor " + notice.assignee;
  if (!notice.due.empty()) text += "\nuntil " + notice.due;
  text += "\nevermill tasks complete " + notice.task_id + " ANSWER";
  telegram_message message;
  message.text = std::move(text);
  send(message, attempt);
  return {};
}

}  // namespace evermill::notify
