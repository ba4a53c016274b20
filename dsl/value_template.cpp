#include "dsl/value_template.hpp"

#include <algorithm>

namespace evermill::dsl {
namespace {

template <class... Cases>
struct template_cases : Cases... {
  using Cases::operator()...;
};
template <class... Cases>
template_cases(Cases...) -> template_cases<Cases...>;

}  // namespace

value_template::value_template(list items) {
  if (std::all_of(items.begin(), items.end(), [](const value_template& item) { return item.is_constant(); })) {
    json::array_t values;
    for (value_template& item : items) values.push_back(std::move(std::get<json>(item.content_)));
    content_ = json(std::move(values));
  } else {
    content_ = std::move(items);
  }
}

value_template::value_template(object members) {
  if (std::all_of(members.begin(), members.end(), [](const auto& member) { return member.second.is_constant(); })) {
    json::object_t values;
    for (auto& [key, member] : members) values.emplace(key, std::move(std::get<json>(member.content_)));
    content_ = json(std::move(values));
  } else {
    content_ = std::move(members);
  }
}

result<json, expression_error> value_template::evaluate(const json& input, const variables& with) const {
  using outcome = result<json, expression_error>;
  return std::visit(template_cases{
                        [](const json& constant) -> outcome { return constant; },
                        [&](const expression& computed) -> outcome { return computed.evaluate(input, with); },
                        [&](const loose_text& text) -> outcome {
                          auto value = text.tried.evaluate(input, with);
                          if (!value && value.error().repeatable()) return json(text.text);
                          return value;
                        },
                        [&](const list& items) -> outcome {
                          json::array_t values;
                          values.reserve(items.size());
                          for (const value_template& item : items) {
                            auto value = item.evaluate(input, with);
                            if (!value) return value;
                            values.push_back(std::move(*value));
                          }
                          return json(std::move(values));
                        },
                        [&](const object& members) -> outcome {
                          json::object_t values;
                          for (const auto& [key, member] : members) {
                            auto value = member.evaluate(input, with);
                            if (!value) return value;
                            values.insert_or_assign(key, std::move(*value));
                          }
                          return json(std::move(values));
                        },
                    },
                    content_);
}

}  // namespace evermill::dsl
