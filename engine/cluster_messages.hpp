// Answers as they travel between processes.
#pragma once

#include <memory>

#include "actors/partition_ports.hpp"
#include "messages/cluster.pb.h"

namespace evermill {

messages::RequestAnswer to_message(const actors::answer& what);
actors::answer from_message(messages::RequestAnswer&& what);

}  // namespace evermill
