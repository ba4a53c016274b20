#include <CLI/App.hpp>
#include <filesystem>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <ostream>

#include "cli/commands/commands.hpp"
#include "cli/contexts.hpp"
#include "cli/errors.hpp"
#include "cli/output.hpp"

namespace evermill::cli {
namespace {

/// What of a context is to be changed.
struct context_change {
  std::string name;
  std::optional<std::string> server, tls_ca, tls_certificate, tls_key, token_file, name_space;
  std::optional<bool> tls;
};

std::string absolute(const std::string& file) { return file.empty() ? "" : std::filesystem::absolute(file).lexically_normal().string(); }

exit_code set_context(environment& env, const context_change& change) {
  if (change.name.empty()) throw command_error("a context needs a name");
  context_list list = read_contexts(env);
  server_context& context = list.contexts[change.name];
  const auto set = [](std::string& to, const std::optional<std::string>& from, bool is_file) {
    if (from) to = is_file ? absolute(*from) : *from;
  };
  set(context.server, change.server, false);
  set(context.tls_ca, change.tls_ca, true);
  set(context.tls_certificate, change.tls_certificate, true);
  set(context.tls_key, change.tls_key, true);
  set(context.token_file, change.token_file, true);
  set(context.name_space, change.name_space, false);
  if (change.tls) context.tls = *change.tls;
  if (change.tls_ca && !change.tls_ca->empty()) context.tls = true;
  if (context.server.empty()) throw command_error("a new context needs --server HOST:PORT");
  write_contexts(env, list);
  if (list.current != change.name) {
    env.err << "Kept. Use it with: " << env.program << " context use " << change.name << ", or --context " << change.name << '\n';
  }
  return exit_code::completed;
}

exit_code use_context(environment& env, const std::string& name, bool none) {
  if (none != name.empty()) throw command_error("name a context, or give --none");
  context_list list = read_contexts(env);
  if (!none) find_context(env, list, name);
  list.current = name;
  write_contexts(env, list);
  return exit_code::completed;
}

exit_code remove_context(environment& env, const std::string& name) {
  context_list list = read_contexts(env);
  find_context(env, list, name);
  list.contexts.erase(name);
  if (list.current == name) list.current.clear();
  write_contexts(env, list);
  return exit_code::completed;
}

exit_code list_contexts(environment& env, bool as_json) {
  const context_list list = read_contexts(env);
  std::vector<std::vector<std::string>> table{{"", "NAME", "SERVER", "TLS", "NAMESPACE", "TOKEN FILE"}};
  for (const auto& [name, each] : list.contexts) {
    const bool is_current = name == list.current;
    table.push_back({is_current ? "*" : "", name, each.server, each.tls ? "yes" : "no", each.name_space.empty() ? "default" : each.name_space,
                     each.token_file});
    if (!as_json) continue;
    const nlohmann::ordered_json object = {{"name", name},
                                           {"current", is_current},
                                           {"server", each.server},
                                           {"tls", each.tls},
                                           {"tls_ca", each.tls_ca},
                                           {"tls_cert", each.tls_certificate},
                                           {"tls_key", each.tls_key},
                                           {"token_file", each.token_file},
                                           {"namespace", each.name_space}};
    env.out << object.dump(-1, ' ', false, nlohmann::ordered_json::error_handler_t::replace) << '\n';
  }
  if (as_json) return exit_code::completed;
  if (list.contexts.empty()) {
    env.err << "No contexts. Make one with: " << env.program << " context set NAME --server HOST:PORT\n";
  } else {
    print_table(env.out, std::move(table), env.width);
  }
  return exit_code::completed;
}

void add_set(CLI::App& group, environment& env, action& chosen) {
  CLI::App& command = *group.add_subcommand("set", "Make a context, or change what is given of one");
  const auto change = std::make_shared<context_change>();
  command.add_option("NAME", change->name, "What it is called")->required();
  command.add_option("--server", change->server, "Where the server listens")->type_name("HOST:PORT");
  command.add_option("--token-file", change->token_file, "The first line of this file is the token that the server is shown; \"\": none")
      ->type_name("FILE");
  command.add_flag("--tls,!--no-tls", change->tls, "The connection is encrypted, or not");
  command.add_option("--tls-ca", change->tls_ca, "Who vouches for the server (PEM); with it --tls need not be said")->type_name("FILE");
  command.add_option("--tls-cert", change->tls_certificate, "What the server is shown of this side (PEM)")->type_name("FILE");
  command.add_option("--tls-key", change->tls_key, "The key of --tls-cert (PEM)")->type_name("FILE");
  command.add_option("--namespace", change->name_space, "Whose executions are meant; \"\": the default one")->type_name("NAME");
  command.footer("Example:\n  " + env.program + " context set prod --server evermill.example:7466 --tls --token-file ~/.evermill-token");
  command.callback([&, change] { chosen = [&env, change] { return set_context(env, *change); }; });
}

}  // namespace

void add_context(CLI::App& app, environment& env, action& chosen) {
  CLI::App& group = *app.add_subcommand("context", "Keep servers by name, so that commands need not be told where they are");
  group.require_subcommand(1);
  group.footer("Kept in $XDG_CONFIG_HOME/evermill/contexts.json, else ~/.config/evermill/contexts.json. What an option says counts more than "
               "an environment variable, and that more than the context that is used; --context NAME counts as an option.");
  add_set(group, env, chosen);
  const auto name = std::make_shared<std::string>();
  const auto flag = std::make_shared<bool>(false);
  CLI::App& use = *group.add_subcommand("use", "Use a context wherever nothing else is said");
  use.add_option("NAME", *name, "The context");
  use.add_flag("--none", *flag, "Use none any more");
  use.callback([&, name, flag] { chosen = [&env, name, flag] { return use_context(env, *name, *flag); }; });
  CLI::App& list = *group.add_subcommand("list", "Show them; * is the one that is used");
  list.add_flag("--json", *flag, "One JSON object a line");
  list.callback([&, flag] { chosen = [&env, flag] { return list_contexts(env, *flag); }; });
  CLI::App& remove = *group.add_subcommand("remove", "Take one away");
  remove.add_option("NAME", *name, "The context")->required();
  remove.callback([&, name] { chosen = [&env, name] { return remove_context(env, *name); }; });
}

}  // namespace evermill::cli
