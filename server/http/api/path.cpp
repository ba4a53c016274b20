#include "server/http/api/path.hpp"

#include <algorithm>
#include <optional>
#include <utility>

#include "base/encodings.hpp"
#include "base/text.hpp"
#include "server/http/api/problem.hpp"

namespace evermill::server::http::api {
namespace {

[[noreturn]] void refuse_path(const std::string& why) { throw problem(problem_kind::malformed_request, why); }

std::string decoded(std::string text, std::string_view what, bool plus_is_space) {
  if (plus_is_space) std::replace(text.begin(), text.end(), '+', ' ');
  std::optional<std::string> read = evermill::percent_decoded(text);
  if (!read) {
    refuse_path("the " + std::string(what) + " has a '%' without two hexadecimal digits behind it; a '%' itself is written %25");
  }
  std::string bytes = *std::move(read);
  if (bytes.find('\0') != std::string::npos) refuse_path("the " + std::string(what) + " holds a NUL");
  if (!is_utf8(bytes)) refuse_path("the " + std::string(what) + " is no UTF-8");
  return bytes;
}

}  // namespace

std::string percent_decoded(std::string_view text, std::string_view what) { return decoded(std::string(text), what, false); }
std::string query_decoded(std::string_view text, std::string_view what) { return decoded(std::string(text), what, true); }

std::vector<std::string_view> segments_of(std::string_view path) {
  if (!path.starts_with('/')) refuse_path("the path does not begin with '/'");
  std::vector<std::string_view> segments;
  for (path.remove_prefix(1); !path.empty() || !segments.empty();) {
    const std::size_t slash = path.find('/');
    const std::string_view segment = path.substr(0, slash);
    if (segment.empty()) refuse_path("the path has an empty segment: \"//\", or a '/' at its end");
    if (segment == "." || segment == "..") {
      refuse_path("the path has the segment \"" + std::string(segment) +
                  "\", which is not resolved here; as an id it is written " + (segment.size() == 1 ? "%2E" : "%2E%2E"));
    }
    segments.push_back(segment);
    if (slash == std::string_view::npos) break;
    path.remove_prefix(slash + 1);
  }
  return segments;
}

std::vector<std::pair<std::string, std::string>> parameters_of(std::string_view query) {
  std::vector<std::pair<std::string, std::string>> parameters;
  for (auto begin = query.begin(); begin != query.end();) {
    const auto end = std::find(begin, query.end(), '&');
    const auto equals = std::find(begin, end, '=');
    if (begin != end) {
      std::string name = query_decoded({begin, equals}, "query");
      parameters.emplace_back(std::move(name), query_decoded({equals == end ? end : equals + 1, end}, "query"));
    }
    begin = end == query.end() ? end : end + 1;
  }
  return parameters;
}

path_template::path_template(std::string_view text) {
  for (const std::string_view part : segments_of(text)) {
    segment& made = segments_.emplace_back();
    const std::size_t close = part.find('}');
    if (!part.starts_with('{') || close == std::string_view::npos) {
      made.word = part;
      continue;
    }
    made.name = part.substr(1, close - 1);
    made.action = part.substr(close + 1);
  }
}

bool path_template::could_be(const std::vector<std::string_view>& segments) const {
  if (segments.size() != segments_.size()) return false;
  for (std::size_t i = 0; i < segments.size(); ++i) {
    const segment& wanted = segments_[i];
    if (wanted.name.empty()) {
      if (segments[i] != wanted.word) return false;
      continue;
    }
    const std::size_t colon = segments[i].find(':');
    const std::string_view action = colon == std::string_view::npos ? std::string_view() : segments[i].substr(colon);
    if (action != wanted.action || colon == 0) return false;
  }
  return true;
}

std::optional<path_values> path_template::match(const std::vector<std::string_view>& segments) const {
  if (!could_be(segments)) return std::nullopt;
  path_values values;
  for (std::size_t i = 0; i < segments.size(); ++i) {
    const segment& wanted = segments_[i];
    if (wanted.name.empty()) continue;
    values[wanted.name] =
        percent_decoded(segments[i].substr(0, segments[i].size() - wanted.action.size()), wanted.name + " in the path");
  }
  return values;
}

std::vector<std::string> path_template::names() const {
  std::vector<std::string> names;
  for (const segment& each : segments_) {
    if (!each.name.empty()) names.push_back(each.name);
  }
  return names;
}

}  // namespace evermill::server::http::api
