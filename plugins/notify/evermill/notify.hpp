/// @file
/// Telling people and programs that something has happened, by the plugin "notify":
///
///     evermill server --plugin libevermill_notify.so …
///
///     co_await ctx.call(evermill::webhook, call);                   // an activity
///     inline constexpr human_task<verdict(request)> approve{
///         .name = "approve", .prepare = evermill::telegram_human_task};   // announces a task
///
/// All of them may come twice, as any activity may: what a receiver should know an attempt by is said below.
#pragma once

#include <cstdint>
#include <map>
#include <nlohmann/json.hpp>
#include <string>

#include "evermill/handles.hpp"
#include "evermill/human_task.hpp"

namespace evermill {

/// A message in a chat of Telegram. Any text may hold secrets (evermill/secrets.hpp).
struct telegram_message {
  std::string text;        ///< at most 4,096 characters, not empty
  std::string chat;        ///< a chat's number or "\@channel"; "": $EVERMILL_TELEGRAM_CHAT
  std::string token;       ///< the bot's; "": $EVERMILL_TELEGRAM_TOKEN
  std::string parse_mode;  ///< "", "MarkdownV2" or "HTML"
  bool silent = false;     ///< without a sound
  std::string api;         ///< the address of the Bot API; "": $EVERMILL_TELEGRAM_API, or https://api.telegram.org
};
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE_WITH_DEFAULT(telegram_message, text, chat, token, parse_mode, silent, api)

/// A request to a program.
struct webhook_call {
  std::string url;                             ///< http or https; "": $EVERMILL_WEBHOOK_URL
  nlohmann::json body;                         ///< sent as JSON
  std::map<std::string, std::string> headers;  ///< added
  /// What the request is signed with, as standardwebhooks.com has it: "whsec_" and base64. "": $EVERMILL_WEBHOOK_SECRET, or not
  /// signed.
  std::string secret;
};
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE_WITH_DEFAULT(webhook_call, url, body, headers, secret)

/// Sends a message; its number is the result. Fails with "TelegramRefused" (what Telegram does not accept; not tried again),
/// "TelegramBusy" (tried again when Telegram says), "NotifyUnavailable" (tried again) and "InvalidPayload". A message that was
/// sent, but whose answer was lost, comes twice.
inline constexpr activity<std::int64_t(telegram_message)> telegram{.name = "telegram"};
/// Announces a human task in $EVERMILL_TELEGRAM_CHAT, with the command that completes it.
inline constexpr activity<void(human_task_notice)> telegram_human_task{.name = "telegram.human_task"};

/// Posts JSON; the status is the result. The header webhook-id is the same for each attempt of the activity, so that a receiver
/// can drop what comes again. Fails with "WebhookRefused" (4xx but 408, 425 and 429; not tried again), "WebhookFailed" (the
/// others, tried again, after Retry-After), both with {"status", "body"} as details, "NotifyUnavailable" (tried again) and
/// "InvalidPayload".
inline constexpr activity<std::int64_t(webhook_call)> webhook{.name = "webhook"};
/// Posts {"type":"evermill.human_task","data":notice} to $EVERMILL_WEBHOOK_URL.
inline constexpr activity<void(human_task_notice)> webhook_human_task{.name = "webhook.human_task"};

}  // namespace evermill
