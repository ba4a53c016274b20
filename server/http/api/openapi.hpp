// The OpenAPI 3.1 document of a table of routes.
#pragma once

#include <string>

#include "server/http/api/api_route.hpp"

namespace evermill::server::http::api {

std::string openapi_document(const route_table& routes);
/// "components/schemas", as JSON.
const char* component_schemas() noexcept;

}  // namespace evermill::server::http::api
