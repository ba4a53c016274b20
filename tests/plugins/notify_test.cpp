// The plugin "notify", as it is loaded, against a server that speaks as Telegram and as a receiver of webhooks.
#include <gmock/gmock.h>

#include <cstdlib>

#include "attempt_ends.hpp"
#include "evermill/notify.hpp"
#include "evermill/plugin.hpp"
#include "plugins/api/added_plugins.hpp"
#include "plugins/task/plugin/plugin_backend.hpp"
#include "plugins/task/transfer/transfer.hpp"
#include "tests/support/manual_clock.hpp"
#include "tests/support/python_server.hpp"

namespace evermill::tests {
namespace {

using namespace std::chrono_literals;
using nlohmann::json;
using testing::HasSubstr;

python_server& notify_server() {
  static python_server server(EVERMILL_TEST_SERVERS "/notify_server.py");
  return server;
}

class Notify : public testing::Test {
 protected:
  void SetUp() override {
    load_plugin(EVERMILL_NOTIFY_PLUGIN);
    for (const auto& [name, value] : environment()) ::setenv(name.c_str(), value.c_str(), 1);
  }
  void TearDown() override {
    for (const auto& [name, value] : environment()) ::unsetenv(name.c_str());
  }
  static std::map<std::string, std::string> environment() {
    return {{"EVERMILL_TELEGRAM_API", notify_server()["http"]},
            {"EVERMILL_TELEGRAM_TOKEN", "123:right"},
            {"EVERMILL_TELEGRAM_CHAT", "friends"},
            {"EVERMILL_WEBHOOK_URL", notify_server()["http"] + "/hook/204"},
            {"EVERMILL_WEBHOOK_SECRET", "whsec_c2VjcmV0LW9mLXRoZS10ZXN0cw=="}};
  }
  template <class Input>
  tasks::attempt_end end_of(std::string_view type, const Input& input) {
    tasks::plugin_backend_options options;
    options.activities = plugin_activities();
    options.time = &time;
    const auto backend = tasks::make_plugin_backend(options, ends.recorder());
    ends.forget();
    backend->run({make_task(std::string(type), codec<Input>::encode(input), 1)});
    return ends.of(1);
  }
  static json last_seen() {
    tasks::transfer_request request;
    request.url = notify_server()["http"] + "/seen";
    return json::parse(tasks::perform(request).body).back();
  }
  static telegram_message to(std::string chat, std::string text = "hello") {
    telegram_message message;
    message.chat = std::move(chat);
    message.text = std::move(text);
    return message;
  }
  static human_task_notice notice() {
    return {"0.1.2", "order-1", "approve", "Approve an expense", "ann", "finance", "2026-01-31T12:00:00Z", {{"cents", 1250}}};
  }

  manual_clock time;
  attempt_ends ends;
};

TEST_F(Notify, SendsAMessage) {
  telegram_message message = to("", "it is <b>done</b>");
  message.parse_mode = "HTML";
  message.silent = true;
  EXPECT_EQ(result_of<std::int64_t>(end_of(telegram.name, message)), 42);
  EXPECT_EQ(last_seen()["path"], "/bot123:right/sendMessage");
  EXPECT_EQ(
      last_seen()["body"],
      (json{{"chat_id", "friends"}, {"text", "it is <b>done</b>"}, {"parse_mode", "HTML"}, {"disable_notification", true}}));
}

TEST_F(Notify, WhatTelegramRefusesIsNotTriedAgain) {
  failure why = failure_of(end_of(telegram.name, to("nobody")));
  EXPECT_EQ(why.type, "TelegramRefused");
  EXPECT_TRUE(why.non_retryable);
  EXPECT_THAT(why.message, HasSubstr("chat not found"));
  telegram_message message = to("friends");
  message.token = "123:wrong";
  why = failure_of(end_of(telegram.name, message));
  EXPECT_EQ(why.type, "TelegramRefused");
  EXPECT_THAT(why.message, AllOf(HasSubstr("Unauthorized"), Not(HasSubstr("wrong"))));
}

TEST_F(Notify, TelegramSaysWhenToTryAgain) {
  const failure why = failure_of(end_of(telegram.name, to("busy")));
  EXPECT_EQ(why.type, "TelegramBusy");
  EXPECT_FALSE(why.non_retryable);
  EXPECT_EQ(why.next_retry_delay, 7s);
}

TEST_F(Notify, AServerThatFailsIsTriedAgain) {
  failure why = failure_of(end_of(telegram.name, to("broken")));
  EXPECT_EQ(why.type, "NotifyUnavailable");
  EXPECT_FALSE(why.non_retryable);
  telegram_message message = to("friends");
  message.api = "http://127.0.0.1:1";
  why = failure_of(end_of(telegram.name, message));
  EXPECT_EQ(why.type, "NotifyUnavailable");
  EXPECT_THAT(why.message, AllOf(HasSubstr("127.0.0.1:1"), Not(HasSubstr("123:right"))));
}

TEST_F(Notify, WhatCantBeSentIsRefusedBefore) {
  const auto refusal = [&](const telegram_message& message) {
    const failure why = failure_of(end_of(telegram.name, message));
    EXPECT_EQ(why.type, "InvalidPayload");
    EXPECT_TRUE(why.non_retryable);
    return why.message;
  };
  EXPECT_THAT(refusal(to("friends", "")), HasSubstr("needs a text"));
  EXPECT_THAT(refusal(to("friends", std::string(4'097, 'x'))), HasSubstr("4096"));
  telegram_message message = to("friends");
  message.token = "123/../x";
  EXPECT_THAT(refusal(message), HasSubstr("token"));
  ::unsetenv("EVERMILL_TELEGRAM_CHAT");
  EXPECT_THAT(refusal(to("")), HasSubstr("EVERMILL_TELEGRAM_CHAT"));
  EXPECT_EQ(failure_of(end_of(telegram.name, std::string("text"))).type, "InvalidPayload");
}

TEST_F(Notify, AnnouncesAHumanTask) {
  EXPECT_TRUE(std::holds_alternative<tasks::completed>(end_of(telegram_human_task.name, notice()).how));
  EXPECT_EQ(last_seen()["body"]["text"],
            "Approve an expense\n{\"cents\":1250}\nfor ann\nuntil 2026-01-31T12:00:00Z\nevermill tasks complete 0.1.2 ANSWER");
  EXPECT_TRUE(std::holds_alternative<tasks::completed>(end_of(webhook_human_task.name, notice()).how));
  EXPECT_EQ(last_seen()["body"], (json{{"type", "evermill.human_task"}, {"data", notice()}}));
}

TEST_F(Notify, PostsAndSignsAWebhook) {
  webhook_call call;
  call.body = {{"x", 1}};
  call.headers = {{"X-Extra", "value"}};
  EXPECT_EQ(result_of<std::int64_t>(end_of(webhook.name, call)), 204);
  const json seen = last_seen();
  EXPECT_EQ(seen["body"], call.body);
  EXPECT_EQ(seen["type"], "application/json");
  EXPECT_EQ(seen["extra"], "value");
  EXPECT_EQ(seen["id"], "evermill-order-1-1.2.1") << "the same for each attempt";
  EXPECT_TRUE(seen["signed"]);
  call.secret = "whsec_YW5vdGhlcg==";
  end_of(webhook.name, call);
  EXPECT_FALSE(last_seen()["signed"]) << "by another secret";
}

TEST_F(Notify, AWebhookThatAnswersOtherwiseFails) {
  webhook_call call;
  call.url = notify_server()["http"] + "/hook/410";
  failure why = failure_of(end_of(webhook.name, call));
  EXPECT_EQ(why.type, "WebhookRefused");
  EXPECT_TRUE(why.non_retryable);
  EXPECT_EQ(json::parse(why.details->data), (json{{"status", 410}, {"body", "{\"said\": 410}"}}));
  call.url = notify_server()["http"] + "/hook/503";
  why = failure_of(end_of(webhook.name, call));
  EXPECT_EQ(why.type, "WebhookFailed");
  EXPECT_FALSE(why.non_retryable);
  EXPECT_EQ(why.next_retry_delay, 9s);
  call.secret = "whsec_!";
  EXPECT_EQ(failure_of(end_of(webhook.name, call)).type, "InvalidPayload");
  call.secret.clear();
  call.url = "ftp://x/";
  EXPECT_EQ(failure_of(end_of(webhook.name, call)).type, "InvalidPayload");
}

}  // namespace
}  // namespace evermill::tests
