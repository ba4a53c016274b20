// Between the journal and the messages of deciders.
#pragma once

#include <cstdint>

#include "deciders/decider_hub.hpp"
#include "evermill/v1/deciders.pb.h"
#include "server/grpc/conversions.hpp"

namespace evermill::server {

void to_wire(const messages::Event& from, std::uint64_t seq, wire::JournaledEvent& to);
/// All of the task but its token and history.
void to_wire(const deciders::question& from, wire::DecisionTask& to);
/// Throws control_error (invalid_argument) for an answer that is none.
deciders::verdict from_wire(const wire::Decision& from);

}  // namespace evermill::server
