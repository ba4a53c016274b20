#include "server/security/option_fields.hpp"

#include <algorithm>
#include <utility>

#include "base/spelling.hpp"
#include "server/security/grants_json.hpp"
#include "server/security/time_text.hpp"

namespace evermill::server::security {

using kind = dsl::node::kind;

option_fields::option_fields(dsl::problems& found, const dsl::node& of, std::string pointer, std::string what,
                             std::vector<std::string> known)
    : found_(found), of_(of), pointer_(std::move(pointer)), what_(std::move(what)) {
  if (!*this) {
    report(dsl::rule::type, what_ + " must be an object, not " + std::string(dsl::kind_name(of.what)));
    return;
  }
  for (const dsl::node::member& member : of.members) {
    if (std::find(known.begin(), known.end(), member.key) != known.end()) continue;
    const std::string like = nearest(member.key, known);
    dsl::problem wrong{member.key_at,
                       dsl::rule::unknown_property,
                       dsl::severity::error,
                       this->pointer(member.key),
                       what_ + " has no property " + dsl::in_quotes(member.key),
                       like.empty() ? std::string() : "did you mean \"" + like + "\"?"};
    found_.push_back(std::move(wrong));
  }
}

std::string option_fields::pointer(std::string_view key) const { return pointer_ + "/" + dsl::pointer_token(key); }

void option_fields::report(const dsl::node& at, std::string_view key, dsl::rule which, std::string message,
                           std::string hint) const {
  dsl::problem wrong{at.at, which, dsl::severity::error, pointer(key), std::move(message), std::move(hint)};
  found_.push_back(std::move(wrong));
}

void option_fields::report(dsl::rule which, std::string message, std::string hint) const {
  dsl::problem wrong{of_.at, which, dsl::severity::error, pointer_, std::move(message), std::move(hint)};
  found_.push_back(std::move(wrong));
}

bool option_fields::need(std::string_view key) const {
  if (!*this || has(key)) return has(key);
  report(dsl::rule::missing_property, what_ + " needs the property " + dsl::in_quotes(key));
  return false;
}

bool option_fields::expect(const dsl::node& value, std::string_view key, kind what) const {
  if (value.is(what)) return true;
  report(
      value, key, dsl::rule::type,
      dsl::in_quotes(key) + " must be " + std::string(dsl::kind_name(what)) + ", not " + std::string(dsl::kind_name(value.what)));
  return false;
}

std::string option_fields::text(std::string_view key, std::string otherwise) const {
  const dsl::node* const value = find(key);
  if (value == nullptr || !expect(*value, key, kind::string)) return otherwise;
  if (!value->text().empty()) return value->text();
  report(*value, key, dsl::rule::value, dsl::in_quotes(key) + " is empty");
  return otherwise;
}

bool option_fields::boolean(std::string_view key, bool otherwise) const {
  const dsl::node* const value = find(key);
  return value != nullptr && expect(*value, key, kind::boolean) ? value->scalar.get<bool>() : otherwise;
}

double option_fields::number(std::string_view key, double low, double high, double otherwise) const {
  const dsl::node* const value = find(key);
  if (value == nullptr || !expect(*value, key, kind::number)) return otherwise;
  const double given = value->scalar.get<double>();
  if (given >= low && given <= high) return given;
  report(*value, key, dsl::rule::value,
         dsl::in_quotes(key) + " must be from " + dsl::json(low).dump() + " to " + dsl::json(high).dump());
  return otherwise;
}

std::uint64_t option_fields::whole(std::string_view key, std::uint64_t low, std::uint64_t high, std::uint64_t otherwise) const {
  const dsl::node* const value = find(key);
  if (value == nullptr || !expect(*value, key, kind::number)) return otherwise;
  if (value->scalar.is_number_unsigned() || (value->scalar.is_number_integer() && value->scalar.get<std::int64_t>() >= 0)) {
    const auto given = value->scalar.get<std::uint64_t>();
    if (given >= low && given <= high) return given;
  }
  report(*value, key, dsl::rule::value,
         dsl::in_quotes(key) + " must be a whole number from " + std::to_string(low) + " to " + std::to_string(high));
  return otherwise;
}

std::chrono::microseconds option_fields::duration(std::string_view key, std::chrono::microseconds low,
                                                  std::chrono::microseconds high, std::chrono::microseconds otherwise) const {
  const dsl::node* const value = find(key);
  if (value == nullptr || !expect(*value, key, kind::string)) return otherwise;
  const auto given = read_duration(value->text());
  if (given && *given >= low && *given <= high) return *given;
  report(*value, key, dsl::rule::duration,
         given ? dsl::in_quotes(key) + " is too short or too long" : dsl::in_quotes(value->text()) + " is no duration",
         given ? "" : "write 500ms, 45s, 10m, 12h or 90d");
  return otherwise;
}

std::vector<std::string> option_fields::texts(std::string_view key) const {
  const dsl::node* const value = find(key);
  if (value == nullptr) return {};
  if (!value->is(kind::sequence)) {
    std::string one = text(key);
    return one.empty() ? std::vector<std::string>() : std::vector<std::string>{std::move(one)};
  }
  std::vector<std::string> all;
  for (const dsl::node& each : value->items) {
    if (!expect(each, key, kind::string)) continue;
    if (each.text().empty()) report(each, key, dsl::rule::value, dsl::in_quotes(key) + " has an empty text");
    all.push_back(each.text());
  }
  if (value->items.empty()) report(*value, key, dsl::rule::value, dsl::in_quotes(key) + " is an empty list");
  return all;
}

std::vector<grant> option_fields::grants(std::string_view key) const {
  std::vector<grant> all;
  for (const auto& [item, where] : items(key)) {
    auto read = grants_of(dsl::to_json(*item));
    if (!read) {
      dsl::problem wrong{item->at,
                         dsl::rule::value,
                         dsl::severity::error,
                         where,
                         "this is no grant: " + read.error(),
                         "for example: { scope: operate, namespaces: [shop] }"};
      found_.push_back(std::move(wrong));
      continue;
    }
    for (grant& each : *read) all.push_back(std::move(each));
  }
  return all;
}

std::vector<std::pair<const dsl::node*, std::string>> option_fields::items(std::string_view key) const {
  std::vector<std::pair<const dsl::node*, std::string>> all;
  const dsl::node* const value = find(key);
  if (value == nullptr || !expect(*value, key, kind::sequence)) return all;
  for (std::size_t i = 0; i < value->items.size(); ++i)
    all.emplace_back(&value->items[i], pointer(key) + "/" + std::to_string(i));
  return all;
}

}  // namespace evermill::server::security
