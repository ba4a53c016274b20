#include <CLI/App.hpp>
#include <algorithm>
#include <chrono>
#include <memory>
#include <nlohmann/json.hpp>
#include <ostream>
#include <string>
#include <thread>
#include <vector>

#include "cli/commands/commands.hpp"
#include "cli/errors.hpp"
#include "cli/opened_control.hpp"
#include "cli/output.hpp"

namespace evermill::cli {
namespace {

constexpr std::chrono::milliseconds between_cluster_looks{200};
constexpr std::size_t id_letters = 8;  // of a member's id: enough to tell them apart

struct cluster_options {
  bool json = false;
  std::size_t wait_for = 0;  ///< nodes
  std::uint32_t timeout_seconds = 60;
};

cluster_description look(environment& env) {
  const opened_control opened = open_data_directory(env, open_mode::inspect);
  return opened.local->cluster();
}

/// Nobody may have begun the cluster yet, or the broker be there.
cluster_description wait_for_nodes(environment& env, const cluster_options& options) {
  const auto until = std::chrono::steady_clock::now() + std::chrono::seconds(options.timeout_seconds);
  for (std::string why;; std::this_thread::sleep_for(between_cluster_looks)) {
    try {
      cluster_description cluster = look(env);
      if (is_shared_by(cluster, options.wait_for)) return cluster;
      why = "not all partitions are owned, by as many nodes";
    } catch (const command_error& error) {
      why = error.what();
    }
    if (std::chrono::steady_clock::now() < until) continue;
    throw command_error("after " + std::to_string(options.timeout_seconds) + " s the cluster is not shared by " +
                        std::to_string(options.wait_for) + " nodes: " + why, exit_code::failed);
  }
}

std::string ranges(const std::vector<std::uint32_t>& numbers) {
  std::string text;
  for (std::size_t i = 0; i < numbers.size();) {
    std::size_t last = i;
    while (last + 1 < numbers.size() && numbers[last + 1] == numbers[last] + 1) ++last;
    if (!text.empty()) text += ',';
    text += std::to_string(numbers[i]);
    if (last > i) text.append(1, '-').append(std::to_string(numbers[last]));
    i = last + 1;
  }
  return text.empty() ? "-" : text;
}

/// "build,gpu (8 at once)"
std::string task_queues_of(const cluster_member& worker) {
  if (worker.task_queues.empty()) return "-";
  std::string text;
  for (const std::string& name : worker.task_queues) {
    if (!text.empty()) text += ',';
    text += name;
  }
  return text.append(" (").append(std::to_string(worker.concurrency)).append(" at once)");
}

/// "120 in memory, 3 running"
std::string load_of(const cluster_member& member) {
  if (!member.load) return "no answer";
  const std::string running = std::to_string(member.load->running_attempts) + " running";
  return member.role == "worker" ? running : std::to_string(member.load->live_instances) + " in memory, " + running;
}

nlohmann::json load_json(const cluster_member& member) {
  if (!member.load) return nullptr;
  return {{"live_instances", member.load->live_instances},
          {"running_attempts", member.load->running_attempts},
          {"turns", member.load->turns},
          {"ended_attempts", member.load->ended_attempts}};
}

nlohmann::json cluster_json(const cluster_description& cluster) {
  nlohmann::json members = nlohmann::json::array();
  for (const cluster_member& each : cluster.members) {
    members.push_back({{"id", each.id},
                       {"role", each.role},
                       {"host", each.host},
                       {"process_id", each.process_id},
                       {"version", each.version},
                       {"started_at", short_time(each.started_at)},
                       {"leaving", each.leaving},
                       {"owned", each.owned},
                       {"standby", each.standby},
                       {"catching_up", each.catching_up},
                       {"task_queues", each.task_queues},
                       {"concurrency", each.concurrency},
                       {"workflow_types", each.workflow_types},
                       {"load", load_json(each)}});
  }
  nlohmann::json owners = nlohmann::json::array();
  for (const std::string& owner : cluster.owners) owners.push_back(owner.empty() ? nlohmann::json() : nlohmann::json(owner));
  return {{"cluster_id", cluster.cluster_id},   {"address", cluster.address}, {"coordinator", cluster.coordinator},
          {"durability", cluster.durability}, {"members", members},         {"owners", owners}};
}

exit_code show(environment& env, const cluster_options& options) {
  if (env.queue.empty()) throw command_error("a cluster is named by its broker: --queue kafka://HOST:PORT or redis://HOST:PORT");
  const cluster_description cluster = options.wait_for == 0 ? look(env) : wait_for_nodes(env, options);
  if (options.json) {
    env.out << cluster_json(cluster) << '\n';
    return exit_code::completed;
  }
  std::vector<std::vector<std::string>> table{{"PROCESS", "ROLE", "HOST", "PID", "VERSION", "OWNS", "STANDBY FOR", "TASK QUEUES", "LOAD"}};
  for (const cluster_member& each : cluster.members) {
    std::string role = each.role;
    if (each.id == cluster.coordinator) role += " *";
    if (each.leaving) role += " (leaving)";
    table.push_back({each.id.substr(0, id_letters), std::move(role), each.host, std::to_string(each.process_id), each.version,
                     ranges(each.owned), ranges(each.standby), task_queues_of(each), load_of(each)});
  }
  print_table(env.out, std::move(table), env.width);
  const auto unowned = std::count(cluster.owners.begin(), cluster.owners.end(), "");
  env.out << cluster.owners.size() << " partitions at " << cluster.address << ", " << cluster.durability << '\n';
  if (unowned > 0) env.out << unowned << " partitions have no process that could own them: start a node\n";
  return exit_code::completed;
}

}  // namespace

void add_cluster(CLI::App& app, environment& env, action& chosen) {
  CLI::App& command = *app.add_subcommand("cluster", "Show the processes of a cluster and what each of them has");
  const auto options = std::make_shared<cluster_options>();
  command.add_flag("--json", options->json, "One JSON object");
  command.add_option("--wait-for", options->wait_for, "Wait until so many nodes have all partitions between them")->type_name("NODES");
  command.add_option("--timeout", options->timeout_seconds, "With --wait-for: after so many seconds it ends with 1")
      ->type_name("SECONDS")
      ->needs("--wait-for");
  add_place_options(command, env);
  command.footer("* decides which process should have which partition. LOAD: instances in memory, attempts of activities.\n\nExample:\n  " + env.program +
                 " cluster --queue kafka://localhost:9092");
  command.callback([&, options] { chosen = [&env, options] { return show(env, *options); }; });
}

}  // namespace evermill::cli
