// JSON with places. nlohmann/json decides what is JSON and what a token means; the walk over text that is known to be valid
// finds out where the tokens stand, which it does not tell.
#include <algorithm>

#include "base/text.hpp"
#include "dsl/document_readers.hpp"

namespace evermill::dsl::detail {
namespace {

class json_walk {
 public:
  json_walk(std::string_view text, problems& found, const document_limits& limits)
      : text_(text), lines_(text), found_(found), limits_(limits) {}

  result<node, problem> value(std::size_t depth) {
    skip_blanks();
    if (++nodes_ > limits_.nodes) return refuse("has more than " + std::to_string(limits_.nodes) + " values");
    if (depth > limits_.depth) return refuse("nests deeper than " + std::to_string(limits_.depth) + " levels");
    if (text_[at_] == '{') return object(depth);
    if (text_[at_] == '[') return array(depth);
    return scalar();
  }

 private:
  result<node, problem> object(std::size_t depth) {
    node made{.what = node::kind::mapping, .at = lines_.at(at_)};
    ++at_;
    for (skip_blanks(); text_[at_] != '}'; skip_blanks()) {
      if (text_[at_] == ',') {
        ++at_;
        continue;
      }
      const position key_at = lines_.at(at_);
      std::string key = json::parse(token()).get<std::string>();
      skip_blanks();
      ++at_;  // the colon
      auto member = value(depth + 1);
      if (!member) return member;
      made.members.push_back({std::move(key), key_at, std::move(*member)});
    }
    ++at_;
    refuse_duplicates(made, found_);
    return made;
  }

  result<node, problem> array(std::size_t depth) {
    node made{.what = node::kind::sequence, .at = lines_.at(at_)};
    ++at_;
    for (skip_blanks(); text_[at_] != ']'; skip_blanks()) {
      if (text_[at_] == ',') {
        ++at_;
        continue;
      }
      auto item = value(depth + 1);
      if (!item) return item;
      made.items.push_back(std::move(*item));
    }
    ++at_;
    return made;
  }

  result<node, problem> scalar() {
    node made{.at = lines_.at(at_)};
    const std::string_view raw = token();
    made.scalar = json::parse(raw);
    made.what = made.scalar.is_string()    ? node::kind::string
                : made.scalar.is_number()  ? node::kind::number
                : made.scalar.is_boolean() ? node::kind::boolean
                                           : node::kind::null;
    if (made.is(node::kind::string) && raw.size() == made.text().size() + 2) {  // no escapes
      made.layout = {.what = scalar_layout::kind::exact, .before = 1};
    }
    return made;
  }

  /// A string with its quotes, a number or a word.
  std::string_view token() {
    const std::size_t start = at_;
    if (text_[at_] != '"') {
      at_ = std::min(text_.find_first_of(" \t\r\n,]}:", at_), text_.size());
    } else {
      for (++at_; text_[at_] != '"'; ++at_) {
        if (text_[at_] == '\\') ++at_;
      }
      ++at_;
    }
    return text_.substr(start, at_ - start);
  }

  void skip_blanks() { at_ = std::min(text_.find_first_not_of(" \t\r\n", at_), text_.size()); }

  tl::unexpected<problem> refuse(const std::string& why) const {
    return unexpected(problem{.at = lines_.at(at_), .rule = rule::limit, .message = "the file " + why});
  }

  std::string_view text_;
  text_lines lines_;
  problems& found_;
  const document_limits& limits_;
  std::size_t at_ = 0;
  std::size_t nodes_ = 0;
};

/// What the parser says after its own account of the place.
std::string json_reason(const std::string& what) {
  const std::size_t at = what.find("; last read");
  const std::size_t start = what.find("syntax error");
  return start == std::string::npos ? what : what.substr(start, at == std::string::npos ? at : at - start);
}

}  // namespace

result<node, problem> read_json_document(std::string_view text, problems& found, const document_limits& limits) {
  if (nests_too_deeply(text)) {
    return unexpected(problem{.at = {1, 1},
                              .rule = rule::limit,
                              .message = "the file nests deeper than " + std::to_string(limits.depth) + " levels"});
  }
  try {
    [[maybe_unused]] const json accepted = json::parse(text);
  } catch (const json::parse_error& error) {
    const std::size_t offset = error.byte == 0 ? 0 : error.byte - 1;
    return unexpected(problem{
        .at = text_lines(text).at(offset), .rule = rule::syntax, .message = "this is no JSON: " + json_reason(error.what())});
  } catch (const json::exception& error) {
    return unexpected(problem{.at = {1, 1}, .rule = rule::syntax, .message = std::string("this is no JSON: ") + error.what()});
  }
  return json_walk(text, found, limits).value(1);
}

}  // namespace evermill::dsl::detail
