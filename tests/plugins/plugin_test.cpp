// Shared libraries that are loaded, and those that are refused.
#include "evermill/plugin.hpp"

#include <gmock/gmock.h>
#include <spdlog/sinks/ostream_sink.h>

#include <sstream>
#include <string>

#include "base/log.hpp"
#include "plugins/queue/open_broker.hpp"

namespace evermill {
namespace {

using testing::HasSubstr;

std::string library(const std::string& name) { return std::string(EVERMILL_PLUGIN_LIBRARIES) + "/" + name + ".so"; }

std::string refusal(const std::string& file) {
  try {
    load_plugin(file);
  } catch (const plugin_error& error) {
    return error.what();
  }
  return "";
}

TEST(Plugin, AddsAQueueThatIsOpenedByItsAddress) {
  EXPECT_FALSE(queue::is_broker_address("nowhere://x"));
  load_plugin(library("good_plugin"));
  load_plugin(library("good_plugin"));  // is there already
  EXPECT_TRUE(queue::is_broker_address("nowhere://x"));
  std::ostringstream lines;
  const log written(std::make_shared<spdlog::logger>("test", std::make_shared<spdlog::sinks::ostream_sink_mt>(lines)));
  const auto opened = queue::open_broker("nowhere://x", written);
  ASSERT_FALSE(opened);
  EXPECT_EQ(opened.error().code, queue::broker_errc::invalid);
  EXPECT_EQ(opened.error().message, "nowhere://x is nowhere");
  EXPECT_THAT(lines.str(), HasSubstr("nowhere was asked for"));
  EXPECT_THAT(queue::open_broker("elsewhere://x", {}).error().message, HasSubstr("kafka://…, redis://… or nowhere://…"));
}

TEST(Plugin, ALibraryThatIsNoneIsRefused) {
  EXPECT_THAT(refusal(library("no_plugin")), HasSubstr("no evermill plugin"));
  EXPECT_THAT(refusal("/there/is/no/such/file.so"), HasSubstr("can't be loaded"));
}

TEST(Plugin, AnotherVersionIsRefusedBeforeAnyOfItRuns) {
  EXPECT_THAT(refusal(library("other_version_plugin")),
              AllOf(HasSubstr("version " + std::to_string(plugin_interface_version + 1)),
                    HasSubstr("has version " + std::to_string(plugin_interface_version))));
}

TEST(Plugin, WhatIsThereAlreadyIsNotReplaced) {
  EXPECT_THAT(refusal(library("taken_plugin")), HasSubstr("redis://… already"));
  EXPECT_THAT(refusal(library("taken_plugin")), HasSubstr("redis://… already")) << "it is not loaded by a failure";
}

TEST(Plugin, ASchemeIsAWord) {
  EXPECT_THROW(plugins().add_queue("", nullptr), plugin_error);
  EXPECT_THROW(plugins().add_queue("a b", nullptr), plugin_error);
  EXPECT_THROW(plugins().add_queue("1st", nullptr), plugin_error);
}

}  // namespace
}  // namespace evermill
