// The gate of a server whose configuration says who may call.
#pragma once

#include <memory>

#include "base/clock.hpp"
#include "base/log.hpp"
#include "server/gate.hpp"
#include "server/security/gatekeeper.hpp"

namespace evermill::server {

class admission final : public gate {
 public:
  /// `time` outlives it. Throws std::runtime_error where a file can't be used.
  admission(const security::security_options& options, const clock& time, log lines) : keeper_(options, time, std::move(lines)) {
    keeper_.reload();  // so that keys are there when the first call comes
  }

  result<std::shared_ptr<admitted_call>, control_error> admit(const call_origin& from, const call_subject& what) override;
  /// Tokens and keys are read anew, and the audit log's file is opened again: for SIGHUP. Waits for no network.
  void reload() {
    keeper_.reopen_logs();
    keeper_.reload();
  }
  /// For a registry's `collect`.
  void collect(metrics::scrape& into) const { keeper_.collect(into); }

 private:
  class call;
  security::gatekeeper keeper_;
};

}  // namespace evermill::server
