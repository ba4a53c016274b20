#include "plugins/task/secrets.hpp"

#include <gtest/gtest.h>
#include <stdlib.h>

#include <fstream>

#include "attempt_ends.hpp"
#include "tests/support/temporary_directory.hpp"

namespace evermill::tests {
namespace {

using nlohmann::json;
using tasks::attempt_secrets;
using tasks::secret_error;

struct Secrets : testing::Test {
  void write(const std::string& name, const std::string& text) const { std::ofstream(directory.path() / name) << text; }
  attempt_secrets of_directory() const { return attempt_secrets(tasks::open_secrets(directory.path().string())); }
  static task_ptr with_input(const json& input) { return make_task("a", json_payload(input.dump()), 1); }
  static json input_of(const task_ptr& task) { return json::parse(task->input().data()); }
  json revealed(const json& input) const { return input_of(of_directory().reveal(with_input(input))); }
  std::string why_not(const json& input) const {
    try {
      return revealed(input).dump();
    } catch (const secret_error& error) {
      EXPECT_FALSE(error.may_pass());
      return error.what();
    }
  }
  temporary_directory directory;
};

TEST_F(Secrets, StandInAnyStringOfTheInput) {
  write("token", "s3cr3t\n");
  write("db", R"({"user": "ada", "login": {"port": 5432, "word": "tell \"me\""}})");
  EXPECT_EQ(revealed({{"a", json::array({secret("token"), 1})}, {"b", "Bearer " + secret("token") + "!"}}),
            json({{"a", json::array({"s3cr3t", 1})}, {"b", "Bearer s3cr3t!"}}));
  EXPECT_EQ(revealed(secret("db.user") + ":" + secret("db.login.word") + "@" + secret("db.login.port")), json("ada:tell \"me\"@5432"));
  EXPECT_EQ(json::parse(revealed(secret("db.login")).get<std::string>())["port"], 5432);
}

TEST_F(Secrets, AreFoundHoweverTheInputIsWritten) {
  write("token", "s3cr3t");
  const auto task = make_task("a", json_payload(R"(["\ue000secret:token\uE001"])"), 1);
  EXPECT_EQ(input_of(of_directory().reveal(task)), json::array({"s3cr3t"}));
}

TEST_F(Secrets, LeaveOtherInputAlone) {
  for (const std::string text : {R"({"a": "secret: nothing"})", R"(["\ue000secret:unfinished"])", "no json, but secret:", ""}) {
    const auto task = make_task("a", json_payload(text), 1);
    EXPECT_EQ(of_directory().reveal(task), task) << text;
  }
}

TEST_F(Secrets, SayWhatIsMissing) {
  write("db", R"({"user": "ada"})");
  EXPECT_EQ(why_not(secret("none")), "there is no secret \"none\" in the directory \"" + directory.path().string() + "\"");
  EXPECT_NE(why_not(secret("db.word.x")).find("has no member \"word.x\""), std::string::npos) << why_not(secret("db.word.x"));
  EXPECT_NE(why_not(secret("db.user.x")).find("has no member \"user.x\""), std::string::npos);
  for (const std::string name : {"../passwd", "", ".hidden", "a/b"}) EXPECT_NE(why_not(secret(name)).find("there is no secret"), std::string::npos);
  const auto task = with_input(secret("x"));
  EXPECT_THROW(attempt_secrets(nullptr).reveal(task), secret_error);
}

TEST_F(Secrets, AreReadAnewForEachAttempt) {
  write("token", "first");
  const auto source = tasks::open_secrets(directory.path().string());
  const auto task = with_input(secret("token"));
  EXPECT_EQ(input_of(attempt_secrets(source).reveal(task)), "first");
  write("token", "second");
  EXPECT_EQ(input_of(attempt_secrets(source).reveal(task)), "second");
}

TEST_F(Secrets, ComeFromFilesAndTheEnvironment) {
  write("all.yaml", "token: s3cr3t\ndb:\n  port: 5432\n");
  write("all.json", R"({"token": "json"})");
  ::setenv("EVERMILL_TEST_SECRET_token", "env-value", 1);
  const auto of = [&](const std::string& place) {
    return input_of(attempt_secrets(tasks::open_secrets(place)).reveal(with_input(secret("token")))).get<std::string>();
  };
  EXPECT_EQ(of((directory.path() / "all.yaml").string()), "s3cr3t");
  EXPECT_EQ(of((directory.path() / "all.json").string()), "json");
  EXPECT_EQ(of("env:EVERMILL_TEST_SECRET_"), "env-value");
}

TEST_F(Secrets, PlacesThatHoldNoneAreRefusedAtOnce) {
  write("list.json", "[1]");
  write("broken.yaml", "a: [s3cr3t");
  EXPECT_EQ(tasks::open_secrets(""), nullptr);
  for (const std::string name : {"no-such-file", "list.json", "broken.yaml"}) {
    try {
      tasks::open_secrets((directory.path() / name).string());
      ADD_FAILURE() << name;
    } catch (const std::invalid_argument& error) {
      EXPECT_NE(std::string(error.what()).find(name), std::string::npos) << error.what();
      EXPECT_EQ(std::string(error.what()).find("s3cr3t"), std::string::npos) << "an error must not show what is in the file";
    }
  }
}

struct HiddenSecrets : Secrets {
  HiddenSecrets() : used(of()) { used.reveal(with_input({secret("token"), secret("number"), secret("short"), secret("db")})); }
  attempt_secrets of() const {
    write("token", "a \"b\"/c+d");
    write("number", "12345");
    write("short", "abc");
    write("db", R"({"word": "in-the-object"})");
    return of_directory();
  }
  json hidden(const json& value) const {
    messages::Payload payload;
    payload.set_data(value.dump());
    used.hide(payload);
    return json::parse(payload.data());
  }
  attempt_secrets used;
};

TEST_F(HiddenSecrets, InWhateverFormTheyComeBack) {
  EXPECT_EQ(hidden({{"x", "it is a \"b\"/c+d!"}, {"n", 12345}, {"list", {"12345"}}}),
            json({{"x", "it is ***!"}, {"n", "***"}, {"list", {"***"}}}));
  EXPECT_EQ(hidden(json{{"inner", "a \"b\"/c+d"}}.dump()), json(R"({"inner":"***"})")) << "JSON in a string";
  EXPECT_EQ(hidden("/path?q=a%20%22b%22%2Fc%2Bd"), json("/path?q=***"));
  EXPECT_EQ(hidden("Basic YSAiYiIvYytk"), json("Basic ***"));
  EXPECT_EQ(hidden("in-the-object"), json("***"));
  EXPECT_EQ(hidden({{"a key that ends with a \"b\"/c+d", 1}}), json({{"a key that ends with ***", 1}}));
  EXPECT_EQ(hidden("abc is too short"), json("abc is too short"));
  EXPECT_EQ(hidden({1, 2.5, nullptr, true, "x"}), json({1, 2.5, nullptr, true, "x"}));
}

TEST_F(HiddenSecrets, InBytesAndFailures) {
  messages::Payload bytes;
  bytes.set_data("\xff 12345 \x01");
  used.hide(bytes);
  EXPECT_EQ(bytes.data(), "\xff *** \x01");
  tasks::outcome how = tasks::failed{};
  messages::Failure& failure = std::get<tasks::failed>(how).failure;
  failure.set_message("wrong: 12345");
  failure.mutable_details()->set_data(R"({"said":12345})");
  failure.mutable_cause()->set_message("12345");
  used.hide(how);
  EXPECT_EQ(failure.message(), "wrong: ***");
  EXPECT_EQ(failure.details().data(), R"({"said":"***"})");
  EXPECT_EQ(failure.cause().message(), "***");
}

TEST_F(HiddenSecrets, AlsoWhereTheyAreCutOff) {
  std::string text = "-object, and then in-the-o";
  used.hide_cut(text);
  EXPECT_EQ(text, "***, and then ***");
}

TEST_F(HiddenSecrets, NamesThatComeFromOutsideStandForNothing) {
  EXPECT_EQ(hidden("say " + secret("token")).get<std::string>().find(secret_prefix), std::string::npos);
}

}  // namespace
}  // namespace evermill::tests
