// The options that say which executions a command is about, and the times they may name.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "cli/output.hpp"
#include "evermill/engine.hpp"

namespace CLI {
class App;
}

namespace evermill::cli {

/// As they stand on the command line.
struct filter_options {
  std::vector<std::string> statuses;
  bool blocked = false;
  std::string type;
  std::string since;
  std::string before;
  std::string prefix;
};

/// --status, --blocked, --type, --since, --before, --prefix. What can't be is a usage error.
std::shared_ptr<filter_options> add_filter_options(CLI::App& command);

/// `now` is what durations are counted back from.
execution_filter filter_of(const filter_options& options, time_point now);

/// Whether anything is asked for.
bool is_filtered(const filter_options& options);

/// RFC 3339 ("2026-05-01T12:00:00Z", "2026-05-01T14:00:00.5+02:00", "2026-05-01": midnight UTC), or how long ago: numbers with
/// units, the largest first ("90s", "1h30m", "2w"; w, d, h, m, s, ms). Nothing where it is neither, or no time that can be.
std::optional<time_point> parse_time(std::string_view text, time_point now);

}  // namespace evermill::cli
