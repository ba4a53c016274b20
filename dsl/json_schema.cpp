// The only file of this folder that knows the schema library.
#define VALIJSON_USE_EXCEPTIONS 1  // else a schema that is none ends the process
#include "dsl/json_schema.hpp"

#include <valijson/adapters/nlohmann_json_adapter.hpp>
#include <valijson/schema.hpp>
#include <valijson/schema_parser.hpp>
#include <valijson/validation_results.hpp>
#include <valijson/validator.hpp>

namespace evermill::dsl {
namespace {

using json_adapter = valijson::adapters::NlohmannJsonAdapter;

/// "[\"order\"]" or "[3]" as valijson tells places.
std::string step_of(const std::string& part) {
  if (part == "<root>") return {};
  std::string name = part;
  if (name.size() >= 2 && name.front() == '[' && name.back() == ']') name = name.substr(1, name.size() - 2);
  if (name.size() >= 2 && name.front() == '"' && name.back() == '"') name = name.substr(1, name.size() - 2);
  return "/" + name;
}

}  // namespace

struct json_schema::compiled {
  valijson::Schema schema;
};

result<json_schema, std::string> json_schema::compile(const nlohmann::json& schema) {
  if (schema.is_boolean())
    return compile(schema.get<bool>() ? nlohmann::json::object() : nlohmann::json{{"not", nlohmann::json::object()}});
  if (!schema.is_object()) return unexpected(std::string("a JSON Schema is an object or a boolean"));
  try {
    auto made = std::make_shared<compiled>();
    valijson::SchemaParser parser;
    const json_adapter root(schema);
    parser.populateSchema(root, made->schema);
    json_schema result;
    result.compiled_ = std::move(made);
    return result;
  } catch (const std::exception& error) {
    std::string why = error.what();
    while (why.ends_with('.')) why.pop_back();
    return unexpected(std::move(why));
  }
}

std::vector<std::string> json_schema::validate(const nlohmann::json& value) const {
  valijson::Validator validator;
  valijson::ValidationResults results;
  const json_adapter given(value);
  std::vector<std::string> lines;
  try {
    if (validator.validate(compiled_->schema, given, &results)) return lines;
  } catch (const std::exception& error) {  // a `pattern` that std::regex does not know
    return {std::string("the schema can't be applied: ") + error.what()};
  }
  for (valijson::ValidationResults::Error error; results.popError(error);) {
    std::string line;
    for (const std::string& part : error.context) line += step_of(part);
    lines.push_back(line.append(": ").append(error.description));
  }
  return lines;
}

}  // namespace evermill::dsl
