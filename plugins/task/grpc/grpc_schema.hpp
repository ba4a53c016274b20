// A method of a service, as the text of a .proto file has it: its messages from and to JSON.
#pragma once

#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>

#include "evermill/grpc.hpp"

namespace evermill::tasks {

/// Thread-safe: it does not change.
class grpc_method {
 public:
  virtual ~grpc_method() = default;
  /// "/package.Service/Method".
  virtual const std::string& path() const = 0;
  virtual bool takes_stream() const = 0;
  virtual bool gives_stream() const = 0;
  /// A message as bytes. Throws payload_error.
  virtual std::string encode(const nlohmann::json& arguments) const = 0;
  /// Throws std::runtime_error where the bytes are no such message.
  virtual nlohmann::json decode(std::string_view bytes) const = 0;
};

/// Files that were read are kept for the next calls. Thread-safe. Throws payload_error.
std::shared_ptr<const grpc_method> find_grpc_method(const grpc_request& request);

}  // namespace evermill::tasks
