// Grants as JSON: {"scope": "worker", "namespaces": ["shop"], "task_queues": ["gpu"], "workflow_types": ["order"]}. In tokens
// files and in claims of JSON Web Tokens.
#pragma once

#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "evermill/result.hpp"
#include "server/security/permission.hpp"

namespace evermill::server::security {

inline constexpr std::size_t max_grants = 100;
inline constexpr std::size_t max_grant_names = 1000;

nlohmann::json to_json(const grant& of);
nlohmann::json to_json(const std::vector<grant>& of);

/// One object, or a list of at most max_grants. Also takes "scopes", a list, in place of "scope". Unknown members, names that
/// can't be, a worker of nothing, and queues of others than workers are refused: what is not understood must not grant.
result<std::vector<grant>, std::string> grants_of(const nlohmann::json& value);

/// Nothing, or what is wrong: no namespace, a worker of nothing, queues where there is no worker.
std::string why_no_grant(const grant& of);

}  // namespace evermill::server::security
