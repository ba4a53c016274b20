#include "server/namespaces_config.hpp"

#include <utility>

#include "base/namespaces.hpp"
#include "server/security/option_fields.hpp"

namespace evermill::server {
namespace {

using std::chrono::hours;
using std::chrono::seconds;

constexpr std::uint64_t most_executions = 1'000'000'000'000;
constexpr std::uint64_t largest_payload = std::uint64_t{256} << 20;
constexpr hours longest_retention{24 * 365 * 100};

namespace_options read_namespace(const dsl::node::member& from, dsl::problems& found) {
  const security::option_fields fields(found, from.value, "/namespaces/" + dsl::pointer_token(from.key), "a namespace",
                                       {"max_open_executions", "starts_per_second", "starts_burst", "max_payload_bytes", "retention"});
  namespace_options made;
  made.name = from.key;
  if (!fields) return made;
  made.max_open_executions = fields.whole("max_open_executions", 1, most_executions, 0);
  made.starts_per_second = fields.number("starts_per_second", 0.001, 1e6, 0);
  made.starts_burst = static_cast<unsigned>(fields.whole("starts_burst", 1, 1'000'000, 1));
  if (fields.has("starts_burst") && !fields.has("starts_per_second")) {
    fields.report(*fields.find("starts_burst"), "starts_burst", dsl::rule::conflict, "\"starts_burst\" needs \"starts_per_second\"");
  }
  made.max_payload_bytes = fields.whole("max_payload_bytes", 1, largest_payload, 0);
  made.retention = fields.duration("retention", seconds(1), longest_retention, made.retention);
  return made;
}

}  // namespace

std::vector<namespace_options> read_namespaces(const dsl::node& from, dsl::problems& found) {
  std::vector<namespace_options> all;
  if (!from.is(dsl::node::kind::mapping)) {
    found.push_back({from.at, dsl::rule::type, dsl::severity::error, "/namespaces", "\"namespaces\" must be an object of names and limits"});
    return all;
  }
  for (const dsl::node::member& each : from.members) {
    if (const auto why = namespaces::why_no_namespace(each.key)) {
      found.push_back({each.key_at, dsl::rule::value, dsl::severity::error, "/namespaces/" + dsl::pointer_token(each.key),
                       "the name of a namespace " + *why});
      continue;
    }
    all.push_back(read_namespace(each, found));
  }
  return all;
}

}  // namespace evermill::server
