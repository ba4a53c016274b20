// JSON Schemas of inputs, outputs and the context.
#pragma once

#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "evermill/result.hpp"

namespace evermill::dsl {

/// A compiled schema: draft 7, as far as valijson goes; keywords that it does not know allow everything. Copies share it; any
/// thread.
class json_schema {
 public:
  /// Or why it is no schema that can be used: a keyword of the wrong type, a `$ref` that does not lead to a part of it.
  static result<json_schema, std::string> compile(const nlohmann::json& schema);

  /// What does not fit, one line a place ("/order/id: …"); empty where all does.
  std::vector<std::string> validate(const nlohmann::json& value) const;

 private:
  struct compiled;
  std::shared_ptr<const compiled> compiled_;
};

}  // namespace evermill::dsl
