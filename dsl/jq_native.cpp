#include "dsl/jq_native.hpp"

#include <algorithm>
#include <cmath>

#include "dsl/jq_value.hpp"

namespace evermill::dsl::jq {
namespace {

constexpr double largest_index = 1e9;

bool is_true(const json& value) { return !(value.is_null() || (value.is_boolean() && !value.get<bool>())); }

/// As jq computes with it; nothing for an integer that it would round.
std::optional<double> as_number(const json& value) {
  if (value.is_number_float()) return value.get<double>();
  return value.is_number() ? exact_double(value) : std::nullopt;
}

/// jq's order between types.
int rank(const json& value) {
  switch (value.type()) {
    case json::value_t::null:
      return 0;
    case json::value_t::boolean:
      return value.get<bool>() ? 2 : 1;
    case json::value_t::string:
      return 4;
    case json::value_t::array:
      return 5;
    case json::value_t::object:
      return 6;
    default:
      return 3;
  }
}

std::string_view type_name(const json& value) {
  constexpr std::string_view names[] = {"null", "boolean", "boolean", "number", "string", "array", "object"};
  return names[rank(value)];
}

/// Below, equal, above: -1, 0, 1. Nothing for two arrays or two objects.
std::optional<int> order(const json& a, const json& b) {
  const int left = rank(a), right = rank(b);
  if (left != right) return left < right ? -1 : 1;
  if (left == 3) return a < b ? -1 : a == b ? 0 : 1;
  if (left == 4) {
    const int compared = a.get_ref<const std::string&>().compare(b.get_ref<const std::string&>());
    return compared < 0 ? -1 : compared > 0 ? 1 : 0;
  }
  return left < 3 ? std::optional(0) : std::nullopt;
}

class evaluation {
 public:
  explicit evaluation(std::span<const json* const> variables) : variables_(variables) {}

  /// The value: in `scratch`, or one that lives on in the input, the variables or the expression. nullptr: ask libjq.
  const json* run(const syntax& s, const json& input, json& scratch) const {
    switch (s.what) {
      case op::identity:
        return &input;
      case op::literal:
        return &s.value;
      case op::variable:
        return variables_[s.number];
      case op::index:
        return index(s, input, scratch);
      case op::text:
        return text(s, input, scratch);
      case op::array:
        return array(s, input, scratch);
      case op::object:
        return object(s, input, scratch);
      case op::negate:
        return negate(s, input, scratch);
      case op::pipe:
        return pipe(s, input, scratch);
      case op::add:
      case op::subtract:
      case op::multiply:
      case op::divide:
      case op::remainder:
        return arithmetic(s, input, scratch);
      case op::equal:
      case op::different:
      case op::less:
      case op::less_or_equal:
      case op::greater:
      case op::greater_or_equal:
        return comparison(s, input, scratch);
      case op::both:
      case op::either:
        return logic(s, input, scratch);
      case op::alternative:
        return alternative(s, input, scratch);
      case op::conditional:
        return conditional(s, input, scratch);
      case op::call:
        return call(s, input, scratch);
      case op::other:
        break;
    }
    return nullptr;
  }

 private:
  static const json* give(json& scratch, json value) {
    scratch = std::move(value);
    return &scratch;
  }

  /// A value that may live in `temporary`, which ends.
  static const json* keep(const json* found, const json& temporary, json& scratch) {
    if (found == nullptr || found == &scratch) return found;
    const bool lives_on = temporary.is_null() && found != &temporary;
    return lives_on ? found : give(scratch, *found);
  }

  const json* index(const syntax& s, const json& input, json& scratch) const {
    json of_scratch, key_scratch;
    const json* of = run(s.parts[0], input, of_scratch);
    const json* key = of == nullptr ? nullptr : run(s.parts[1], input, key_scratch);
    if (key == nullptr) return nullptr;
    if (of->is_null()) return key->is_string() || key->is_number() ? give(scratch, nullptr) : nullptr;
    const json* found = nullptr;
    if (of->is_object() && key->is_string()) {
      const auto member = of->find(key->get_ref<const std::string&>());
      found = member == of->end() ? nullptr : &*member;
    } else if (of->is_array() && key->is_number()) {
      const auto at = as_number(*key);
      if (!at || *at != std::floor(*at) || std::fabs(*at) > largest_index) return nullptr;
      auto place = static_cast<std::int64_t>(*at);
      const auto size = static_cast<std::int64_t>(of->size());
      if (place < 0) place += size;
      found = place >= 0 && place < size ? &(*of)[static_cast<std::size_t>(place)] : nullptr;
    } else {
      return nullptr;
    }
    if (found == nullptr) return give(scratch, nullptr);
    return keep(found, of_scratch, scratch);
  }

  static bool append_text(std::string& to, const json& value) {
    if (value.is_string()) return to.append(value.get_ref<const std::string&>()), true;
    if (value.is_structured() || value.is_number_float()) return false;
    return to.append(value.dump()), true;
  }

  const json* text(const syntax& s, const json& input, json& scratch) const {
    std::string joined;
    for (const syntax& part : s.parts) {
      json part_scratch;
      const json* value = run(part, input, part_scratch);
      if (value == nullptr || !append_text(joined, *value)) return nullptr;
    }
    return give(scratch, std::move(joined));
  }

  const json* array(const syntax& s, const json& input, json& scratch) const {
    json::array_t items;
    items.reserve(s.parts.size());
    for (const syntax& part : s.parts) {
      if (!append(items, part, input)) return nullptr;
    }
    return give(scratch, std::move(items));
  }

  bool append(json::array_t& items, const syntax& part, const json& input) const {
    json item;
    const json* value = run(part, input, item);
    if (value == nullptr) return false;
    if (value == &item) {
      items.push_back(std::move(item));
    } else {
      items.push_back(*value);
    }
    return true;
  }

  const json* object(const syntax& s, const json& input, json& scratch) const {
    json::object_t members;
    for (std::size_t i = 0; i < s.parts.size(); i += 2) {
      json key_scratch, value_scratch;
      const json* key = run(s.parts[i], input, key_scratch);
      const json* value = key == nullptr || !key->is_string() ? nullptr : run(s.parts[i + 1], input, value_scratch);
      if (value == nullptr) return nullptr;
      json& member = members[key->get_ref<const std::string&>()];
      if (value == &value_scratch) {
        member = std::move(value_scratch);
      } else {
        member = *value;
      }
    }
    return give(scratch, std::move(members));
  }

  const json* negate(const syntax& s, const json& input, json& scratch) const {
    json operand;
    const json* value = run(s.parts[0], input, operand);
    const auto number = value == nullptr ? std::nullopt : as_number(*value);
    return number ? give(scratch, number_value(-*number)) : nullptr;
  }

  const json* pipe(const syntax& s, const json& input, json& scratch) const {
    json between;
    const json* value = run(s.parts[0], input, between);
    return value == nullptr ? nullptr : keep(run(s.parts[1], *value, scratch), between, scratch);
  }

  const json* arithmetic(const syntax& s, const json& input, json& scratch) const {
    json left_scratch, right_scratch;
    const json* left = run(s.parts[0], input, left_scratch);
    const json* right = left == nullptr ? nullptr : run(s.parts[1], input, right_scratch);
    if (right == nullptr) return nullptr;
    if (left->is_number() && right->is_number()) return computed(s.what, *left, *right, scratch);
    if (s.what != op::add) return nullptr;
    if (left->is_null()) return give(scratch, *right);
    if (right->is_null()) return give(scratch, *left);
    if (left->type() != right->type() || left->is_boolean()) return nullptr;
    json sum = left == &left_scratch ? std::move(left_scratch) : *left;
    if (sum.is_string()) {
      sum.get_ref<std::string&>().append(right->get_ref<const std::string&>());
    } else if (sum.is_array()) {
      sum.insert(sum.end(), right->begin(), right->end());
    } else {
      sum.update(*right);
    }
    return give(scratch, std::move(sum));
  }

  static const json* computed(op what, const json& left, const json& right, json& scratch) {
    const auto a = as_number(left), b = as_number(right);
    if (!a || !b) return nullptr;
    switch (what) {
      case op::add:
        return give(scratch, number_value(*a + *b));
      case op::subtract:
        return give(scratch, number_value(*a - *b));
      case op::multiply:
        return give(scratch, number_value(*a * *b));
      case op::divide:
        return *b == 0 ? nullptr : give(scratch, number_value(*a / *b));
      default:
        break;
    }
    const bool plain = *a >= 0 && *b >= 1 && *a < largest_index && *b < largest_index;
    if (!plain) return nullptr;
    return give(scratch, static_cast<std::int64_t>(*a) % static_cast<std::int64_t>(*b));
  }

  const json* comparison(const syntax& s, const json& input, json& scratch) const {
    json left_scratch, right_scratch;
    const json* left = run(s.parts[0], input, left_scratch);
    const json* right = left == nullptr ? nullptr : run(s.parts[1], input, right_scratch);
    if (right == nullptr) return nullptr;
    if (s.what == op::equal) return give(scratch, *left == *right);
    if (s.what == op::different) return give(scratch, *left != *right);
    const auto compared = order(*left, *right);
    if (!compared) return nullptr;
    const bool holds = s.what == op::less            ? *compared < 0
                       : s.what == op::less_or_equal ? *compared <= 0
                       : s.what == op::greater       ? *compared > 0
                                                     : *compared >= 0;
    return give(scratch, holds);
  }

  const json* logic(const syntax& s, const json& input, json& scratch) const {
    json left_scratch, right_scratch;
    const json* left = run(s.parts[0], input, left_scratch);
    if (left == nullptr) return nullptr;
    const bool decided = is_true(*left) == (s.what == op::either);
    if (decided) return give(scratch, s.what == op::either);
    const json* right = run(s.parts[1], input, right_scratch);
    return right == nullptr ? nullptr : give(scratch, is_true(*right));
  }

  const json* alternative(const syntax& s, const json& input, json& scratch) const {
    const json* first = run(s.parts[0], input, scratch);
    if (first == nullptr || is_true(*first)) return first;
    return run(s.parts[1], input, scratch);
  }

  const json* conditional(const syntax& s, const json& input, json& scratch) const {
    json condition;
    const json* value = run(s.parts[0], input, condition);
    return value == nullptr ? nullptr : run(s.parts[is_true(*value) ? 1 : 2], input, scratch);
  }

  const json* call(const syntax& s, const json& input, json& scratch) const {
    switch (static_cast<native_function>(s.number)) {
      case native_function::not_:
        return give(scratch, !is_true(input));
      case native_function::type:
        return give(scratch, type_name(input));
      case native_function::length:
        return length(input, scratch);
      case native_function::has:
        return has(s, input, scratch);
      case native_function::map:
        return map(s, input, scratch);
      case native_function::add:
        return sum(input, scratch);
      case native_function::tostring: {
        std::string written;
        return append_text(written, input) ? give(scratch, std::move(written)) : nullptr;
      }
      case native_function::ascii_downcase: {
        if (!input.is_string()) return nullptr;
        std::string lower = input.get<std::string>();
        for (char& c : lower) c = c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
        return give(scratch, std::move(lower));
      }
      case native_function::floor: {
        const auto number = as_number(input);
        return number ? give(scratch, number_value(std::floor(*number))) : nullptr;
      }
      case native_function::none:
        break;
    }
    return nullptr;
  }

  static const json* length(const json& input, json& scratch) {
    if (input.is_structured()) return give(scratch, input.size());
    if (input.is_null()) return give(scratch, 0);
    if (!input.is_string()) return nullptr;
    const auto& text = input.get_ref<const std::string&>();
    return give(scratch,
                std::count_if(text.begin(), text.end(), [](char c) { return (static_cast<unsigned char>(c) & 0xc0) != 0x80; }));
  }

  const json* has(const syntax& s, const json& input, json& scratch) const {
    json key_scratch;
    const json* key = run(s.parts[0], input, key_scratch);
    if (key == nullptr || !input.is_object() || !key->is_string()) return nullptr;
    return give(scratch, input.contains(key->get_ref<const std::string&>()));
  }

  const json* map(const syntax& s, const json& input, json& scratch) const {
    if (!input.is_array()) return nullptr;
    json::array_t items;
    items.reserve(input.size());
    for (const json& item : input) {
      if (!append(items, s.parts[0], item)) return nullptr;
    }
    return give(scratch, std::move(items));
  }

  static const json* sum(const json& input, json& scratch) {
    if (!input.is_array() || input.empty()) return input.is_array() ? give(scratch, nullptr) : nullptr;
    double total = 0;
    std::string joined;
    for (const json& item : input) {
      if (item.type() != input.front().type() && !(item.is_number() && input.front().is_number())) return nullptr;
      if (item.is_string()) {
        joined.append(item.get_ref<const std::string&>());
      } else if (const auto number = as_number(item)) {
        total += *number;
      } else {
        return nullptr;
      }
    }
    return give(scratch, input.front().is_string() ? json(std::move(joined)) : number_value(total));
  }

  std::span<const json* const> variables_;
};

}  // namespace

std::optional<json> evaluate_native(const syntax& root, const json& input, std::span<const json* const> variables) {
  json scratch;
  const json* found = evaluation(variables).run(root, input, scratch);
  if (found == nullptr) return std::nullopt;
  if (found == &scratch) return scratch;
  return *found;
}

}  // namespace evermill::dsl::jq
