#include "base/metrics.hpp"

#include <algorithm>
#include <charconv>
#include <cmath>

#include "base/check.hpp"
#include "base/text.hpp"

namespace evermill::metrics {
namespace {

constexpr std::string_view name_of(kind what) {
  switch (what) {
    case kind::counter: return "counter";
    case kind::gauge: return "gauge";
    case kind::histogram: return "histogram";
  }
  return "untyped";
}

bool is_name(std::string_view name, bool with_colons) {
  const auto letter = [&](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' || (with_colons && c == ':');
  };
  const auto allowed = [&](char c) { return letter(c) || (c >= '0' && c <= '9'); };
  return !name.empty() && letter(name.front()) && std::all_of(name.begin(), name.end(), allowed);
}

std::string escaped(std::string_view text, bool quotes) {
  std::string out;
  for (const char c : to_utf8(std::string(text))) {
    if (c == '\n') {
      out += "\\n";
    } else {
      if (c == '\\' || (quotes && c == '"')) out += '\\';
      out += c;
    }
  }
  return out;
}

/// The shortest text that reads as the same number.
std::string number_text(double value) {
  if (std::isnan(value)) return "NaN";
  if (std::isinf(value)) return value > 0 ? "+Inf" : "-Inf";
  std::array<char, 32> digits;
  return {digits.data(), std::to_chars(digits.data(), digits.data() + digits.size(), value).ptr};
}

/// As it stands between braces; `le` is written behind the others.
std::string labels_text(const labels& which, std::string_view le = {}) {
  std::string out;
  for (const auto& [name, value] : which) {
    if (!out.empty()) out += ',';
    out.append(name).append("=\"").append(escaped(value, true)).append("\"");
  }
  if (!le.empty()) out.append(out.empty() ? "le=\"" : ",le=\"").append(le).append("\"");
  return out;
}

void append_sample(std::string& to, std::string_view name, std::string_view suffix, const std::string& series,
                   std::string_view value) {
  to.append(name).append(suffix);
  if (!series.empty()) to.append("{").append(series).append("}");
  to.append(" ").append(value).append("\n");
}

}  // namespace

// --- values

histogram::histogram(std::span<const double> bounds)
    : bounds_(bounds), counts_(std::make_unique<std::atomic<std::uint64_t>[]>(bounds.size() + 1)) {
  EVERMILL_CHECK(std::adjacent_find(bounds.begin(), bounds.end(), std::greater_equal<>()) == bounds.end(),
                 "the bounds of a histogram grow");
}

void histogram::observe(double value) noexcept {
  const auto bucket = std::lower_bound(bounds_.begin(), bounds_.end(), value) - bounds_.begin();
  counts_[static_cast<std::size_t>(bucket)].fetch_add(1, std::memory_order_relaxed);
  sum_.fetch_add(value, std::memory_order_relaxed);
}

histogram::reading histogram::read() const {
  reading seen;
  std::uint64_t all = 0;
  for (std::size_t bucket = 0; bucket <= bounds_.size(); ++bucket) {
    all += counts_[bucket].load(std::memory_order_relaxed);
    seen.cumulative.push_back(all);
  }
  seen.sum = sum_.load(std::memory_order_relaxed);
  return seen;
}

void histogram::reading::add(const reading& other) {
  if (cumulative.size() < other.cumulative.size()) cumulative.resize(other.cumulative.size());
  for (std::size_t n = 0; n < other.cumulative.size(); ++n) cumulative[n] += other.cumulative[n];
  sum += other.sum;
}

// --- a scrape

scrape::family& scrape::family_of(const description& of, kind what) {
  EVERMILL_CHECK(of.what == what, "a metric's values are of its kind");
  const auto found = families_.find(of.name);
  if (found != families_.end()) {
    EVERMILL_CHECK(found->second.of.what == what && found->second.of.help == of.help, "a metric is described once");
    return found->second;
  }
  EVERMILL_CHECK(is_name(of.name, true), "a metric's name is one");
  return families_.emplace(std::string(of.name), family{of, {}, {}}).first->second;
}

std::string scrape::new_series(family& in, const labels& which) {
  for (const auto& [name, value] : which) {
    EVERMILL_CHECK(is_name(name, false) && !name.starts_with("__") && name != "le", "a label's name is one");
  }
  std::string series = labels_text(which);
  EVERMILL_CHECK(in.seen.insert(series).second, "a series is shown once");
  return series;
}

void scrape::describe(const description& of) { family_of(of, of.what); }

void scrape::add(const description& of, const labels& which, double value) {
  EVERMILL_CHECK(of.what != kind::histogram, "one number is no histogram");
  family& in = family_of(of, of.what);
  append_sample(in.lines, of.name, "", new_series(in, which), number_text(value));
}

void scrape::add(const description& of, const labels& which, std::uint64_t value) {
  EVERMILL_CHECK(of.what != kind::histogram, "one number is no histogram");
  family& in = family_of(of, of.what);
  append_sample(in.lines, of.name, "", new_series(in, which), std::to_string(value));
}

void scrape::add(const description& of, const labels& which, const histogram::reading& seen, std::span<const double> bounds) {
  EVERMILL_CHECK(seen.cumulative.size() == bounds.size() + 1, "a reading has a number for each bound, and that of all");
  family& in = family_of(of, kind::histogram);
  const std::string series = new_series(in, which);
  for (std::size_t n = 0; n < seen.cumulative.size(); ++n) {
    const std::string le = n < bounds.size() ? number_text(bounds[n]) : "+Inf";
    append_sample(in.lines, of.name, "_bucket", labels_text(which, le), std::to_string(seen.cumulative[n]));
  }
  append_sample(in.lines, of.name, "_sum", series, number_text(seen.sum));
  append_sample(in.lines, of.name, "_count", series, std::to_string(seen.cumulative.back()));
}

std::string scrape::text() const {
  std::string out;
  for (const auto& [name, each] : families_) {
    out.append("# HELP ").append(name).append(" ").append(escaped(each.of.help, false)).append("\n");
    out.append("# TYPE ").append(name).append(" ").append(name_of(each.of.what)).append("\n");
    out.append(each.lines);
  }
  return out;
}

// --- the registry

registry::registration& registry::registration::operator=(registration&& other) noexcept {
  if (this == &other) return *this;
  reset();
  in_ = std::exchange(other.in_, nullptr);
  number_ = other.number_;
  return *this;
}

void registry::registration::reset() noexcept {
  if (in_ == nullptr) return;
  const std::lock_guard lock(in_->mutex_);
  in_->collectors_.erase(number_);
  in_ = nullptr;
}

registry::registration registry::collect(collector what) {
  const std::lock_guard lock(mutex_);
  collectors_.emplace(next_, std::move(what));
  return {*this, next_++};
}

std::string registry::text() const {
  scrape all;
  const std::lock_guard lock(mutex_);
  for (const auto& [number, each] : collectors_) each(all);
  return all.text();
}

}  // namespace evermill::metrics
