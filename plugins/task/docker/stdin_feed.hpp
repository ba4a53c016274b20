// Standard input of a running container.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "plugins/task/docker/docker_host.hpp"

namespace evermill::tasks {

enum class feed_end : std::uint8_t {
  complete,       ///< the engine has been given all of it, and its end, and passes it on
  reads_no_more,  ///< the engine has closed the connection before: the container has ended, unless the engine has
  broken,         ///< the engine was lost: the container may be given a part, and its end
  stopped,        ///< `stop` became readable: the same
};

struct feed_result {
  feed_end how = feed_end::complete;
  std::string message;  ///< of `broken`
};

/// Attaches to the container, writes `text` and closes. Waits for as long as the container takes to read, but for the last of it. `prefix` is the API's
/// version; `stop` a descriptor.
feed_result feed_stdin(const docker_host& host, const std::string& prefix, const std::string& container, std::string_view text,
                       int stop);

}  // namespace evermill::tasks
