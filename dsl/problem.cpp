#include "dsl/problem.hpp"

#include <algorithm>
#include <array>
#include <tuple>

namespace evermill::dsl {
namespace {

constexpr std::array<std::string_view, 16> rule_names{
    "syntax",   "limit", "duplicate", "unknown-property", "missing-property", "conflict", "type", "value",
    "duration", "cron",  "uri",       "expression",       "reference",        "schema",   "flow", "style"};

constexpr std::size_t longest_quote = 60;

void append_plain(std::string& out, std::string_view text) {
  constexpr std::string_view digits = "0123456789abcdef";
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (byte >= 0x20 && byte != 0x7f) {
      out += c;
    } else {
      out.append("\\x").append(1, digits[byte >> 4]).append(1, digits[byte & 15]);
    }
  }
}

auto sort_key(const problem& p) { return std::tie(p.at, p.severity, p.rule, p.pointer, p.message, p.hint); }

}  // namespace

std::string_view rule_name(rule which) noexcept { return rule_names[static_cast<std::size_t>(which)]; }

bool has_errors(const problems& found) noexcept {
  return std::any_of(found.begin(), found.end(), [](const problem& p) { return p.severity == severity::error; });
}

void sort(problems& found) {
  std::sort(found.begin(), found.end(), [](const problem& a, const problem& b) { return sort_key(a) < sort_key(b); });
  found.erase(std::unique(found.begin(), found.end()), found.end());
}

std::string describe(const problem& what, std::string_view file) {
  std::string text(file);
  if (what.at.line != 0) {
    text.append(":").append(std::to_string(what.at.line)).append(":").append(std::to_string(what.at.column));
  }
  text.append(what.severity == severity::error ? ": error: " : ": warning: ");
  append_plain(text, what.message);
  if (!what.hint.empty()) {
    text.append("; ");
    append_plain(text, what.hint);
  }
  return text.append(" [").append(rule_name(what.rule)).append("]");
}

std::string in_quotes(std::string_view text) {
  std::string out = "\"";
  if (text.size() <= longest_quote) return out.append(text).append("\"");
  std::size_t end = longest_quote;
  while (end > 0 && (static_cast<unsigned char>(text[end]) & 0xc0) == 0x80) --end;  // not within a character
  return out.append(text.substr(0, end)).append("…\"");
}

std::string pointer_token(std::string_view name) {
  std::string token;
  for (const char c : name) {
    if (c == '~') {
      token += "~0";
    } else if (c == '/') {
      token += "~1";
    } else {
      token += c;
    }
  }
  return token;
}

}  // namespace evermill::dsl
