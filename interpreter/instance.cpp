#include "interpreter/instance.hpp"

#include <algorithm>
#include <array>
#include <cstdio>
#include <utility>

#include "base/text.hpp"

namespace evermill::interpreter {
namespace {

const std::string workflow_pointer = "/";
constexpr std::size_t longest_label = 500;

}  // namespace

names with_name(names outer, std::string name, value is) {
  return std::make_shared<const name_binding>(name_binding{std::move(name), std::move(is), std::move(outer)});
}

const std::string& frame::pointer() const { return task == nullptr ? workflow_pointer : task->pointer; }

const json& instance::descriptor() const {
  if (descriptor_.is_null()) {
    descriptor_ = {{"id", workflow_id},
                   {"definition", main->definition->source},
                   {"input", *raw_input},
                   {"startedAt", describe(started_at)}};
  }
  return descriptor_;
}

std::string iso8601(time_point time) {
  const auto day = std::chrono::floor<std::chrono::days>(time);
  const std::chrono::year_month_day date(day);
  const std::chrono::hh_mm_ss<std::chrono::microseconds> clock(time - day);
  std::array<char, 48> text{};
  std::snprintf(text.data(), text.size(), "%04d-%02u-%02uT%02d:%02d:%02d.%06dZ", static_cast<int>(date.year()),
                static_cast<unsigned>(date.month()), static_cast<unsigned>(date.day()), static_cast<int>(clock.hours().count()),
                static_cast<int>(clock.minutes().count()), static_cast<int>(clock.seconds().count()),
                static_cast<int>(clock.subseconds().count()));
  return text.data();
}

json describe(time_point time) {
  const auto since = time.time_since_epoch();
  return {{"iso8601", iso8601(time)},
          {"epoch",
           {{"seconds", std::chrono::floor<std::chrono::seconds>(since).count()},
            {"milliseconds", std::chrono::floor<std::chrono::milliseconds>(since).count()}}}};
}

std::string label_of(const std::string& pointer) {
  std::string label = to_utf8(pointer);
  for (char& c : label) {
    if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f) c = ' ';
  }
  if (label.size() > longest_label) {  // its end says more than its beginning
    std::size_t from = label.size() - longest_label;
    while (from < label.size() && (static_cast<unsigned char>(label[from]) & 0xc0) == 0x80) ++from;
    label.erase(0, from);
  }
  return label;
}

}  // namespace evermill::interpreter
