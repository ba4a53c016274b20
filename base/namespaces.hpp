// Namespaces of executions, as ids have them: an id of the namespace "shop" is kept as 1f "shop" 1f ID, one of the default
// namespace as it is. Names of users hold no control characters, so that nobody can write an id of another namespace. What looks
// into such ids, or makes them, does it here.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace evermill::namespaces {

inline constexpr std::string_view default_name = "default";
inline constexpr char mark = '\x1f';
/// The longest name of a namespace.
inline constexpr std::size_t max_bytes = 64;

/// Nothing, or what is wrong with a name: it has 1 to 64 letters, digits, '-', '_' and '.', and begins with a letter or a digit.
std::optional<std::string> why_no_namespace(std::string_view name);
bool is_default(std::string_view name) noexcept;  ///< "" is, too

/// What each kept id of the namespace begins with, and none of another one: "" for the default namespace, whose ids have no mark.
std::string prefix_of(std::string_view name_space);
/// The id as it is kept.
std::string qualified(std::string_view name_space, std::string_view id);
/// The same with a mark where it is the default one, too: of what is to be looked for there and nowhere else.
std::string marked(std::string_view name_space, std::string_view text);
/// The id as it is kept of what has this name in the namespace of another kept id.
std::string beside(std::string_view kept, std::string_view id);

struct parts {
  std::string_view name_space;  ///< "default" where the id has no mark
  std::string_view id;          ///< as users know it
};
/// Views of `kept`. Takes anything: what is not well-formed is an id of the default namespace.
parts split(std::string_view kept) noexcept;
std::string_view name_of(std::string_view kept) noexcept;   ///< of the namespace
std::string_view plain(std::string_view kept) noexcept;     ///< the id as users know it
std::string_view prefix_in(std::string_view kept) noexcept;  ///< what prefix_of gives for its namespace
bool same(std::string_view kept, std::string_view other) noexcept;  ///< Are both of one namespace?

/// As why_no_name: of an id as it is kept.
std::optional<std::string> why_no_kept_id(std::string_view kept);

/// What is told of a namespace that is not there, or is not open to whoever asks.
std::string unknown_text(std::string_view name);

/// Text for people: each id in it as users know it.
std::string shown(std::string text);

}  // namespace evermill::namespaces
