#include "dsl/json_schema.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace evermill::dsl {
namespace {

using json = nlohmann::json;
using testing::ElementsAre;
using testing::HasSubstr;

TEST(JsonSchema, TellsWhatDoesNotFitAndWhere) {
  const auto schema = json_schema::compile(json::parse(R"({"type": "object", "required": ["id"],
      "properties": {"id": {"type": "integer"}, "tags": {"items": {"type": "string"}}}})"));
  ASSERT_TRUE(schema) << schema.error();
  EXPECT_TRUE(schema->validate(json::parse(R"({"id": 1, "tags": ["a"]})")).empty());
  EXPECT_THAT(schema->validate(json::parse(R"({"id": 1, "tags": ["a", 2]})")), testing::Contains(HasSubstr("/tags/1:")));
  EXPECT_FALSE(schema->validate(json::object()).empty());
  EXPECT_FALSE(schema->validate(1).empty());
}

TEST(JsonSchema, BooleansAreSchemas) {
  EXPECT_TRUE(json_schema::compile(true)->validate(1).empty());
  EXPECT_FALSE(json_schema::compile(false)->validate(1).empty());
}

TEST(JsonSchema, WhatIsNoneIsRefused) {
  for (const char* wrong : {"4", "[]", R"({"type": "objekt"})", R"({"properties": []})", R"({"$ref": "#/nowhere"})",
                            R"({"$ref": "https://a.example/s.json"})", R"({"required": "id"})"}) {
    EXPECT_FALSE(json_schema::compile(json::parse(wrong))) << wrong;
  }
  EXPECT_TRUE(json_schema::compile(json::parse(R"({"$ref": "#/definitions/a", "definitions": {"a": {"type": "string"}}})")));
}

TEST(JsonSchema, APatternThatCantBeUsedFailsTheValue) {
  const auto schema = json_schema::compile(json::parse(R"({"type": "string", "pattern": "(["})"));
  if (schema) {
    EXPECT_THAT(schema->validate("a"), ElementsAre(HasSubstr("can't be applied")));
  }
}

}  // namespace
}  // namespace evermill::dsl
