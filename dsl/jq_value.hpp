// JSON values to and from libjq's, without text between them.
//
// jq 1.6 knows doubles only. Integers beyond ±2^53 that no double holds are rounded on their way in and counted, so that the
// way back can refuse a result that may be one of them: what passes through an expression is never silently another number.
#pragma once

#include <cstddef>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>

#include "dsl/jq_library.hpp"
#include "evermill/result.hpp"

namespace evermill::dsl::jq {

using json = nlohmann::json;

/// 2^53: integers up to this are all doubles.
inline constexpr double largest_exact = 9007199254740992;

/// Owned by the caller. Adds to `rounded` for each integer that was.
jv to_jv(const json& value, std::size_t& rounded);

/// Takes `value`. NaN becomes null and infinities the largest double, as jq prints them. Or what is wrong with it: nested
/// deeper than max_json_depth; an integer beyond ±2^53 where `rounded` is not 0.
result<json, std::string> from_jv(jv value, std::size_t rounded);

/// As an integer where it is one of at most ±2^53.
json number_value(double value);

/// The integer as a double holds it exactly, or nothing. Only for integers.
std::optional<double> exact_double(const json& integer);

/// Frees a value however deep it nests; jv_free recurses.
void free_flat(jv value);

}  // namespace evermill::dsl::jq
