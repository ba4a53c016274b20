#include "dsl/names.hpp"

#include <algorithm>
#include <charconv>

#include "dsl/jq_parser.hpp"

namespace evermill::dsl {
namespace {

bool is_figure(char c) noexcept { return c >= '0' && c <= '9'; }
bool is_letter(char c) noexcept { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); }
bool figures_only(std::string_view text) noexcept { return !text.empty() && std::all_of(text.begin(), text.end(), is_figure); }

bool is_version_number(std::string_view text) noexcept { return figures_only(text) && (text.size() == 1 || text[0] != '0'); }

/// Dot-separated, of letters, digits and hyphens; numbers of a pre-release begin with no 0.
bool are_identifiers(std::string_view text, bool numbers_plain) noexcept {
  while (true) {
    const std::size_t dot = text.find('.');
    const std::string_view one = text.substr(0, dot);
    const bool right =
        !one.empty() && std::all_of(one.begin(), one.end(), [](char c) { return is_figure(c) || is_letter(c) || c == '-'; });
    if (!right || (numbers_plain && figures_only(one) && !is_version_number(one))) return false;
    if (dot == std::string_view::npos) return true;
    text.remove_prefix(dot + 1);
  }
}

/// The number that `text` has at `at`, `digits` long; -1 where there is none.
int number_at(std::string_view text, std::size_t at, std::size_t digits) noexcept {
  if (text.size() < at + digits || !figures_only(text.substr(at, digits))) return -1;
  int value = 0;
  std::from_chars(text.data() + at, text.data() + at + digits, value);
  return value;
}

bool is_date(std::string_view text) noexcept {
  const int year = number_at(text, 0, 4), month = number_at(text, 5, 2), day = number_at(text, 8, 2);
  if (year < 0 || text[4] != '-' || month < 1 || month > 12 || text[7] != '-' || day < 1) return false;
  const bool leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
  const int days[] = {31, leap ? 29 : 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
  return day <= days[month - 1];
}

}  // namespace

bool is_dns_label(std::string_view text) noexcept {
  const auto fits = [](char c) { return is_letter(c) || is_figure(c) || c == '-'; };
  return !text.empty() && text.size() <= 63 && text.front() != '-' && text.back() != '-' &&
         std::all_of(text.begin(), text.end(), fits);
}

bool is_semantic_version(std::string_view text) noexcept {
  const std::size_t plus = text.find('+');
  if (plus != std::string_view::npos && !are_identifiers(text.substr(plus + 1), false)) return false;
  text = text.substr(0, plus);
  const std::size_t hyphen = text.find('-');
  if (hyphen != std::string_view::npos && !are_identifiers(text.substr(hyphen + 1), true)) return false;
  text = text.substr(0, hyphen);
  const std::size_t first = text.find('.'), last = text.rfind('.');
  return first != last && is_version_number(text.substr(0, first)) &&
         is_version_number(text.substr(first + 1, last - first - 1)) && is_version_number(text.substr(last + 1));
}

bool is_variable_name(std::string_view text) noexcept {
  return !text.empty() && !is_figure(text.front()) && !jq::is_keyword(text) &&
         std::all_of(text.begin(), text.end(), [](char c) { return is_letter(c) || is_figure(c) || c == '_'; });
}

bool is_json_pointer(std::string_view text) noexcept {
  if (!text.empty() && text.front() != '/') return false;
  for (std::size_t at = text.find('~'); at != std::string_view::npos; at = text.find('~', at + 1)) {
    if (at + 1 == text.size() || (text[at + 1] != '0' && text[at + 1] != '1')) return false;
  }
  return true;
}

bool is_date_time(std::string_view text) noexcept {
  if (text.size() < 20 || !is_date(text.substr(0, 10)) || (text[10] != 'T' && text[10] != 't' && text[10] != ' ')) return false;
  const int hour = number_at(text, 11, 2), minute = number_at(text, 14, 2), second = number_at(text, 17, 2);
  if (hour < 0 || hour > 23 || text[13] != ':' || minute < 0 || minute > 59 || text[16] != ':' || second < 0 || second > 60)
    return false;
  std::string_view rest = text.substr(19);
  if (rest.starts_with('.')) {
    const std::size_t end = std::min(rest.find_first_not_of("0123456789", 1), rest.size());
    if (end == 1) return false;
    rest.remove_prefix(end);
  }
  if (rest == "Z" || rest == "z") return true;
  if (rest.size() != 6 || (rest[0] != '+' && rest[0] != '-') || rest[3] != ':') return false;
  const int hours = number_at(rest, 1, 2), minutes = number_at(rest, 4, 2);
  return hours >= 0 && hours <= 23 && minutes >= 0 && minutes <= 59;
}

}  // namespace evermill::dsl
