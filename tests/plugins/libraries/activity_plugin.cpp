// A plugin that adds activities: what each attempt is given, and each way in which one can end.
#include "evermill/plugin.hpp"

#include <condition_variable>
#include <mutex>
#include <stdexcept>

namespace {

using namespace evermill;

std::string tell(const plugin_attempt& attempt) {
  attempt.log(log_level::warning, "it was asked");
  return "[" + attempt.input + ",\"" + attempt.workflow_id + "\",\"" + attempt.dispatch_id + "\",\"" + attempt.idempotency_key +
         "\"," + std::to_string(attempt.attempt) + "," +
         (attempt.heartbeat_details.empty() ? "null" : attempt.heartbeat_details) + "]";
}

std::string fail(const plugin_attempt& attempt) {
  if (attempt.input == "\"for good\"") throw activity_failure("Refused", "never", false).with_details("{\"code\":7}");
  if (attempt.input == "\"later\"") throw activity_failure("Busy", "later", true).retry_after(std::chrono::seconds(9));
  if (attempt.input == "\"somehow\"") throw std::runtime_error("somehow");
  if (attempt.input == "\"strangely\"") throw 7;
  return "this is no JSON";
}

std::string wait(const plugin_attempt& attempt) {
  attempt.heartbeat("{\"done\":1}");
  std::mutex mutex;
  std::condition_variable_any stopped;
  std::unique_lock lock(mutex);
  stopped.wait(lock, attempt.stop, [] { return false; });
  if (attempt.input == "\"result\"") return "\"as far as it came\"";
  throw activity_canceled();
}

void add(plugin_registry& to) {
  to.add_activity("test.tell", tell);
  to.add_activity("test.fail", fail);
  to.add_activity("test.wait", wait);
}

}  // namespace

EVERMILL_PLUGIN("activities for tests", add)
