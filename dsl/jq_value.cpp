#include "dsl/jq_value.hpp"

#include <cfloat>
#include <cmath>
#include <vector>

#include "base/text.hpp"

namespace evermill::dsl::jq {
namespace {

std::string too_deep() { return "the result nests deeper than " + std::to_string(max_json_depth) + " levels"; }

class reader {
 public:
  explicit reader(bool rounded) : rounded_(rounded) {}

  /// Takes `value`; throws std::string.
  json read(jv value, std::size_t depth) const {
    switch (jv_get_kind(value)) {
      case JV_KIND_FALSE:
        return false;
      case JV_KIND_TRUE:
        return true;
      case JV_KIND_NUMBER:
        return number(jv_number_value(value));
      case JV_KIND_STRING: {
        json text(std::string(jv_string_value(value), static_cast<std::size_t>(jv_string_length_bytes(jv_copy(value)))));
        jv_free(value);
        return text;
      }
      case JV_KIND_ARRAY:
        return array(value, depth);
      case JV_KIND_OBJECT:
        return object(value, depth);
      case JV_KIND_NULL:
      case JV_KIND_INVALID:
        break;
    }
    jv_free(value);
    return nullptr;
  }

 private:
  json number(double value) const {
    if (rounded_ && std::fabs(value) >= largest_exact && std::isfinite(value)) {
      throw std::string(
          "the result may hold an integer beyond 2^53 that jq has rounded; pick it by a path alone, or carry it as a string");
    }
    return number_value(value);
  }

  json array(jv value, std::size_t depth) const {
    if (depth == max_json_depth) {
      free_flat(value);
      throw too_deep();
    }
    json::array_t items;
    const int size = jv_array_length(jv_copy(value));
    items.reserve(static_cast<std::size_t>(size));
    try {
      for (int i = 0; i < size; ++i) items.push_back(read(jv_array_get(jv_copy(value), i), depth + 1));
    } catch (...) {
      free_flat(value);
      throw;
    }
    jv_free(value);
    return items;
  }

  json object(jv value, std::size_t depth) const {
    if (depth == max_json_depth) {
      free_flat(value);
      throw too_deep();
    }
    json::object_t members;
    try {
      for (int at = jv_object_iter(value); jv_object_iter_valid(value, at); at = jv_object_iter_next(value, at)) {
        const jv key = jv_object_iter_key(value, at);
        std::string name(jv_string_value(key), static_cast<std::size_t>(jv_string_length_bytes(jv_copy(key))));
        jv_free(key);
        members.insert_or_assign(std::move(name), read(jv_object_iter_value(value, at), depth + 1));
      }
    } catch (...) {
      free_flat(value);
      throw;
    }
    jv_free(value);
    return members;
  }

  bool rounded_;
};

jv string_of(const std::string& text) { return jv_string_sized(text.data(), static_cast<int>(text.size())); }

jv number_of(const json& value, std::size_t& rounded) {
  if (value.is_number_float()) return jv_number(value.get<double>());
  if (const auto exact = exact_double(value)) return jv_number(*exact);
  ++rounded;
  return jv_number(value.get<double>());
}

}  // namespace

std::optional<double> exact_double(const json& integer) {
  const auto value = integer.get<double>();
  if (std::fabs(value) < largest_exact) return value;
  constexpr double beyond_signed = 9223372036854775808.0, beyond_unsigned = 18446744073709551616.0;  // 2^63, 2^64
  if (integer.is_number_unsigned()) {
    const auto exact = integer.get<std::uint64_t>();
    return value < beyond_unsigned && static_cast<std::uint64_t>(value) == exact ? std::optional(value) : std::nullopt;
  }
  const auto exact = integer.get<std::int64_t>();
  return value < beyond_signed && static_cast<std::int64_t>(value) == exact ? std::optional(value) : std::nullopt;
}

json number_value(double value) {
  if (std::isnan(value)) return nullptr;
  if (std::isinf(value)) return value < 0 ? -DBL_MAX : DBL_MAX;
  if (std::fabs(value) <= largest_exact && value == std::floor(value)) return static_cast<std::int64_t>(value);
  return value;
}

jv to_jv(const json& value, std::size_t& rounded) {
  switch (value.type()) {
    case json::value_t::boolean:
      return jv_bool(value.get<bool>());
    case json::value_t::number_integer:
    case json::value_t::number_unsigned:
    case json::value_t::number_float:
      return number_of(value, rounded);
    case json::value_t::string:
      return string_of(value.get_ref<const std::string&>());
    case json::value_t::array: {
      jv items = jv_array_sized(static_cast<int>(value.size()));
      for (const json& item : value) items = jv_array_append(items, to_jv(item, rounded));
      return items;
    }
    case json::value_t::object: {
      jv members = jv_object();
      for (const auto& [key, member] : value.get_ref<const json::object_t&>()) {
        members = jv_object_set(members, string_of(key), to_jv(member, rounded));
      }
      return members;
    }
    default:
      return jv_null();
  }
}

result<json, std::string> from_jv(jv value, std::size_t rounded) {
  try {
    return reader(rounded > 0).read(value, 0);
  } catch (const std::string& why) {
    return unexpected(why);
  }
}

void free_flat(jv value) {
  std::vector<jv> rest{value};
  while (!rest.empty()) {
    const jv one = rest.back();
    rest.pop_back();
    if (jv_get_kind(one) == JV_KIND_ARRAY && jv_get_refcnt(one) == 1) {
      const int size = jv_array_length(jv_copy(one));
      for (int i = 0; i < size; ++i) rest.push_back(jv_array_get(jv_copy(one), i));
    } else if (jv_get_kind(one) == JV_KIND_OBJECT && jv_get_refcnt(one) == 1) {
      for (int at = jv_object_iter(one); jv_object_iter_valid(one, at); at = jv_object_iter_next(one, at)) {
        rest.push_back(jv_object_iter_value(one, at));
      }
    }
    jv_free(one);
  }
}

}  // namespace evermill::dsl::jq
