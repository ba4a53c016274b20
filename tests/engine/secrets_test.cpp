// Secrets on a real engine: activities use them, and leak them in every way they can; no byte of them is in what the engine leaves behind.
#include <gtest/gtest.h>
#include <spdlog/sinks/ostream_sink.h>
#include <spdlog/logger.h>

#include <filesystem>
#include <fstream>
#include <sstream>

#include "evermill/context.hpp"
#include "evermill/engine.hpp"
#include "evermill/http.hpp"
#include "evermill/shell.hpp"
#include "tests/plugins/http_rig.hpp"

namespace evermill {
namespace {

using nlohmann::json;
using tests::http_server;

constexpr const char* word = "needle/in \"every\" stack+42";
constexpr const char* word_in_base64 = "bmVlZGxlL2luICJldmVyeSIgc3RhY2srNDI=";
constexpr const char* plain = "in clear, to see that the search finds something";

constexpr activity<std::string(std::string)> leaks{.name = "leaks", .options = {.retry = {.max_attempts = 1}}};
constexpr auto shell_once = shell.with({.retry = {.max_attempts = 1}});
constexpr auto http_once = http.with({.retry = {.max_attempts = 1}});

task<json> uses_secrets(context ctx, std::string server) {
  json seen = json::array();
  shell_command command;
  command.script = "echo \"$WORD\"; echo \"{\\\"at\\\": \\\"$WORD\\\"}\" >&3; printf %s \"$WORD\" | base64; echo \"$WORD\" >&2";
  command.env = {{"WORD", secret("word")}};
  shell_result printed = co_await ctx.call(shell_once, command);
  seen.push_back(printed.stdout_text);
  command.script = "echo \"$WORD\" >&2; head -c 5 /dev/zero | tr '\\0' x; echo \"$WORD\"; exit 3";
  command.max_output_bytes = 20;
  try {
    co_await ctx.call(shell_once, command);
  } catch (const activity_error& error) {
    seen.push_back(error.what());
  }
  http_request request;
  request.method = "POST";
  request.url = server + "/echo";
  request.query = {{"q", secret("word")}};
  request.headers = {{"X-Word", secret("word")}};
  request.body = {{"word", secret("word")}};
  request.authentication = basic_authentication("user", secret("word"));
  json echo = co_await ctx.call(http_once, request);
  seen.push_back(std::move(echo));
  request.url = server + "/status/400";
  request.query = {{"body", secret("word")}};
  request.headers = {};
  request.method = "GET";
  request.body = nullptr;
  try {
    co_await ctx.call(http_once, request);
  } catch (const activity_error& error) {
    const failure why = error.why();
    seen.push_back(why.message + why.details->data);
  }
  std::string returned = co_await ctx.call(leaks, secret("word"));
  seen.push_back(returned);
  try {
    co_await ctx.call(leaks, "throw " + secret("word"));
  } catch (const activity_error& error) {
    seen.push_back(error.what());
  }
  try {
    co_await ctx.call(leaks, secret("no-such-word"));
  } catch (const activity_error& error) {
    seen.push_back(error.why().type);
  }
  co_return seen;
}

struct EngineSecrets : testing::Test {
  EngineSecrets() {
    std::filesystem::create_directory(directory.path() / "secrets");
    std::ofstream(directory.path() / "secrets" / "word") << word << "\n";
    definitions.add("uses_secrets", uses_secrets);
    definitions.add(leaks, [](activity_context& context, const std::string& given) {
      context.heartbeat("I have " + given);
      if (given.starts_with("throw")) throw application_error("Leak " + given, "it is " + given, codec<std::string>::encode(given));
      return given + " " + plain;
    });
  }
  engine_options options() const {
    engine_options made;
    made.data_directory = directory.path() / "data";
    made.secrets = (directory.path() / "secrets").string();
    auto sink = std::make_shared<spdlog::sinks::ostream_sink_mt>(const_cast<std::ostringstream&>(logged));
    made.logger = std::make_shared<spdlog::logger>("test", std::move(sink));
    made.logger->set_level(spdlog::level::trace);
    return made;
  }
  bool is_in_files(const std::string& text) const {
    for (const auto& entry : std::filesystem::recursive_directory_iterator(directory.path() / "data")) {
      if (!entry.is_regular_file()) continue;
      std::ifstream file(entry.path(), std::ios::binary);
      const std::string bytes((std::istreambuf_iterator<char>(file)), {});
      if (bytes.find(text) != std::string::npos) return true;
    }
    return false;
  }

  tests::temporary_directory directory;
  registry definitions;
  std::ostringstream logged;
};

TEST_F(EngineSecrets, AreNowhereInWhatItLeavesBehind) {
  {
    engine e(definitions, options());
    const json seen = e.start(uses_secrets, http_server()["http"]).result();
    EXPECT_TRUE(seen[0].get<std::string>().starts_with("***\n")) << seen[0];
    EXPECT_NE(seen[1].get<std::string>().find("exit code 3: ***"), std::string::npos) << seen[1];
    EXPECT_EQ(seen[2]["headers"]["X-Word"], "***");
    EXPECT_EQ(seen[2]["headers"]["Authorization"], "Basic ***");
    EXPECT_EQ(seen[2]["query"]["q"], "***");
    EXPECT_NE(seen[2]["path"].get<std::string>().find("q=***"), std::string::npos) << seen[2];
    EXPECT_EQ(seen[2]["body"], R"({"word":"***"})");
    EXPECT_NE(seen[3].get<std::string>().find("status 400"), std::string::npos) << seen[3];
    EXPECT_NE(seen[3].get<std::string>().find(R"("body":"***")"), std::string::npos) << seen[3];
    EXPECT_EQ(seen[4], std::string("*** ") + plain);
    EXPECT_NE(seen[5].get<std::string>().find("it is throw ***"), std::string::npos) << seen[5];
    EXPECT_EQ(seen[6], "SecretNotFound");
  }
  EXPECT_TRUE(is_in_files(plain)) << "the search must find what is there";
  EXPECT_TRUE(is_in_files(secret("word"))) << "the journal has its name";
  for (const std::string& form : {std::string(word), json(word).dump().substr(1, std::string(word).size()), std::string("needle"),
                                 std::string(word_in_base64).substr(0, 30), std::string("every%22%20stack")}) {
    EXPECT_FALSE(is_in_files(form)) << form;
    EXPECT_EQ(logged.str().find(form), std::string::npos) << form;
  }
}

TEST_F(EngineSecrets, APlaceThatIsNotThereIsRefused) {
  engine_options wrong = options();
  wrong.secrets = (directory.path() / "nowhere").string();
  try {
    engine e(definitions, wrong);
    FAIL();
  } catch (const engine_error& error) {
    EXPECT_EQ(error.code(), engine_errc::invalid_argument);
    EXPECT_NE(std::string(error.what()).find("nowhere"), std::string::npos);
  }
}

TEST_F(EngineSecrets, WithoutAPlaceTheAttemptSaysWhatToDo) {
  engine_options none = options();
  none.secrets = "";
  engine e(definitions, none);
  try {
    e.start(uses_secrets, std::string()).result();
    FAIL();
  } catch (const workflow_failed& error) {
    EXPECT_NE(std::string(error.what()).find("start it with --secrets"), std::string::npos) << error.what();
  }
}

}  // namespace
}  // namespace evermill
