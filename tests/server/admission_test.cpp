// What a server asks its configuration, for calls that last.
#include "server/admission.hpp"

#include <gtest/gtest.h>

#include <string>

#include "server/security/permission.hpp"
#include "server/security/token.hpp"
#include "server/security/token_store.hpp"
#include "tests/support/manual_clock.hpp"
#include "tests/support/temporary_directory.hpp"

namespace evermill::server {
namespace {

using security::grant;
using security::name_set;

/// A token of a worker for one task queue and one workflow type.
TEST(Admission, AStreamThatBeganMayGoOnForWhatItsTokenIsLimitedTo) {
  tests::temporary_directory directory;
  tests::manual_clock clock;
  security::security_options options;
  options.tokens_file = (directory.path() / "tokens.json").string();
  const auto token = security::make_token(
      "w", {grant{security::scope::worker, name_set({"default"}), name_set({"gpu"}), name_set({"order"})}}, clock.now(), {});
  ASSERT_TRUE(security::add_token(options.tokens_file, token.record));
  admission asked(options, clock, log());
  const std::string authorization = "Bearer " + token.text;
  const call_origin from{.peer = "ipv4:127.0.0.1:4711", .authorization = authorization, .certificate = {}};
  const auto admitted = [&](operation what, std::string_view resource) { return asked.admit(from, {what, "", resource}); };
  const auto deciding = admitted(operation::decide_workflows, "order");
  ASSERT_TRUE(deciding.has_value()) << deciding.error().what();
  EXPECT_TRUE((*deciding)->still_valid());
  const auto working = admitted(operation::run_activities, "gpu");
  ASSERT_TRUE(working.has_value()) << working.error().what();
  EXPECT_TRUE((*working)->still_valid());
  EXPECT_FALSE(admitted(operation::decide_workflows, "invoice").has_value());
  EXPECT_FALSE(admitted(operation::run_activities, "cpu").has_value());
}

}  // namespace
}  // namespace evermill::server
