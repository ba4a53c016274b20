// What somebody most likely meant.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace evermill {

/// The candidate that is most like `name`, or "" when none is near: more than a third of its characters, and more than two, or
/// all of them would have to change. Optimal string alignment distance (Damerau 1964).
std::string nearest(std::string_view name, const std::vector<std::string>& candidates);

}  // namespace evermill
