// Paths and queries as they come over the line, and the templates they are compared with.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace evermill::server::http::api {

/// All throw problem (malformed_request).

/// The bytes that %XX stand for. Refused: what is no %XX, NUL, and what is no UTF-8. `what` names it in messages.
std::string percent_decoded(std::string_view text, std::string_view what);
/// The same of a part of a query, where '+' is a space.
std::string query_decoded(std::string_view text, std::string_view what);

/// The segments of a path as they are, between its slashes: an encoded one is none. Refused: "." and ".." (their
/// encoded forms are names like others), empty segments, a path that does not begin with a slash.
std::vector<std::string_view> segments_of(std::string_view path);

/// In the order of the query.
std::vector<std::pair<std::string, std::string>> parameters_of(std::string_view query);

using path_values = std::map<std::string, std::string, std::less<>>;

/// "/api/v1/namespaces/{namespace}/workflows/{workflow_id}:cancel": segments are words, or one value each, perhaps with
/// an action behind it.
class path_template {
 public:
  explicit path_template(std::string_view text);

  /// Nothing: it is another path. A ':' in a value is written %3A: what follows a plain one is an action.
  std::optional<path_values> match(const std::vector<std::string_view>& segments) const;
  std::vector<std::string> names() const;

 private:
  struct segment {
    std::string word;    ///< of one that is no value
    std::string name;    ///< of a value; "": it is a word
    std::string action;  ///< with its colon; "": none
  };
  bool could_be(const std::vector<std::string_view>& segments) const;

  std::vector<segment> segments_;
};

}  // namespace evermill::server::http::api
