#include "plugins/task/shell/process_outcome.hpp"

#include <algorithm>
#include <utility>

#include "base/text.hpp"
#include "evermill/codec.hpp"
#include "workflow/conversions.hpp"

namespace evermill::tasks {

failed failure_of(failure_kind kind, std::string type, std::string message, bool non_retryable,
                  std::optional<payload> details) {
  failed how;
  workflow::to_message({kind, std::move(type), std::move(message), std::move(details), non_retryable, nullptr}, how.failure);
  return how;
}

std::string last_lines(const std::string& text) {
  constexpr int lines = 5;
  constexpr std::size_t bytes = 1'000;
  const std::size_t last = text.find_last_not_of('\n');
  if (last == std::string::npos) return {};
  std::size_t from = last + 1;
  for (int i = 0; i < lines && from > 0; ++i) {
    const std::size_t newline = from < 2 ? std::string::npos : text.rfind('\n', from - 2);
    from = newline == std::string::npos ? 0 : newline + 1;
  }
  from = std::max(from, last + 1 > bytes ? last + 1 - bytes : 0);
  return to_utf8(text.substr(from, last + 1 - from));
}

outcome outcome_of(process_end&& end, const process_command& command, bool check, const attempt_secrets& secrets) {
  secrets.hide(end.start_error);
  if (!end.start_error.empty()) {
    return failure_of(failure_kind::application, "CannotStart", to_utf8("cannot start " + end.start_error), !end.out_of_means);
  }
  for (auto [text, cut] : {std::pair(&end.result.stdout_text, end.result.stdout_truncated),
                           std::pair(&end.result.stderr_text, end.result.stderr_truncated)}) {
    cut ? secrets.hide_cut(*text) : secrets.hide(*text);
    *text = to_utf8(std::move(*text));
  }
  const std::string said = last_lines(end.result.stderr_text);
  const std::string colon = said.empty() ? "" : ": " + said;
  payload result = codec<shell_result>::encode(end.result);
  if (end.out_of_memory) {
    return failure_of(
        failure_kind::application, out_of_memory,
        "the process was ended as it needed more than its " + std::to_string(command.memory_bytes) + " bytes of memory" + colon,
        false, std::move(result));
  }
  if (end.signal != 0) {
    return failure_of(failure_kind::application, killed_by_signal,
                      "the process was ended by signal " + std::to_string(end.signal) + colon, false, std::move(result));
  }
  if (check && end.result.exit_code != 0) {
    return failure_of(failure_kind::application, "NonZeroExit", "exit code " + std::to_string(end.result.exit_code) + colon,
                      false, std::move(result));
  }
  completed done;
  workflow::to_message(std::move(result), done.result.emplace());
  return done;
}

}  // namespace evermill::tasks
