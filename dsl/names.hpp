// The forms that names of a workflow have.
#pragma once

#include <string>
#include <string_view>

namespace evermill::dsl {

/// A DNS label (RFC 1123): 1 to 63 letters, digits and hyphens, no hyphen at either end. Namespaces and names of workflows.
bool is_dns_label(std::string_view text) noexcept;

/// semver.org 2.0.0, with all three numbers.
bool is_semantic_version(std::string_view text) noexcept;

/// A name that jq can read after a `$`.
bool is_variable_name(std::string_view text) noexcept;

/// RFC 6901: "" or steps that begin with `/`, where `~` stands only before 0 and 1.
bool is_json_pointer(std::string_view text) noexcept;

/// RFC 3339: what CloudEvents have as `time`, as "2026-05-01T12:00:00.5+02:00". Days are checked against their month.
bool is_date_time(std::string_view text) noexcept;

}  // namespace evermill::dsl
