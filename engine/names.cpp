#include "engine/names.hpp"

#include <algorithm>
#include <string>

#include "base/namespaces.hpp"
#include "base/text.hpp"
#include "evermill/engine.hpp"
#include "workflow/conversions.hpp"

namespace evermill {

void check_name(std::string_view what, std::string_view name) {
  if (const auto why = why_no_name(name)) {
    throw engine_error(engine_errc::invalid_argument, "the " + std::string(what) + " " + *why);
  }
}

void check_workflow_id(std::string_view workflow_id) {
  if (const auto why = namespaces::why_no_kept_id(workflow_id)) {
    throw engine_error(engine_errc::invalid_argument, "the workflow id " + *why);
  }
}

std::string in_namespace(std::string_view name_space, std::string_view id) {
  const auto why = namespaces::is_default(name_space) ? std::nullopt : namespaces::why_no_namespace(name_space);
  if (why) throw engine_error(engine_errc::invalid_argument, "the name of a namespace " + *why);
  // All else that may be wrong with it is told by what is asked with it.
  if (std::any_of(id.begin(), id.end(), [](char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7f; })) {
    throw engine_error(engine_errc::invalid_argument, "the id holds a control character");
  }
  return namespaces::qualified(name_space, id);
}

namespaced_id split_id(std::string_view id) {
  const auto [name_space, plain] = namespaces::split(id);
  return {std::string(name_space), std::string(plain)};
}

void check_size(std::string_view what, const payload& value) {
  if (const auto why = workflow::too_large(value.data.size())) {
    throw engine_error(engine_errc::invalid_argument, "the " + std::string(what) + ": " + *why);
  }
}

const std::map<std::string, workflow_id_reuse, std::less<>>& reuse_policies() {
  static const std::map<std::string, workflow_id_reuse, std::less<>> policies{{"use_existing", workflow_id_reuse::use_existing},
                                                                      {"reject_duplicate", workflow_id_reuse::reject_duplicate},
                                                                      {"allow_after_failure", workflow_id_reuse::allow_after_failure},
                                                                      {"allow", workflow_id_reuse::allow},
                                                                      {"terminate_existing", workflow_id_reuse::terminate_existing}};
  return policies;
}

}  // namespace evermill
