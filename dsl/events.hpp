// Events that a workflow waits for or sends (CloudEvents 1.0).
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "dsl/value_template.hpp"

namespace evermill::dsl {

/// Attributes by name (id, source, type, time, subject, datacontenttype, dataschema, data, and extensions), in the order of the
/// file. To send: their values. In a filter: what they must be: a constant that must be equal, text that is taken for a regular
/// expression where it is no equal, or an expression over the attribute, which must hold, or give what the attribute is.
using event_attributes = std::vector<std::pair<std::string, value_template>>;

/// Links events to each other or to the workflow's data.
struct correlation {
  std::string name;
  expression from;                       ///< over the event
  std::optional<value_template> expect;  ///< a constant or an expression; none: what the first event gave
};

struct event_filter {
  event_attributes with;
  std::vector<correlation> correlate;
};

struct event_consumption {
  enum class strategy : std::uint8_t { one, all, any };
  using until_events = std::unique_ptr<const event_consumption>;

  strategy what = strategy::one;
  std::vector<event_filter> filters;  ///< of `one`: exactly one; of `any`: none means every event
  /// Of `any`: go on until a condition over the list of what was taken holds, or until these events have come (which are not part of the
  /// result). Without: the first event is enough.
  std::variant<std::monostate, expression, until_events> until;
};

}  // namespace evermill::dsl
