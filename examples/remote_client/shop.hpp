// What the shop's server and its clients agree on: names and types, no code.
#pragma once

#include <evermill/handles.hpp>

#include <nlohmann/json.hpp>
#include <string>
#include <vector>

struct order {
  std::string customer;
  std::vector<std::string> items;
};
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE(order, customer, items)

inline constexpr evermill::child_workflow<std::string(order)> fulfil_order{.name = "fulfil_order"};
inline constexpr evermill::signal<std::string> approval{.name = "approval"};
inline constexpr evermill::query<std::vector<std::string>()> items{.name = "items"};
inline constexpr evermill::update<int(std::string)> add_item{.name = "add_item"};
