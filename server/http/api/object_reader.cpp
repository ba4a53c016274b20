#include "server/http/api/object_reader.hpp"

#include <algorithm>
#include <array>
#include <memory>
#include <nlohmann/json.hpp>

#include "base/encodings.hpp"
#include "base/spelling.hpp"
#include "base/text.hpp"
#include "server/http/api/json_writer.hpp"
#include "server/http/api/problem.hpp"

namespace evermill::server::http::api {
namespace {

using std::chrono::microseconds;

constexpr microseconds longest = std::chrono::hours(24) * 365'000;
constexpr int max_read_causes = 16;

std::string in_quotes(std::string_view text) {
  std::string quotes("\"");
  quotes.append(to_utf8(std::string(text.substr(0, 100)))).push_back('"');
  return quotes;
}

struct unit {
  std::string_view name;
  microseconds length;
};
constexpr std::array units{unit{"us", microseconds(1)},        unit{"ms", std::chrono::milliseconds(1)},
                           unit{"s", std::chrono::seconds(1)}, unit{"m", std::chrono::minutes(1)},
                           unit{"h", std::chrono::hours(1)},   unit{"d", std::chrono::hours(24)}};

bool is_digit(char c) { return c >= '0' && c <= '9'; }

/// Takes digits off the front; nothing: there are none, or too many.
std::optional<std::int64_t> take_number(std::string_view& text, std::size_t max_digits) {
  std::int64_t number = 0;
  std::size_t digits = 0;
  while (digits < text.size() && is_digit(text[digits])) {
    if (digits == max_digits) return std::nullopt;
    number = number * 10 + (text[digits++] - '0');
  }
  text.remove_prefix(digits);
  return digits == 0 ? std::nullopt : std::optional(number);
}

/// One number with its unit.
std::optional<microseconds> take_part(std::string_view& text) {
  const auto whole = take_number(text, 12);
  if (!whole) return std::nullopt;
  double fraction = 0;
  if (text.starts_with('.')) {
    text.remove_prefix(1);
    const std::string_view digits = text;
    const auto after = take_number(text, 9);
    if (!after) return std::nullopt;
    fraction = static_cast<double>(*after);
    for (std::size_t i = 0; i < digits.size() - text.size(); ++i) fraction /= 10;
  }
  const std::string_view name = text.substr(0, std::min(text.find_first_of("0123456789"), text.size()));
  for (const unit& each : units) {
    if (each.name != name || *whole > longest / each.length) continue;
    text.remove_prefix(name.size());
    return *whole * each.length +
           microseconds(static_cast<std::int64_t>(fraction * static_cast<double>(each.length.count()) + 0.5));
  }
  return std::nullopt;
}

/// Two digits up to `most`.
std::optional<int> take_two(std::string_view& text, int most) {
  if (text.size() < 2 || !is_digit(text[0]) || !is_digit(text[1])) return std::nullopt;
  const int number = (text[0] - '0') * 10 + (text[1] - '0');
  text.remove_prefix(2);
  return number <= most ? std::optional(number) : std::nullopt;
}

bool take_mark(std::string_view& text, char upper, char lower) {
  if (text.empty() || (text.front() != upper && text.front() != lower)) return false;
  text.remove_prefix(1);
  return true;
}

std::optional<microseconds> take_clock(std::string_view& text) {
  const auto hours = take_two(text, 23);
  if (!hours || !take_mark(text, ':', ':')) return std::nullopt;
  const auto minutes = take_two(text, 59);
  if (!minutes) return std::nullopt;
  return std::chrono::hours(*hours) + std::chrono::minutes(*minutes);
}

std::optional<microseconds> take_seconds(std::string_view& text) {
  if (!take_mark(text, ':', ':')) return std::nullopt;
  const auto seconds = take_two(text, 60);
  if (!seconds) return std::nullopt;
  std::int64_t micros = 0;
  if (take_mark(text, '.', '.')) {
    std::int64_t worth = 100'000;
    if (text.empty() || !is_digit(text.front())) return std::nullopt;
    for (; !text.empty() && is_digit(text.front()); text.remove_prefix(1), worth /= 10)
      micros += (text.front() - '0') * worth;
  }
  return std::chrono::seconds(*seconds) + microseconds(micros);
}

std::optional<microseconds> take_offset(std::string_view& text) {
  if (take_mark(text, 'Z', 'z')) return microseconds(0);
  const bool behind = text.starts_with('-');
  if (!take_mark(text, '+', '-')) return std::nullopt;
  const auto offset = take_clock(text);
  return offset ? std::optional(behind ? -*offset : *offset) : std::nullopt;
}

std::optional<failure_kind> kind_named(std::string_view name) {
  for (int i = 0; i <= static_cast<int>(failure_kind::heartbeat); ++i) {
    if (name_of(static_cast<failure_kind>(i)) == name) return static_cast<failure_kind>(i);
  }
  return std::nullopt;
}

std::size_t depth_of(std::string_view place) {
  return static_cast<std::size_t>(std::count(place.begin(), place.end(), '.'));
}

}  // namespace

object_reader::object_reader(std::string_view checked, std::string place) : place_(std::move(place)) {
  const std::string_view text = trimmed(checked);
  if (!text.starts_with('{')) {
    const std::string what = place_.empty() ? "the body" : place_.substr(0, place_.size() - 1);
    throw problem(problem_kind::invalid_body, what + " is no JSON object");
  }
  parts_ = parts_of(text);
}

const json_part* object_reader::find(std::string_view name) const {
  const auto found =
      std::find_if(parts_.begin(), parts_.end(), [&](const json_part& each) { return each.name == name; });
  return found == parts_.end() ? nullptr : &*found;
}

const json_part* object_reader::take(std::string_view name) {
  known_.emplace_back(name);
  const json_part* const found = find(name);
  return found == nullptr || found->value == "null" ? nullptr : found;
}

bool object_reader::has(std::string_view name) const { return find(name) != nullptr; }

void object_reader::refuse(std::string_view name, const std::string& why) const {
  throw problem(problem_kind::invalid_body, "\"" + place_of(name) + "\" " + why);
}

std::string object_reader::text(std::string_view name) {
  const json_part* const found = take(name);
  if (found == nullptr) return {};
  if (!found->value.starts_with('"')) refuse(name, "is no string");
  return nlohmann::json::parse(found->value).get<std::string>();
}

std::string object_reader::need_text(std::string_view name) {
  std::string value = text(name);
  if (value.empty()) refuse(name, has(name) ? "is empty" : "is missing" + instead_of(name));
  return value;
}

/// What somebody may have meant by a member that is missing.
std::string object_reader::instead_of(std::string_view name) const {
  std::vector<std::string> others;
  for (const json_part& each : parts_) {
    if (std::find(known_.begin(), known_.end(), each.name) == known_.end()) others.push_back(each.name);
  }
  const std::string near = nearest(name, others);
  return near.empty() ? "" : "; there is \"" + to_utf8(near) + "\", which is unknown here";
}

bool object_reader::boolean(std::string_view name) {
  const json_part* const found = take(name);
  if (found == nullptr || found->value == "false") return false;
  if (found->value != "true") refuse(name, "is neither true nor false");
  return true;
}

microseconds object_reader::duration(std::string_view name) {
  const std::string value = text(name);
  if (value.empty()) return microseconds(0);
  const auto length = parse_duration(value);
  if (!length)
    refuse(name, "is no duration: " + in_quotes(value) + "; write for example \"30s\", \"1.5h\" or \"1h30m\"");
  return *length;
}

std::optional<payload> object_reader::value(std::string_view name) {
  const std::string encoded = std::string(name) + "_payload";
  known_.emplace_back(name);
  const json_part* const plain = find(name);
  const auto other = object(encoded);
  if (plain != nullptr && other)
    refuse(encoded, "stands beside \"" + std::string(name) + "\"; only one of them can be");
  if (plain != nullptr) return json_payload(compact(plain->value));
  if (!other) return std::nullopt;
  object_reader members(*other, place_ + encoded + ".");
  std::string type = members.need_text("content_type");
  const std::string message = members.text("type_name");
  const auto data = base64_decoded(members.text("data"));
  if (!data) members.refuse("data", "is no base64");
  members.finish();
  payload made = payload_of(type, *data);
  if (made.type == payload::content_type::protobuf && !message.empty()) made.type_name = message;
  if (made.type == payload::content_type::json) {
    if (const auto why = why_no_json(made.data)) members.refuse("data", "is not the JSON that it should be: " + *why);
  }
  return made;
}

std::optional<std::string_view> object_reader::object(std::string_view name) {
  const json_part* const found = take(name);
  if (found == nullptr) return std::nullopt;
  if (!found->value.starts_with('{')) refuse(name, "is no object");
  return found->value;
}

std::optional<std::string_view> object_reader::array(std::string_view name) {
  const json_part* const found = take(name);
  if (found == nullptr) return std::nullopt;
  if (!found->value.starts_with('[')) refuse(name, "is no array");
  return found->value;
}

std::optional<evermill::failure> object_reader::failure(std::string_view name) {
  const auto found = object(name);
  if (!found) return std::nullopt;
  return object_reader(*found, place_of(name) + ".").as_failure();
}

evermill::failure object_reader::as_failure() {
  if (depth_of(place_) > max_read_causes) refuse("cause", "has more causes behind it than are kept");
  evermill::failure why;
  if (const std::string kind = text("kind"); !kind.empty()) {
    const auto known = kind_named(kind);
    if (!known) refuse("kind", "is no kind of failure: " + in_quotes(kind));
    why.kind = *known;
  }
  why.type = text("type");
  why.message = text("message");
  why.details = value("details");
  why.non_retryable = boolean("non_retryable");
  if (has("next_retry_delay")) why.next_retry_delay = duration("next_retry_delay");
  static_cast<void>(take("next_retry_delay"));
  if (auto cause = failure("cause")) why.cause = std::make_shared<const evermill::failure>(std::move(*cause));
  finish();
  return why;
}

void object_reader::finish() const {
  for (const json_part& each : parts_) {
    if (std::find(known_.begin(), known_.end(), each.name) != known_.end()) continue;
    const std::string near = nearest(each.name, known_);
    refuse(to_utf8(each.name.substr(0, 100)),
           "is unknown here" + (near.empty() ? "" : "; did you mean \"" + near + "\"?"));
  }
}

std::optional<microseconds> parse_duration(std::string_view text) {
  if (text.empty()) return std::nullopt;
  microseconds sum{0};
  while (!text.empty()) {
    const auto part = take_part(text);
    if (!part || *part > longest - sum) return std::nullopt;
    sum += *part;
  }
  return sum;
}

std::optional<timestamp> parse_time(std::string_view text) {
  const auto century = take_two(text, 99);
  const auto year = take_two(text, 99);
  if (!century || !year || !take_mark(text, '-', '-')) return std::nullopt;
  const auto month = take_two(text, 12);
  if (!month || !take_mark(text, '-', '-')) return std::nullopt;
  const auto day = take_two(text, 31);
  if (!day || !take_mark(text, 'T', 't')) return std::nullopt;
  const auto minutes = take_clock(text);
  const auto seconds = minutes ? take_seconds(text) : std::nullopt;
  const auto offset = seconds ? take_offset(text) : std::nullopt;
  const std::chrono::year_month_day date{std::chrono::year(*century * 100 + *year),
                                         std::chrono::month(static_cast<unsigned>(*month)),
                                         std::chrono::day(static_cast<unsigned>(*day))};
  if (!offset || !text.empty() || !date.ok()) return std::nullopt;
  return timestamp(std::chrono::sys_days(date)) + *minutes + *seconds - *offset;
}

payload payload_of(std::string_view content_type, std::string data) {
  const std::string_view type = trimmed(content_type.substr(0, content_type.find(';')));
  if (type == "application/json") return {payload::content_type::json, {}, std::move(data)};
  if (type == "application/octet-stream") return {payload::content_type::bytes, {}, std::move(data)};
  if (type == "application/protobuf") {
    constexpr std::string_view parameter = "messageType=";
    const std::size_t at = content_type.find(parameter);
    std::string_view name =
        at == std::string_view::npos ? std::string_view() : content_type.substr(at + parameter.size());
    name = trimmed(name.substr(0, name.find(';')));
    if (name.size() > 1 && name.front() == '"') name = name.substr(1, name.size() - 2);
    return {payload::content_type::protobuf, std::string(name), std::move(data)};
  }
  return {payload::content_type::other, std::string(content_type), std::move(data)};
}

}  // namespace evermill::server::http::api
