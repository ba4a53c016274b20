// How values become payloads and back.
//
// `codec<T>` is the one customisation point: specialise it for a type of your own, or, simpler, give the type
// nlohmann::json's to_json and from_json (NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE does) and leave codec alone.
//
//   bool, integers, floats       JSON; not-a-number and infinities as the strings "NaN", "Infinity", "-Infinity"
//   std::string                  a JSON string where it is UTF-8, bytes otherwise; decodes from both
//   std::vector<std::byte>       bytes
//   protobuf messages            their serialised form; decodes from that and from protobuf's JSON
//   nlohmann::json               JSON
//   payload                      as it is
//   std::optional                its value, or the empty payload; decodes null as nothing, too
//   vectors, maps of strings     JSON of their elements
//   std::monostate               the empty payload
//   anything with to_json        JSON
//
// The empty payload (type json, no data) means "no value". decode throws payload_error with the type that was expected
// and what came instead.
#pragma once

#include <cmath>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <map>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>
#include <typeinfo>
#include <unordered_map>
#include <utility>
#include <variant>
#include <vector>

#include "exceptions.hpp"
#include "payload.hpp"

namespace google::protobuf {
class Message;
}

namespace evermill {

template <class T>
struct codec;

namespace detail {

[[noreturn]] void throw_unexpected(std::string_view expected, const payload& got);
[[noreturn]] void throw_out_of_range(std::string_view expected, const payload& got);
std::string type_name(const std::type_info& type);

bool decode_bool(const payload& p);
std::int64_t decode_signed(const payload& p, std::string_view expected);
std::uint64_t decode_unsigned(const payload& p, std::string_view expected);
double decode_double(const payload& p);
payload encode_signed(std::int64_t v);
payload encode_unsigned(std::uint64_t v);
payload encode_double(double v);
payload encode_float(float v);
payload encode_string(const std::string& text);
std::string decode_string(const payload& p);
payload encode_json(const nlohmann::json& value);
nlohmann::json decode_json(const payload& p, std::string_view expected);
payload encode_bytes(const std::byte* data, std::size_t size);
std::string_view decode_bytes(const payload& p);
void check_protobuf(const payload& p, const std::string& type_name);
/// Throws payload_error where the JSON does not fit the message.
void protobuf_from_json(const std::string& json, google::protobuf::Message& message);
nlohmann::json protobuf_to_json(const google::protobuf::Message& message);

inline bool is_empty(const payload& p) noexcept { return p.type == payload::content_type::json && p.data.empty(); }

/// Recognised by their shape, so that this header needs none of protobuf's.
template <class T>
concept protobuf_message = requires(const T& read, T& write, std::string* out, const std::string& in) {
  { read.SerializeToString(out) } -> std::same_as<bool>;
  { write.ParseFromString(in) } -> std::same_as<bool>;
  { read.GetTypeName() } -> std::convertible_to<std::string>;
};

template <class T>
concept full_protobuf_message = protobuf_message<T> && std::is_convertible_v<T*, google::protobuf::Message*>;

template <class T>
concept nlohmann_type = requires(nlohmann::json& j, const nlohmann::json& from, const T& value) {
  nlohmann::adl_serializer<T>::to_json(j, value);
  { from.template get<T>() } -> std::same_as<T>;
};

/// T as part of a JSON document.
template <class T>
struct json_form {};

template <class T>
concept json_convertible = requires(const T& value, const nlohmann::json& from) {
  { json_form<T>::to(value) } -> std::same_as<nlohmann::json>;
  { json_form<T>::from(from) } -> std::same_as<T>;
};

template <class T>
requires(nlohmann_type<T> && !protobuf_message<T>) struct json_form<T> {
  static nlohmann::json to(const T& value) { return nlohmann::json(value); }
  static T from(const nlohmann::json& j) { return j.template get<T>(); }
};

template <full_protobuf_message T>
struct json_form<T> {
  static nlohmann::json to(const T& value) { return protobuf_to_json(value); }
  static T from(const nlohmann::json& j) {
    T message;
    protobuf_from_json(j.dump(), message);
    return message;
  }
};

template <json_convertible T>
struct json_form<std::optional<T>> {
  static nlohmann::json to(const std::optional<T>& value) {
    return value ? json_form<T>::to(*value) : nlohmann::json();
  }
  static std::optional<T> from(const nlohmann::json& j) {
    if (j.is_null()) return std::nullopt;
    return json_form<T>::from(j);
  }
};

template <json_convertible T, class Allocator>
requires(!nlohmann_type<std::vector<T, Allocator>>) struct json_form<std::vector<T, Allocator>> {
  static nlohmann::json to(const std::vector<T, Allocator>& values) {
    nlohmann::json j = nlohmann::json::array();
    for (const T& value : values) j.push_back(json_form<T>::to(value));
    return j;
  }
  static std::vector<T, Allocator> from(const nlohmann::json& j) {
    std::vector<T, Allocator> values;
    for (const nlohmann::json& element : j.get_ref<const nlohmann::json::array_t&>()) {
      values.push_back(json_form<T>::from(element));
    }
    return values;
  }
};

template <class Map>
struct json_object_form {
  using mapped = typename Map::mapped_type;
  static nlohmann::json to(const Map& values) {
    nlohmann::json j = nlohmann::json::object();
    for (const auto& [key, value] : values) j[key] = json_form<mapped>::to(value);
    return j;
  }
  static Map from(const nlohmann::json& j) {
    Map values;
    for (const auto& [key, value] : j.get_ref<const nlohmann::json::object_t&>()) {
      values.emplace(key, json_form<mapped>::from(value));
    }
    return values;
  }
};

template <json_convertible T>
requires(!nlohmann_type<std::map<std::string, T>>) struct json_form<std::map<std::string, T>>
    : json_object_form<std::map<std::string, T>> {
};
template <json_convertible T>
requires(!nlohmann_type<std::unordered_map<std::string, T>>) struct json_form<std::unordered_map<std::string, T>>
    : json_object_form<std::unordered_map<std::string, T>> {
};

template <std::integral T>
constexpr std::string_view integer_name() {
  constexpr bool is_signed = std::is_signed_v<T>;
  switch (sizeof(T)) {
    case 1:
      return is_signed ? "an 8-bit integer" : "an unsigned 8-bit integer";
    case 2:
      return is_signed ? "a 16-bit integer" : "an unsigned 16-bit integer";
    case 4:
      return is_signed ? "a 32-bit integer" : "an unsigned 32-bit integer";
    default:
      return is_signed ? "a 64-bit integer" : "an unsigned 64-bit integer";
  }
}

template <class T>
T decode_via_json(const payload& p) {
  const std::string expected = type_name(typeid(T));
  const nlohmann::json value = decode_json(p, expected);
  try {
    return json_form<T>::from(value);
  } catch (const nlohmann::json::exception& e) {
    throw payload_error("expected " + expected + ", but the JSON does not fit: " + e.what());
  }
}

}  // namespace detail

/// Both functions may throw payload_error only. A specialisation must give the same bytes for the same value.
template <class T>
struct codec {
  static_assert(detail::json_convertible<T>,
                "evermill: this type can't be stored. Give it nlohmann's to_json and from_json "
                "(NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE) or specialise evermill::codec for it");
  static payload encode(const T& value) {
    if constexpr (detail::json_convertible<T>) {
      return detail::encode_json(detail::json_form<T>::to(value));
    } else {
      return {};
    }
  }
  static T decode(const payload& p) { return detail::decode_via_json<T>(p); }
};

template <>
struct codec<payload> {
  static payload encode(const payload& value) { return value; }
  static payload decode(const payload& p) { return p; }
};

template <>
struct codec<bool> {
  static payload encode(bool value) { return json_payload(value ? "true" : "false"); }
  static bool decode(const payload& p) { return detail::decode_bool(p); }
};

template <std::signed_integral T>
struct codec<T> {
  static payload encode(T value) { return detail::encode_signed(value); }
  static T decode(const payload& p) {
    const std::int64_t wide = detail::decode_signed(p, detail::integer_name<T>());
    if (!std::in_range<T>(wide)) detail::throw_out_of_range(detail::integer_name<T>(), p);
    return static_cast<T>(wide);
  }
};

template <std::unsigned_integral T>
struct codec<T> {
  static payload encode(T value) { return detail::encode_unsigned(value); }
  static T decode(const payload& p) {
    const std::uint64_t wide = detail::decode_unsigned(p, detail::integer_name<T>());
    if (wide > std::numeric_limits<T>::max()) detail::throw_out_of_range(detail::integer_name<T>(), p);
    return static_cast<T>(wide);
  }
};

template <std::floating_point T>
struct codec<T> {
  static payload encode(T value) {
    if constexpr (std::is_same_v<T, float>) return detail::encode_float(value);
    return detail::encode_double(static_cast<double>(value));
  }
  static T decode(const payload& p) {
    const double wide = detail::decode_double(p);
    const bool fits = !std::isfinite(wide) || std::abs(wide) <= static_cast<double>(std::numeric_limits<T>::max());
    if (!fits) detail::throw_out_of_range("a 32-bit float", p);
    return static_cast<T>(wide);
  }
};

template <>
struct codec<std::string> {
  static payload encode(const std::string& value) { return detail::encode_string(value); }
  static std::string decode(const payload& p) { return detail::decode_string(p); }
};

template <>
struct codec<std::vector<std::byte>> {
  static payload encode(const std::vector<std::byte>& value) {
    return detail::encode_bytes(value.data(), value.size());
  }
  static std::vector<std::byte> decode(const payload& p) {
    const std::string_view bytes = detail::decode_bytes(p);
    const auto* first = reinterpret_cast<const std::byte*>(bytes.data());
    return {first, first + bytes.size()};
  }
};

template <>
struct codec<nlohmann::json> {
  static payload encode(const nlohmann::json& value) { return detail::encode_json(value); }
  /// No value decodes as null.
  static nlohmann::json decode(const payload& p) {
    return detail::is_empty(p) ? nlohmann::json() : detail::decode_json(p, "JSON");
  }
};

template <>
struct codec<std::monostate> {
  static payload encode(std::monostate) { return {}; }
  /// Whatever came is ignored: nothing was wanted.
  static std::monostate decode(const payload&) { return {}; }
};

template <class T>
struct codec<std::optional<T>> {
  static payload encode(const std::optional<T>& value) { return value ? codec<T>::encode(*value) : payload{}; }
  static std::optional<T> decode(const payload& p) {
    if (detail::is_empty(p)) return std::nullopt;
    if (p.type == payload::content_type::json && p.data == "null") return std::nullopt;
    return codec<T>::decode(p);
  }
};

template <detail::protobuf_message T>
struct codec<T> {
  static payload encode(const T& value) {
    payload p{payload::content_type::protobuf, std::string(value.GetTypeName()), {}};
    if (!value.SerializeToString(&p.data)) throw payload_error("a " + p.type_name + " message can't be serialised");
    return p;
  }
  static T decode(const payload& p) {
    T message;
    if constexpr (detail::full_protobuf_message<T>) {
      if (p.type == payload::content_type::json && !p.data.empty()) {
        detail::protobuf_from_json(p.data, message);
        return message;
      }
    }
    detail::check_protobuf(p, std::string(message.GetTypeName()));
    if (!message.ParseFromString(p.data)) {
      throw payload_error("expected a " + std::string(message.GetTypeName()) + " message, got bytes that are none");
    }
    return message;
  }
};

}  // namespace evermill
