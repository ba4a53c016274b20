// Whether a call may happen: asked once per call, before anything is done.
#pragma once

#include <cstddef>
#include <memory>
#include <string>
#include <string_view>

#include "evermill/result.hpp"
#include "server/control.hpp"
#include "server/operation.hpp"

namespace evermill::server {

/// Who calls, as the connection and the call say. Views are valid during the call of `admit`.
struct call_origin {
  std::string peer;                ///< "ipv4:127.0.0.1:4711", "unix:…"
  std::string_view authorization;  ///< the header or metadata of that name; "": none
  std::string_view certificate;    ///< the peer's, verified, as PEM; "": none
};

/// A call that may happen. Kept for as long as it lasts: it may count against a limit.
class admitted_call {
 public:
  virtual ~admitted_call() = default;
  /// How it went: "ok", or the reason of its error. Once at most, on any thread.
  virtual void finished(std::string_view outcome) = 0;
  /// Could it still begin now: what was shown counts, and allows it? For what lasts: asked every now and then, on any thread.
  virtual bool still_valid() { return true; }
};

/// Thread-safe.
class gate {
 public:
  virtual ~gate() = default;
  /// Never null; or why it may not happen. Waits for nobody: where an identity provider has to be asked for keys first, it is asked, and
  /// the call is refused as `stopped`, to be made again in a moment.
  virtual result<std::shared_ptr<admitted_call>, control_error> admit(const call_origin& from, const call_subject& what) = 0;
};

}  // namespace evermill::server
