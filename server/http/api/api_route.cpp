#include "server/http/api/api_route.hpp"

namespace evermill::server::http::api {

api_route&& api_route::says(std::string in_short, std::string more) && {
  summary = std::move(in_short);
  description = std::move(more);
  return std::move(*this);
}

api_route&& api_route::asks(parameter by_query) && {
  query.push_back(std::move(by_query));
  return std::move(*this);
}

api_route&& api_route::reads(parameter of_header) && {
  headers.push_back(std::move(of_header));
  return std::move(*this);
}

api_route&& api_route::takes_object(std::string schema, std::string example, bool required, std::size_t max_bytes) && {
  body = body_kind::object;
  body_required = required;
  body_schema = std::move(schema);
  body_example = std::move(example);
  max_body_bytes = max_bytes;
  return std::move(*this);
}

api_route&& api_route::takes_value(std::string example, std::string meaning) && {
  body = body_kind::value;
  body_example = std::move(example);
  description += (description.empty() ? "" : " ") + meaning;
  return std::move(*this);
}

api_route&& api_route::gives(unsigned status, std::string meaning, std::string schema, std::string content_type) && {
  outcomes.push_back({status, std::move(meaning), std::move(schema), std::move(content_type)});
  return std::move(*this);
}

std::string in_namespace(std::string_view rest) { return "/api/v1/namespaces/{namespace}" + std::string(rest); }

}  // namespace evermill::server::http::api
