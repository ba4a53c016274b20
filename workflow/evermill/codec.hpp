/// @file
/// How values become payloads: the one customisation point for types of your own.
///
/// Ready: protobuf messages; nlohmann::json; bool, integers, floating point; std::string; std::vector, std::optional and
/// std::map of these; std::vector<std::byte>; every type that nlohmann/json can convert. So for a struct of yours one line
/// is enough:
///
///     struct Order { std::string id; int cents = 0; };
///     NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE(Order, id, cents)
///
/// For another wire format specialise codec:
///
///     template <> struct evermill::codec<Image> {
///       static evermill::payload encode(const Image& image);
///       static Image decode(const evermill::payload& from);   // throws evermill::payload_error
///     };
///
/// Text in JSON must be UTF-8, or encoding throws payload_error; a std::string by itself may hold any bytes. What is encoded
/// must be decodable for as long as instances live that hold it: add fields with defaults, don't rename.
#pragma once

#include <charconv>
#include <concepts>
#include <cstddef>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>
#include <vector>

#include "evermill/exceptions.hpp"
#include "evermill/handles.hpp"
#include "evermill/payload.hpp"

/// @cond
/// An empty optional is JSON's null (nlohmann/json 3.11 does not know std::optional).
template <class T>
struct nlohmann::adl_serializer<std::optional<T>> {
  static void to_json(json& to, const std::optional<T>& from) {
    if (from) {
      to = *from;
    } else {
      to = nullptr;
    }
  }
  static void from_json(const json& from, std::optional<T>& to) {
    if (from.is_null()) {
      to.reset();
    } else {
      to = from.template get<T>();
    }
  }
};
/// @endcond

namespace evermill {

namespace detail {

template <class T>
concept protobuf_message = requires(T t, const T ct, std::string* out, const std::string& in) {
  { ct.SerializeToString(out) } -> std::same_as<bool>;
  { t.ParseFromString(in) } -> std::same_as<bool>;
  { ct.GetTypeName() } -> std::convertible_to<std::string>;
};

template <class T>
concept json_convertible = requires(nlohmann::json j, const T& t) {
  j = t;
  { j.template get<T>() } -> std::same_as<T>;
};

/// Throws payload_error where the payload holds no JSON.
nlohmann::json parse_json(const payload& from);
[[noreturn]] void throw_cannot_decode(const payload& from, std::string_view wanted, std::string_view why);
/// Throws payload_error where a string in it is not UTF-8.
payload encode_json(const nlohmann::json& value);
payload encode_string(const std::string& value);
std::string decode_string(const payload& from);
void expect_type(const payload& from, payload::content_type wanted, std::string_view type_name);

template <class T>
inline constexpr bool is_number = std::is_arithmetic_v<T> && !std::is_same_v<T, bool> && !std::is_same_v<T, char>;

}  // namespace detail

/// Makes payloads of values and values of payloads. This one is for protobuf messages, numbers and every type that
/// nlohmann/json converts; specialise it for another wire format. A type that owns nothing (a reference, pointer or view)
/// does not compile.
template <class T>
struct codec {
  static_assert(detail::owns_itself<T>, "a reference, pointer or view can't be stored: use a type that owns its value");

  /// A protobuf message is serialised, anything else becomes JSON. Throws payload_error for a message that can't be
  /// serialised and for text that is not UTF-8, and whatever the type's own `to_json` throws.
  static payload encode(const T& value) {
    if constexpr (detail::protobuf_message<T>) {
      payload to{payload::content_type::protobuf, std::string(value.GetTypeName()), {}};
      if (!value.SerializeToString(&to.data)) throw payload_error("a protobuf message can't be serialised");
      return to;
    } else if constexpr (detail::is_number<T>) {
      char text[64];
      const auto end = std::to_chars(text, text + sizeof text, value).ptr;
      return json_payload(std::string(text, end));
    } else {
      static_assert(detail::json_convertible<T>,
                    "evermill can't encode this type: give it nlohmann to_json/from_json (for example with "
                    "NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE) or specialise evermill::codec for it");
      return detail::encode_json(value);
    }
  }

  /// Throws payload_error where the payload is of another kind (content type, message type, JSON type), malformed, nested
  /// deeper than 1,000 levels, or a number that a T can't hold.
  static T decode(const payload& from) {
    if constexpr (detail::protobuf_message<T>) {
      T value;
      detail::expect_type(from, payload::content_type::protobuf, value.GetTypeName());
      if (!value.ParseFromString(from.data)) detail::throw_cannot_decode(from, value.GetTypeName(), "malformed");
      return value;
    } else if constexpr (detail::is_number<T>) {
      T value{};
      const char* const end = from.data.data() + from.data.size();
      const auto [stop, error] = std::from_chars(from.data.data(), end, value);
      if (from.type == payload::content_type::json && error == std::errc() && stop == end) return value;
      detail::throw_cannot_decode(from, std::is_integral_v<T> ? "an integer" : "a number",
                                  error == std::errc::result_out_of_range ? "out of range" : "it is something else");
    } else {
      static_assert(detail::json_convertible<T>,
                    "evermill can't decode this type: give it nlohmann to_json/from_json (for example with "
                    "NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE) or specialise evermill::codec for it");
      const nlohmann::json value = detail::parse_json(from);
      try {
        return value.get<T>();
      } catch (const nlohmann::json::exception& error) {
        detail::throw_cannot_decode(from, "another JSON value", error.what());
      }
    }
  }
};

/// A payload is passed on as it is: for code that does not know the type of what it handles.
template <>
struct codec<payload> {
  /// A copy.
  static payload encode(const payload& value) { return value; }
  /// A copy; throws nothing, whatever it holds.
  static payload decode(const payload& from) { return from; }
};

/// Text, or any bytes.
template <>
struct codec<std::string> {
  /// A JSON string, or bytes where the value is not UTF-8.
  static payload encode(const std::string& value) { return detail::encode_string(value); }
  /// Throws payload_error for anything but a JSON string or bytes.
  static std::string decode(const payload& from) { return detail::decode_string(from); }
};

/// Bytes as they are.
template <>
struct codec<std::vector<std::byte>> {
  /// A payload of content type `bytes`.
  static payload encode(const std::vector<std::byte>& value) {
    return {payload::content_type::bytes, {}, {reinterpret_cast<const char*>(value.data()), value.size()}};
  }
  /// Throws payload_error for any other content type.
  static std::vector<std::byte> decode(const payload& from) {
    detail::expect_type(from, payload::content_type::bytes, {});
    const auto* bytes = reinterpret_cast<const std::byte*>(from.data.data());
    return {bytes, bytes + from.data.size()};
  }
};

}  // namespace evermill
