// What may name an execution, a signal or a workflow, and how large what it is given may be.
#pragma once

#include <functional>
#include <map>
#include <string>
#include <string_view>

#include "evermill/handles.hpp"
#include "evermill/payload.hpp"

namespace evermill {

/// Throws engine_error (invalid_argument) unless `name` is 1 to 512 bytes of UTF-8 without control characters. `what` is
/// what it names, for the message.
void check_name(std::string_view what, std::string_view name);
/// The same for a workflow id as the engine takes it: of the default namespace, or made by in_namespace.
void check_workflow_id(std::string_view workflow_id);
/// Throws engine_error (invalid_argument) for more than max_payload_bytes.
void check_size(std::string_view what, const payload& value);

/// What becomes of a start whose id is taken, as people write it: "use_existing", ….
const std::map<std::string, workflow_id_reuse, std::less<>>& reuse_policies();

}  // namespace evermill
