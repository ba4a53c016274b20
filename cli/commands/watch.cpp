#include <CLI/App.hpp>
#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <memory>
#include <mutex>
#include <ostream>
#include <string>

#include "cli/commands/commands.hpp"
#include "cli/interrupt.hpp"
#include "cli/opened_control.hpp"
#include "cli/output.hpp"

namespace evermill::cli {
namespace {

constexpr std::size_t events_per_page = 256;
constexpr std::chrono::milliseconds between_looks{500};  // where nobody says that there is more

struct watch_options {
  std::string id;
  std::uint64_t from = 1;
  bool json = false;
};

/// That there may be more events.
class changes {
 public:
  void note() {
    const std::lock_guard lock(mutex_);
    changed_ = true;
    told_.notify_all();
  }
  void wait() {
    std::unique_lock lock(mutex_);
    told_.wait_for(lock, between_looks, [this] { return changed_; });
    changed_ = false;
  }

 private:
  std::mutex mutex_;
  std::condition_variable told_;
  bool changed_ = false;
};

void print(environment& env, const watch_options& options, const history_event& event) {
  if (options.json) {
    env.out << event.json << '\n';
    return;
  }
  const std::string line = short_time(event.time) + "  " + std::to_string(event.seq) + "  " + event.type;
  const auto fields = event.json.find(event.type);
  std::string rest = fields == std::string::npos ? "" : event.json.substr(std::min(event.json.size(), fields + event.type.size() + 1));
  env.out << fit(line + "  " + rest, std::max<std::size_t>(env.width, 40)) << '\n';
}

/// Each event as it becomes durable, over continue-as-new, until the execution ends.
exit_code watch(environment& env, const watch_options& options) {
  const interrupt_guard interrupts;
  const opened_control opened = open_data_directory(env, open_mode::inspect);
  changes more;
  const auto told = opened.control->follow(options.id, [&more](const execution_progress&) { more.note(); });
  std::uint64_t run = 0;
  std::uint64_t from = options.from;
  while (!interrupts.interrupted()) {
    const history_page page = opened.control->read_history(options.id, run, from, events_per_page);
    run = page.run_number;
    for (const history_event& event : page.events) print(env, options, event);
    if (!page.events.empty()) {
      from = page.events.back().seq + 1;
      env.out.flush();
    } else if (page.ended && page.next_run == 0) {
      break;
    } else if (page.ended) {
      run = page.next_run;
      from = 1;
    } else {
      more.wait();
    }
  }
  return exit_code::completed;
}

}  // namespace

void add_watch(CLI::App& app, environment& env, action& chosen) {
  CLI::App& command = *app.add_subcommand("watch", "Show the events of one execution as they happen, until it ends");
  const auto options = std::make_shared<watch_options>();
  command.add_option("ID", options->id, "The workflow id")->required();
  command.add_option("--from", options->from, "The first event that is shown (default: 1)")->type_name("SEQ");
  command.add_flag("--json", options->json, "One JSON object a line: seq, type, time and the event's own fields");
  add_place_options(command, env);
  command.footer("No event is left out. Ctrl-C ends the watching only.\n\nExample:\n  " + env.program + " watch order-1");
  command.callback([&, options] { chosen = [&env, options] { return watch(env, *options); }; });
}

}  // namespace evermill::cli
