// YAML with places. yaml-cpp's events, not its nodes: its nodes expand aliases without a bound, let the last of equal keys win,
// and its conversions know YAML 1.1's booleans.
#include <yaml-cpp/depthguard.h>
#include <yaml-cpp/eventhandler.h>
#include <yaml-cpp/exceptions.h>
#include <yaml-cpp/parser.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <map>
#include <optional>
#include <sstream>

#include "dsl/document_readers.hpp"

namespace evermill::dsl::detail {
namespace {

constexpr std::string_view core_tag = "tag:yaml.org,2002:";

/// Ends the reading of a text that is no tree.
struct refusal {
  problem why;
};

std::size_t count_nodes(const node& of) {
  std::size_t count = 1;
  for (const node& item : of.items) count += count_nodes(item);
  for (const node::member& member : of.members) count += count_nodes(member.value);
  return count;
}

std::size_t depth_of(const node& of) {
  std::size_t deepest = 0;
  for (const node& item : of.items) deepest = std::max(deepest, depth_of(item));
  for (const node::member& member : of.members) deepest = std::max(deepest, depth_of(member.value));
  return deepest + 1;
}

bool all_digits(std::string_view text) {
  return !text.empty() && std::all_of(text.begin(), text.end(), [](char c) { return c >= '0' && c <= '9'; });
}

template <class T>
std::optional<T> parsed(std::string_view digits, int base) {
  T value{};
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), value, base);
  if (error != std::errc() || end != digits.data() + digits.size()) return std::nullopt;
  return value;
}

/// `[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?`
bool is_float(std::string_view text) {
  if (text.starts_with('-') || text.starts_with('+')) text.remove_prefix(1);
  if (const std::size_t e = text.find_first_of("eE"); e != std::string_view::npos) {
    std::string_view power = text.substr(e + 1);
    if (power.starts_with('-') || power.starts_with('+')) power.remove_prefix(1);
    if (!all_digits(power)) return false;
    text = text.substr(0, e);
  }
  const std::size_t point = text.find('.');
  if (point == std::string_view::npos) return all_digits(text);
  const std::string_view whole = text.substr(0, point), fraction = text.substr(point + 1);
  if (whole.empty()) return all_digits(fraction);
  return all_digits(whole) && (fraction.empty() || all_digits(fraction));
}

std::optional<json> core_integer(std::string_view text) {
  if (text.starts_with("0x")) {
    if (const auto value = parsed<std::uint64_t>(text.substr(2), 16)) return json(*value);
    return std::nullopt;
  }
  if (text.starts_with("0o")) {
    if (const auto value = parsed<std::uint64_t>(text.substr(2), 8)) return json(*value);
    return std::nullopt;
  }
  std::string_view digits = text;
  if (digits.starts_with('+')) digits.remove_prefix(1);
  if (!all_digits(digits.starts_with('-') ? digits.substr(1) : digits)) return std::nullopt;
  if (const auto value = parsed<std::int64_t>(digits, 10)) return json(*value);
  if (const auto value = parsed<std::uint64_t>(digits, 10)) return json(*value);
  return std::nullopt;  // too large for an integer: a float
}

std::optional<json> core_float(std::string_view text) {
  if (!is_float(text)) return std::nullopt;
  if (text.starts_with('+')) text.remove_prefix(1);
  double value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size() || !std::isfinite(value)) return std::nullopt;
  return json(value);
}

bool is_not_finite(std::string_view text) {
  if (text == ".nan" || text == ".NaN" || text == ".NAN") return true;
  if (text.starts_with('-') || text.starts_with('+')) text.remove_prefix(1);
  return text == ".inf" || text == ".Inf" || text == ".INF";
}

/// What a plain scalar is in the core schema.
json core_scalar(const std::string& text) {
  if (text == "true" || text == "True" || text == "TRUE") return true;
  if (text == "false" || text == "False" || text == "FALSE") return false;
  if (text == "null" || text == "Null" || text == "NULL" || text == "~" || text.empty()) return nullptr;
  if (auto integer = core_integer(text)) return std::move(*integer);
  if (auto number = core_float(text)) return std::move(*number);
  return text;
}

node::kind kind_of(const json& scalar) {
  if (scalar.is_string()) return node::kind::string;
  if (scalar.is_boolean()) return node::kind::boolean;
  return scalar.is_number() ? node::kind::number : node::kind::null;
}

/// What to do about some of yaml-cpp's errors, which come from expressions that are not quoted.
std::string yaml_hint(const std::string& message) {
  if (message == "illegal map value") return "text with a colon and a blank in it needs quotes around it";
  if (message.starts_with("unknown escape character"))
    return "within double quotes a backslash is written twice; within single quotes once";
  if (message.starts_with("end of map flow") || message.starts_with("end of sequence flow")) {
    return "an expression within { } or [ ] needs quotes around it";
  }
  if (message == "unknown token") return "text that begins with a sign such as @ or ` needs quotes around it";
  return {};
}

class tree_builder final : public YAML::EventHandler {
 public:
  tree_builder(std::string_view text, problems& found, const document_limits& limits)
      : text_(text), lines_(text), found_(found), limits_(limits) {}

  std::optional<node> take() { return std::move(root_); }

  void OnDocumentStart(const YAML::Mark& mark) override {
    if (root_) refuse(at(mark), rule::syntax, "a second document begins here", "write one workflow a file");
  }
  void OnDocumentEnd() override {}

  void OnNull(const YAML::Mark& mark, YAML::anchor_t anchor) override { add({.at = at(mark)}, anchor, {}); }

  void OnAlias(const YAML::Mark& mark, YAML::anchor_t anchor) override {
    const auto known = anchored_.find(anchor);
    if (known == anchored_.end()) refuse(at(mark), rule::syntax, "this alias stands within what it stands for");
    count(at(mark), count_nodes(known->second), depth_of(known->second));
    std::string key = known->second.is(node::kind::string) ? known->second.text() : known->second.scalar.dump();
    node copy = known->second;
    if (expects_key()) copy.at = at(mark);
    place(std::move(copy), std::move(key));
  }

  void OnScalar(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor, const std::string& value) override {
    node made{.at = at(mark)};
    made.scalar = resolved(made.at, tag, value);
    made.what = kind_of(made.scalar);
    if (made.is(node::kind::string)) made.layout = layout_of(mark, value);
    add(std::move(made), anchor, value);
  }

  void OnSequenceStart(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                       YAML::EmitterStyle::value) override {
    open(mark, tag, anchor, node::kind::sequence, "seq");
  }
  void OnSequenceEnd() override { close(); }
  void OnMapStart(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor, YAML::EmitterStyle::value) override {
    open(mark, tag, anchor, node::kind::mapping, "map");
  }
  void OnMapEnd() override { close(); }

 private:
  struct frame {
    node made;
    YAML::anchor_t anchor = 0;
    std::optional<std::string> key;  ///< of the member whose value comes next
    position key_at;
  };

  [[noreturn]] static void refuse(position at, rule which, std::string message, std::string hint = {}) {
    throw refusal{{.at = at, .rule = which, .message = std::move(message), .hint = std::move(hint)}};
  }

  position at(const YAML::Mark& mark) const { return lines_.at(mark.pos < 0 ? 0 : static_cast<std::size_t>(mark.pos)); }
  bool expects_key() const { return !open_.empty() && open_.back().made.is(node::kind::mapping) && !open_.back().key; }

  void count(position at, std::size_t nodes, std::size_t depth) {
    nodes_ += nodes;
    if (nodes_ > limits_.nodes) {
      refuse(at, rule::limit, "the file has more than " + std::to_string(limits_.nodes) + " values",
             "aliases count as what they stand for");
    }
    if (open_.size() + depth > limits_.depth) {
      refuse(at, rule::limit, "the file nests deeper than " + std::to_string(limits_.depth) + " levels");
    }
  }

  static json resolved(position at, const std::string& tag, const std::string& value) {
    if (tag == "!") return value;
    if (tag == "?" || tag.empty()) {
      if (is_not_finite(value)) refuse(at, rule::value, "JSON has no number " + in_quotes(value), "quote it where it is text");
      return core_scalar(value);
    }
    if (tag == std::string(core_tag) + "str") return value;
    const json plain = core_scalar(value);
    const bool fits = (tag == std::string(core_tag) + "int" && plain.is_number_integer()) ||
                      (tag == std::string(core_tag) + "float" && plain.is_number()) ||
                      (tag == std::string(core_tag) + "bool" && plain.is_boolean()) ||
                      (tag == std::string(core_tag) + "null" && plain.is_null());
    if (!fits) refuse(at, rule::syntax, "the tag " + in_quotes(tag) + " can't be used for " + in_quotes(value));
    return plain;
  }

  scalar_layout layout_of(const YAML::Mark& mark, const std::string& value) const {
    const std::size_t start = mark.pos < 0 ? text_.size() : static_cast<std::size_t>(mark.pos);
    if (start >= text_.size()) return {};
    if (value.find('\n') == std::string::npos) {
      const std::uint32_t quote = text_[start] == '"' || text_[start] == '\'' ? 1 : 0;
      if (text_.compare(start + quote, value.size(), value) == 0) return {scalar_layout::kind::exact, quote};
    }
    if (text_[start] != '|') return {};
    const std::string_view first = lines_.line(lines_.at(start).line + std::size_t{1});
    const std::size_t indentation = first.find_first_not_of(' ');
    const std::string_view said = std::string_view(value).substr(0, value.find('\n'));
    if (indentation == std::string_view::npos || first.substr(indentation) != said) return {};
    return {scalar_layout::kind::block, static_cast<std::uint32_t>(indentation)};
  }

  void add(node made, YAML::anchor_t anchor, std::string as_key) {
    count(made.at, 1, 1);
    if (anchor != 0) anchored_[anchor] = made;
    place(std::move(made), std::move(as_key));
  }

  void open(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor, node::kind what, std::string_view name) {
    const position place = at(mark);
    if (expects_key()) refuse(place, rule::syntax, "a key must be text, not " + std::string(kind_name(what)));
    if (tag != "?" && tag != "!" && !tag.empty() && tag != std::string(core_tag).append(name)) {
      refuse(place, rule::syntax, "the tag " + in_quotes(tag) + " can't be used here");
    }
    count(place, 1, 1);
    open_.push_back({.made = {.what = what, .at = place}, .anchor = anchor});
  }

  void close() {
    frame done = std::move(open_.back());
    open_.pop_back();
    refuse_duplicates(done.made, found_);
    if (done.anchor != 0) anchored_[done.anchor] = done.made;
    place(std::move(done.made), {});
  }

  void place(node made, std::string as_key) {
    if (open_.empty()) {
      root_ = std::move(made);
      return;
    }
    frame& within = open_.back();
    if (within.made.is(node::kind::sequence)) {
      within.made.items.push_back(std::move(made));
    } else if (within.key) {
      within.made.members.push_back({std::move(*within.key), within.key_at, std::move(made)});
      within.key.reset();
    } else {
      if (made.is(node::kind::sequence) || made.is(node::kind::mapping)) {
        refuse(made.at, rule::syntax, "a key must be text, not " + std::string(kind_name(made.what)));
      }
      within.key = std::move(as_key);
      within.key_at = made.at;
    }
  }

  std::string_view text_;
  text_lines lines_;
  problems& found_;
  const document_limits& limits_;
  std::vector<frame> open_;
  std::map<YAML::anchor_t, node> anchored_;
  std::optional<node> root_;
  std::size_t nodes_ = 0;
};

}  // namespace

result<node, problem> read_yaml_document(std::string_view text, problems& found, const document_limits& limits) {
  tree_builder builder(text, found, limits);
  std::istringstream in{std::string(text)};
  try {
    YAML::Parser parser(in);
    while (parser.HandleNextDocument(builder)) {
    }
  } catch (const refusal& refused) {
    return unexpected(refused.why);
  } catch (const YAML::DeepRecursion& deep) {
    return unexpected(problem{.at = text_lines(text).at(static_cast<std::size_t>(std::max(0, deep.mark.pos))),
                              .rule = rule::limit,
                              .message = "the file nests deeper than " + std::to_string(limits.depth) + " levels"});
  } catch (const YAML::Exception& error) {
    return unexpected(problem{.at = text_lines(text).at(static_cast<std::size_t>(std::max(0, error.mark.pos))),
                              .rule = rule::syntax,
                              .message = "this is no YAML: " + error.msg,
                              .hint = yaml_hint(error.msg)});
  }
  std::optional<node> root = builder.take();
  if (!root) return unexpected(problem{.at = {1, 1}, .rule = rule::syntax, .message = "the file holds no value"});
  return std::move(*root);
}

}  // namespace evermill::dsl::detail
