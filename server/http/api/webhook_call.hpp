// POST /hooks/{name}.
#pragma once

#include <vector>

#include "server/http/api/api_route.hpp"
#include "server/http/api/webhook.hpp"

namespace evermill::server::http::api {

/// One route for each, so that each has its own limit. `hooks` outlive the table.
void add_webhook_routes(route_table& to, const std::vector<webhook>& hooks);

}  // namespace evermill::server::http::api
