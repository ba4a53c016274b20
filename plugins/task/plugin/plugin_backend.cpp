#include "plugins/task/plugin/plugin_backend.hpp"

#include <utility>

#include "base/text.hpp"
#include "evermill/codec.hpp"
#include "evermill/failure.hpp"
#include "plugins/task/attempt_threads.hpp"
#include "workflow/conversions.hpp"

namespace evermill::tasks {
namespace {

using task_ptr = std::shared_ptr<const messages::ActivityTask>;

failed plugin_failure(failure&& why) {
  failed how;
  workflow::to_message(std::move(why), how.failure);
  return how;
}

bool is_json(const std::string& text) { return !nests_too_deeply(text) && nlohmann::json::accept(text); }

failed failure_of(const activity_failure& thrown) {
  failure why{failure_kind::application,
              to_utf8(thrown.type()),
              to_utf8(thrown.what()),
              {},
              !thrown.retryable(),
              nullptr,
              thrown.delay()};
  if (!thrown.details().empty() && is_json(thrown.details())) why.details = json_payload(thrown.details());
  return plugin_failure(std::move(why));
}

log_level known(log_level level) { return level <= log_level::error ? level : log_level::error; }

class plugin_work {
 public:
  explicit plugin_work(const plugin_backend_options& options)
      : options_(std::make_shared<const plugin_backend_options>(options)) {}

  outcome operator()(const task_ptr& task, attempt_signal& signal, attempt_watch& watch) const {
    attempt_secrets secrets(options_->secrets);
    std::stop_source stop;
    signal.listen([&] { stop.request_stop(); });
    outcome how = run(task, stop.get_token(), watch, secrets);
    signal.listen(nullptr);
    secrets.hide(how);
    return how;
  }

 private:
  outcome run(const task_ptr& task, std::stop_token stop, attempt_watch& watch, attempt_secrets& secrets) const {
    try {
      plugin_attempt attempt = attempt_of(*task, *secrets.reveal(task));
      attempt.stop = std::move(stop);
      attempt.heartbeat = [&](const std::string& details) { watch.heartbeat(details_of(details, secrets)); };
      attempt.log = [this, &task, &secrets](log_level level, const std::string& line) {
        std::string said = to_utf8(line);
        secrets.hide(said);
        write(*task, known(level), said);
      };
      std::string result = options_->activities.find(task->activity_type())->second(attempt);
      if (result.empty()) return completed{};
      if (!is_json(result)) {
        return plugin_failure(
            {failure_kind::invalid_payload, "InvalidPayload", "the plugin's result is no JSON", {}, true, nullptr});
      }
      completed done;
      workflow::to_message(json_payload(std::move(result)), done.result.emplace());
      return done;
    } catch (const activity_failure& thrown) {
      return failure_of(thrown);
    } catch (const activity_canceled&) {
      return canceled{};
    } catch (const secret_error& error) {
      return tasks::failure_of(error);
    } catch (const payload_error& error) {
      return plugin_failure({failure_kind::invalid_payload, "InvalidPayload", to_utf8(error.what()), {}, true, nullptr});
    } catch (const std::exception& error) {
      return plugin_failure({failure_kind::application, "PluginError", to_utf8(error.what()), {}, false, nullptr});
    } catch (...) {
      return plugin_failure(
          {failure_kind::application, "PluginError", "the plugin threw something unknown", {}, false, nullptr});
    }
  }

  static plugin_attempt attempt_of(const messages::ActivityTask& task, const messages::ActivityTask& revealed) {
    const dispatch_id id = dispatch_id_of(task);
    plugin_attempt attempt;
    attempt.activity_type = task.activity_type();
    attempt.input = detail::parse_json(workflow::from_message(revealed.input())).dump();
    attempt.workflow_id = task.workflow_id();
    attempt.run_id = task.run_id();
    attempt.dispatch_id = to_string(id);
    attempt.idempotency_key = idempotency_key(id);
    attempt.attempt = id.attempt;
    if (task.has_heartbeat_details()) attempt.heartbeat_details = task.heartbeat_details().data();
    return attempt;
  }

  static std::optional<messages::Payload> details_of(const std::string& details, const attempt_secrets& secrets) {
    if (details.empty()) return std::nullopt;
    messages::Payload payload;
    workflow::to_message(is_json(details) ? json_payload(std::string(details)) : codec<std::string>::encode(to_utf8(details)),
                         payload);
    secrets.hide(payload);
    return payload;
  }

  void write(const messages::ActivityTask& task, log_level level, const std::string& line) const {
    constexpr spdlog::level::level_enum levels[] = {spdlog::level::debug, spdlog::level::info, spdlog::level::warn,
                                                    spdlog::level::err};
    options_->lines.write(levels[static_cast<std::size_t>(level)], subject_of(task), "activity {}: {}",
                          task.activity_type(), line);
  }

  std::shared_ptr<const plugin_backend_options> options_;
};

}  // namespace

std::unique_ptr<task_backend> make_plugin_backend(plugin_backend_options options, on_attempt_end report) {
  attempt_threads_options threads;
  threads.activity_type = "plugins";
  threads.threads = options.threads;
  threads.time = options.time;
  threads.on_heartbeat = options.on_heartbeat;
  threads.on_start = options.on_start;
  for (const auto& [type, activity] : options.activities) threads.activity_types.push_back(type);
  threads.serves = [types = options.activities](std::string_view type) { return types.contains(type); };
  return make_attempt_threads(threads, plugin_work(options), std::move(report));
}

}  // namespace evermill::tasks
