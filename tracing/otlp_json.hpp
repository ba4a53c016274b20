// Spans in the JSON form of OTLP: an ExportTraceServiceRequest.
#pragma once

#include <cstdint>
#include <span>
#include <string>

#include "base/span.hpp"

namespace evermill::tracing {

/// Who tells of the spans.
struct otlp_resource {
  std::string service_name;
  std::string service_version;
  std::string instance_id;  ///< of this process
};

/// Ids are hexadecimal, times are nanoseconds as text, enums are numbers: as the OTLP specification has it for JSON, which differs from
/// protobuf's own in the ids.
std::string to_otlp_json(std::span<const tracing::span> spans, const otlp_resource& from);

/// How many spans of a batch the receiver has refused, as its answer to the batch says; and why.
struct otlp_partial_success {
  std::uint64_t rejected = 0;
  std::string message;
};
otlp_partial_success partial_success_of(const std::string& answer);

}  // namespace evermill::tracing
