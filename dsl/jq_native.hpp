// Simple expressions without libjq: paths, literals, arithmetic, comparisons, strings with parts, objects and arrays of them.
// Nothing is converted or copied but what the result is made of: `.a + 1` costs the same whatever else the input holds.
//
// Whatever is not plainly jq's success (a type that does not fit, a division by zero, a fraction as an index) is left to libjq,
// which then says what is wrong in its own words. So there is one meaning, and tests compare the two over generated cases.
#pragma once

#include <nlohmann/json.hpp>
#include <optional>
#include <span>

#include "dsl/jq_syntax.hpp"

namespace evermill::dsl::jq {

/// The value of an expression whose root is native, or nothing where libjq has to be asked. `variables` are in the order of
/// parsed::variables; they and `input` stay untouched. Any thread.
std::optional<json> evaluate_native(const syntax& root, const json& input, std::span<const json* const> variables);

}  // namespace evermill::dsl::jq
