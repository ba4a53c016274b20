// One operation of the API: where it is, what it takes and gives, and what carries it out. The same table dispatches
// requests and is described at /openapi.json, so that nothing is in one of them only.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "server/http/api/path.hpp"
#include "server/operation.hpp"

namespace evermill::server::http::api {

class call;
using call_ptr = std::shared_ptr<call>;

/// What a body may be.
enum class body_kind : std::uint8_t {
  none,      ///< there must be none
  object,    ///< a JSON object whose members have a meaning
  value,     ///< a value of somebody's own: JSON, or other bytes with their Content-Type
  anything,  ///< whatever comes: webhooks
};

struct parameter {
  std::string name;
  std::string description;
  std::string schema = R"({"type": "string"})";  ///< JSON
  std::string example{};                         ///< JSON; "": none
  bool repeated = false;                         ///< may stand several times
};

struct outcome {
  unsigned status = 0;
  std::string description;
  std::string schema{};  ///< of the components; "": no body
  std::string content_type = "application/json";
};

inline constexpr std::size_t default_max_body = 1u << 20;

struct api_route {
  using handler = std::function<void(const call_ptr&)>;

  std::string method;
  std::string path;
  std::string id;                 ///< operationId
  std::optional<operation> what;  ///< nothing: it is open to everybody who can connect
  std::string resource;           ///< the path's value that it is about; "": none in particular
  handler handle;

  std::string tag{};
  std::string summary{};
  std::string description{};
  std::vector<parameter> query{};
  std::vector<parameter> headers{};
  body_kind body = body_kind::none;
  bool body_required = false;
  std::size_t max_body_bytes = 0;
  std::string body_schema{};   ///< of the components; "": any value
  std::string body_example{};  ///< JSON
  std::vector<outcome> outcomes{};
  bool admits_later = false;  ///< `handle` asks the gate, as what it is about is in the body
  path_template form{path};

  // To write the table with.
  api_route&& says(std::string in_short, std::string more = {}) &&;
  api_route&& asks(parameter by_query) &&;
  api_route&& reads(parameter of_header) &&;
  /// `max_bytes` 0: as much as a payload may have over HTTP.
  api_route&& takes_object(std::string schema, std::string example, bool required = true,
                           std::size_t max_bytes = default_max_body) &&;
  api_route&& takes_value(std::string example, std::string meaning) &&;
  api_route&& gives(unsigned status, std::string meaning, std::string schema = {},
                    std::string content_type = "application/json") &&;
};

using route_table = std::vector<api_route>;

/// "/api/v1/namespaces/{namespace}" and what follows.
std::string in_namespace(std::string_view rest);

// Each adds a group.
void add_workflow_routes(route_table& to);
void add_message_routes(route_table& to);  ///< to executions: signals, queries, updates, …
void add_list_routes(route_table& to);
void add_event_routes(route_table& to);
void add_human_task_routes(route_table& to);
void add_activity_routes(route_table& to);
void add_operation_routes(route_table& to);
void add_document_routes(route_table& to);  ///< /openapi.json, /problems/{name}

}  // namespace evermill::server::http::api
