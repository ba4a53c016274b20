// Answers against the JSON Schema of their form. The only file that knows the schema library.
#define VALIJSON_USE_EXCEPTIONS 1  // else a schema that is none ends the process
#include <nlohmann/json.hpp>
#include <valijson/adapters/nlohmann_json_adapter.hpp>
#include <valijson/schema.hpp>
#include <valijson/schema_parser.hpp>
#include <valijson/validation_results.hpp>
#include <valijson/validator.hpp>

#include "engine/human_tasks.hpp"
#include "evermill/codec.hpp"

namespace evermill {
namespace {

using adapter = valijson::adapters::NlohmannJsonAdapter;

[[noreturn]] void refuse(const std::string& why) { throw engine_error(engine_errc::invalid_argument, why); }

void parse_form(const nlohmann::json& form, valijson::Schema& schema) {
  try {
    valijson::SchemaParser parser;
    const adapter root(form);
    parser.populateSchema(root, schema);
  } catch (const std::exception& error) {
    refuse(std::string("the form of the human task is no JSON Schema that can be used: ") + error.what());
  }
}

}  // namespace

void check_answer(const std::string& form_schema, const payload& answer) {
  if (form_schema.empty()) return;
  nlohmann::json form, value;
  try {
    form = detail::parse_json(json_payload(form_schema));
  } catch (const payload_error& error) {
    refuse(std::string("the form of the human task is no JSON: ") + error.what());
  }
  try {
    value = detail::parse_json(answer);
  } catch (const payload_error& error) {
    refuse(std::string("the answer is no JSON, but the human task has a form: ") + error.what());
  }
  valijson::Schema schema;
  parse_form(form, schema);
  valijson::Validator validator;
  valijson::ValidationResults results;
  const adapter given(value);
  if (validator.validate(schema, given, &results)) return;
  std::string why;
  for (valijson::ValidationResults::Error error; results.popError(error);) {
    std::string at;
    for (const std::string& part : error.context) at += part;
    why += "\n  " + at + ": " + error.description;
  }
  refuse("the answer does not fit the form of the human task:" + why);
}

}  // namespace evermill
