// A YAML or JSON text as a tree that knows where in the text each value stands.
//
// YAML 1.2 with its core schema (yaml.org/spec/1.2.2, chapter 10.3): `no`, `on` and `yes` are strings. What JSON can't hold is
// refused: keys that are no scalars, infinities, tags other than those of the core schema, several documents in one file.
#pragma once

#include <cstddef>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "dsl/problem.hpp"
#include "evermill/result.hpp"

namespace evermill::dsl {

using json = nlohmann::json;

/// Bounds of what is read. They keep a file of a few bytes from filling the memory (aliases of aliases of …), and a deep
/// one from filling the stack.
struct document_limits {
  std::size_t bytes = std::size_t{4} << 20;
  std::size_t nodes = 200'000;  ///< aliases count as what they stand for
  std::size_t depth = 200;
};

/// Where a scalar's characters stand in the text: what its value says at `offset` may lie on another line.
struct scalar_layout {
  enum class kind : std::uint8_t {
    unknown,  ///< escapes or folded lines: only the scalar's start is known
    exact,    ///< the value is a part of one line of the text
    block,    ///< a literal block (`|`): its lines are the value's, indented
  };
  kind what = kind::unknown;
  std::uint32_t before = 0;  ///< exact: characters between the start and the value (a quote); block: the indentation
};

/// One value. Plain data: whoever has the tree owns all of it.
struct node {
  struct member;
  enum class kind : std::uint8_t { null, boolean, number, string, sequence, mapping };

  kind what = kind::null;
  position at;
  scalar_layout layout;
  json scalar;                  ///< the value, unless it is a sequence or mapping
  std::vector<node> items;      ///< of a sequence
  std::vector<member> members;  ///< of a mapping, in the order of the text

  bool is(kind other) const noexcept { return what == other; }
  /// The text of a string; CHECKs that it is one.
  const std::string& text() const;
  /// The member's value, or nullptr. A key that stands twice: the first.
  const node* find(std::string_view key) const noexcept;
  /// Where the byte `offset` of a string's value stands in the text, as far as that can be told.
  position within(std::size_t offset) const;
};

struct node::member {
  std::string key;
  position key_at;
  node value;
};

/// "an object", "a list", "a string", …: for messages.
std::string_view kind_name(node::kind what) noexcept;

/// The value without its places. A key that stands twice: the first.
json to_json(const node& from);

enum class text_format : std::uint8_t {
  detect,  ///< JSON where the text is JSON, else YAML
  yaml,
  json,
};

/// The tree, or why there is none. A tree may come with problems nevertheless: keys that stand twice are added to `found`.
/// Throws std::bad_alloc only.
result<node, problem> read_document(std::string_view text, text_format format, problems& found,
                                    const document_limits& limits = {});

}  // namespace evermill::dsl
