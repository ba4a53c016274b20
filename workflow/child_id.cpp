#include "workflow/child_id.hpp"

#include <xxhash.h>

#include "base/text.hpp"

namespace evermill::workflow {

std::string child_id(const std::string& parent, run_number run, event_seq initiated) {
  std::string suffix("/");
  suffix.append(std::to_string(run.value)).append(".").append(std::to_string(initiated.value));
  std::string id = parent;
  if (parent.size() + suffix.size() > max_name_bytes) {
    const XXH128_hash_t hash = XXH3_128bits(parent.data(), parent.size());
    id = std::to_string(hash.high64);
    id.append("-").append(std::to_string(hash.low64));
  }
  return id.append(suffix);
}

}  // namespace evermill::workflow
