// A node of a cluster with workflows that leave traces, and (as `cluster_program drive N SECONDS`) who starts N of them, signals
// them, waits for them and looks whether everything is as it must be, whatever happens to the nodes meanwhile; again and again, until
// the time is over. Its last line is how many there were.
//
//   EVERMILL_QUEUE    the broker
//   EVERMILL_PLUGINS  a plugin that it needs
//   ENOUGH            a file: as long as it is not there, it goes on longer
//   EFFECTS           the file that each effect adds a line to: its idempotency key
#include <fcntl.h>
#include <unistd.h>

#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <iostream>
#include <map>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <thread>
#include <vector>

#include "evermill/activity_context.hpp"
#include "evermill/context.hpp"
#include "evermill/engine.hpp"
#include "evermill/main.hpp"
#include "evermill/plugin.hpp"

namespace {

using namespace evermill;
using namespace std::chrono_literals;

constexpr std::chrono::minutes drive_limit{4};
constexpr int children_each = 2;

inline constexpr activity<int(int)> effect{.name = "effect"};
inline constexpr evermill::signal<int> go{.name = "go"};

task<int> small(context ctx, int n) { co_return co_await ctx.call(effect, n); }

task<int> mixed(context ctx, int n) {
  const int first = co_await ctx.call(effect, n);
  std::vector<future<int>> children;
  for (int i = 0; i < children_each; ++i) children.push_back(ctx.start(small, n + i));
  int sum = first;
  for (const int each : co_await all(std::move(children))) sum += each;
  co_await ctx.sleep(50ms);
  sum += co_await ctx.wait(go);
  sum += co_await ctx.call(effect, first);
  co_return sum;
}

int expected(int n) { return (n + 1) + (n + 1) + (n + 2) + 1000 + (n + 2); }

int leave_trace(const activity_context& ctx, int n) {
  const char* const path = std::getenv("EFFECTS");
  const std::string line = ctx.idempotency_key() + "\n";
  const int file = ::open(path == nullptr ? "effects" : path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0600);
  if (file < 0 || ::write(file, line.data(), line.size()) != static_cast<ssize_t>(line.size())) std::abort();
  ::close(file);
  std::this_thread::sleep_for(std::chrono::milliseconds(n % 10 == 0 ? 300 : 5));  // so that some are interrupted
  return n + 1;
}

registry definitions() {
  registry all;
  all.add("small", small);
  all.add("mixed", mixed);
  all.add(effect, [](const activity_context& ctx, int n) { return leave_trace(ctx, n); });
  return all;
}

/// Until it is acknowledged: who is told `unavailable` asks again.
template <class F>
auto persistently(F&& ask) {
  for (const auto until = std::chrono::steady_clock::now() + drive_limit;;) {
    try {
      return ask();
    } catch (const engine_error& error) {
      const bool again = error.code() == engine_errc::unavailable || error.code() == engine_errc::storage ||
                         error.code() == engine_errc::overloaded;
      if (!again || std::chrono::steady_clock::now() > until) throw;
      std::this_thread::sleep_for(100ms);
    }
  }
}

int wrong(const std::string& what) {
  std::cout << "WRONG: " << what << std::endl;
  return 1;
}

/// Every activity closes once, and the last event is the only end.
std::string check_history(const std::vector<history_event>& events) {
  std::map<std::uint64_t, int> closed;
  std::uint64_t seq = 0;
  for (const history_event& each : events) {
    if (each.seq != ++seq) return "event " + std::to_string(each.seq) + " follows " + std::to_string(seq - 1);
    const auto json = nlohmann::json::parse(each.json);
    if (each.type == "ActivityTaskScheduled") closed[each.seq] = 0;
    if (each.type == "ActivityTaskCompleted" && ++closed[json.at("scheduled_seq")] > 1) return "an activity was completed twice";
    if (each.type == "WorkflowExecutionCompleted" && &each != &events.back()) return "something follows the end";
  }
  if (events.empty() || events.back().type != "WorkflowExecutionCompleted") return "it has not ended";
  for (const auto& [scheduled, times] : closed) {
    if (times != 1) return "activity " + std::to_string(scheduled) + " has no end";
  }
  return "";
}

/// What is wrong with instances `first` to `last`; "": nothing.
std::string drive(engine& client, int first, int last) {
  const auto id_of = [](int i) { return "m-" + std::to_string(i); };
  for (int i = first; i < last; ++i) persistently([&] { return client.start(mixed, i, {.id = id_of(i)}).id(); });
  for (int i = first; i < last; ++i) {
    persistently([&] { return client.signal(id_of(i), "go", codec<int>::encode(1000), "go-" + std::to_string(i)), 0; });
  }
  for (int i = first; i < last; ++i) {
    const int result = persistently([&] { return client.find<int>(id_of(i)).result(); });
    if (result != expected(i)) return id_of(i) + " gave " + std::to_string(result) + ", not " + std::to_string(expected(i));
  }
  for (int i = first; i < last; ++i) {
    const auto events = persistently([&] { return client.history(id_of(i)); });
    if (const std::string why = check_history(events); !why.empty()) return id_of(i) + ": " + why;
  }
  return "";
}

std::string check_all(engine& client, int count) {
  int running = 0, all = 0;
  for (std::string after;;) {
    const auto page = persistently([&] { return client.list(after, 500); });
    if (page.empty()) break;
    after = page.back().workflow_id;
    all += static_cast<int>(page.size());
    for (const listed_execution& each : page) running += each.status == execution_status::running ? 1 : 0;
  }
  if (running > 0) return std::to_string(running) + " executions have not ended";
  if (all != count * (1 + children_each)) return "there are " + std::to_string(all) + " executions for " + std::to_string(count);
  return "";
}

/// The test says by a file that it has seen enough.
bool is_wanted_longer() {
  const char* const file = std::getenv("ENOUGH");
  return file != nullptr && !std::filesystem::exists(file);
}

int drive(int at_once, std::chrono::seconds how_long) {
  engine_options options;
  options.mode = engine_mode::client;
  options.queue = std::getenv("EVERMILL_QUEUE");
  const auto opened = persistently([&] { return std::make_unique<engine>(definitions(), options); });
  engine& client = *opened;
  int count = 0;
  for (const auto until = std::chrono::steady_clock::now() + how_long; std::chrono::steady_clock::now() < until || is_wanted_longer();) {
    if (const std::string why = drive(client, count, count + at_once); !why.empty()) return wrong(why);
    count += at_once;
  }
  if (const std::string why = check_all(client, count); !why.empty()) return wrong(why);
  std::cout << count << std::endl;
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc == 4 && std::string(argv[1]) == "drive") {
    try {
      const char* const plugin = std::getenv("EVERMILL_PLUGINS");  // evermill::main does that by itself
      if (plugin != nullptr && *plugin != '\0') load_plugin(plugin);
      return drive(std::stoi(argv[2]), std::chrono::seconds(std::stoi(argv[3])));
    } catch (const std::exception& error) {
      return wrong(error.what());
    }
  }
  return evermill::main(argc, argv, definitions());
}
