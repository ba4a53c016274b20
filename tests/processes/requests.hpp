// What the clients ask of the killed processes, and what they were told.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace evermill::processes {

struct request {
  enum class kind : std::uint8_t { start, signal, cancel, terminate, taint };
  kind what = kind::start;
  std::string workflow_id;
  std::string name;             ///< of a signal
  std::string text;             ///< its input or value as JSON, or a reason: tells it from every other
  std::vector<request> follow;  ///< of a start: what may be sent once it is acknowledged
  bool tried = false;           ///< sent before, without an answer
  bool by_command = false;      ///< sent by the command line, not over the socket
};

}  // namespace evermill::processes
