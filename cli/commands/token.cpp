#include <CLI/App.hpp>
#include <chrono>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <ostream>
#include <string>
#include <vector>

#include "base/text.hpp"
#include "cli/commands/commands.hpp"
#include "cli/errors.hpp"
#include "cli/output.hpp"
#include "server/security/grants_json.hpp"
#include "server/security/time_text.hpp"
#include "server/security/token.hpp"

namespace evermill::cli {
namespace {

namespace security = server::security;

struct token_options {
  std::string file;
  std::string name;
  std::vector<std::string> scopes;
  std::vector<std::string> namespaces{"default"};
  std::vector<std::string> task_queues;
  std::vector<std::string> workflow_types;
  std::string expires;
  std::string id;
  bool json = false;
};

timestamp wall_time() { return std::chrono::time_point_cast<std::chrono::microseconds>(std::chrono::system_clock::now()); }

std::string file_of(const environment& env, const token_options& options) {
  return options.file.empty() ? (env.data_directory / "tokens.json").string() : options.file;
}

security::token_records read_records(const std::string& file) {
  auto records = security::read_tokens_file(file);
  if (!records) throw command_error(records.error());
  return std::move(*records);
}

std::vector<security::grant> grants_of_options(const token_options& options) {
  nlohmann::json wanted{{"scopes", options.scopes}, {"namespaces", options.namespaces}};
  if (!options.task_queues.empty()) wanted["task_queues"] = options.task_queues;
  if (!options.workflow_types.empty()) wanted["workflow_types"] = options.workflow_types;
  auto grants = security::grants_of(wanted);
  if (!grants) throw command_error(grants.error() + " (--scope, --namespace, --queue, --workflow-type)");
  return std::move(*grants);
}

std::optional<timestamp> end_of(const token_options& options, timestamp now) {
  if (options.expires.empty() || options.expires == "never") return std::nullopt;
  const auto lasts = security::read_duration(options.expires);
  if (!lasts || lasts->count() == 0)
    throw command_error("--expires: \"" + options.expires + "\" is no duration; write 12h, 90d or never");
  return now + *lasts;
}

nlohmann::ordered_json json_of(const security::token_record& of) {
  nlohmann::ordered_json made{{"id", of.id}, {"name", of.name}, {"created", security::utc_text(of.created)}};
  made["expires"] = of.expires ? nlohmann::ordered_json(security::utc_text(*of.expires)) : nlohmann::ordered_json();
  made["revoked"] = of.revoked ? nlohmann::ordered_json(security::utc_text(*of.revoked)) : nlohmann::ordered_json();
  made["grants"] = security::to_json(of.grants);
  return made;
}

exit_code create_token(environment& env, const token_options& options) {
  if (const auto why = why_no_name(options.name)) throw command_error("--name " + *why);
  const timestamp now = wall_time();
  const auto made = security::make_token(options.name, grants_of_options(options), now, end_of(options, now));
  const std::string file = file_of(env, options);
  if (auto added = security::add_token(file, made.record); !added) throw command_error(added.error());
  if (options.json) {
    auto shown = json_of(made.record);
    shown["token"] = made.text;
    env.out << shown.dump() << '\n';
  } else {
    env.out << made.text << '\n';
  }
  env.err << "Token " << made.record.id << " is in " << file
          << ", which has no more than its hash: keep what was printed, it is not shown again.\n";
  return exit_code::completed;
}

std::string state_of(const security::token_record& of, timestamp now) {
  if (of.revoked) return "revoked " + short_time(*of.revoked);
  if (!of.expires) return "valid";
  return (*of.expires <= now ? "expired " : "until ") + short_time(*of.expires);
}

exit_code list_tokens(environment& env, const token_options& options) {
  const auto records = read_records(file_of(env, options));
  std::vector<std::vector<std::string>> table{{"ID", "NAME", "STATE (UTC)", "GRANTS"}};
  for (const auto& [id, record] : records) {
    if (options.json) {
      env.out << json_of(record).dump() << '\n';
      continue;
    }
    std::string grants;
    for (const security::grant& each : record.grants) grants += (grants.empty() ? "" : ", ") + security::to_string(each);
    table.push_back({id, record.name, state_of(record, wall_time()), grants});
  }
  if (records.empty() && !options.json) {
    env.err << "There is no token.\n";
  } else if (!options.json) {
    print_table(env.out, std::move(table), env.width);
  }
  return exit_code::completed;
}

exit_code revoke(environment& env, const token_options& options) {
  const std::string file = file_of(env, options);
  const auto done = security::revoke_token(file, options.id, wall_time());
  if (!done) throw command_error(done.error());
  if (*done == security::revocation::unknown) {
    throw command_error("\"" + file + "\" has no token with this id; see those there are with: " + env.program +
                        " token list --file " + file);
  }
  env.err << (*done == security::revocation::done ? "Revoked; servers that use this file refuse it within a second or two.\n"
                                                  : "It was revoked already.\n");
  return exit_code::completed;
}

using token_command = exit_code (*)(environment&, const token_options&);

CLI::App& add_token_command(CLI::App& token, environment& env, action& chosen, const std::shared_ptr<token_options>& options,
                            const char* name, const char* about, token_command run) {
  CLI::App& command = *token.add_subcommand(name, about);
  add_data_option(command, env);
  command.add_option("--file", options->file, "The tokens file (default: tokens.json in the data directory)")->type_name("FILE");
  command.callback([&env, &chosen, options, run] { chosen = [&env, options, run] { return run(env, *options); }; });
  return command;
}

void add_grant_options(CLI::App& create, const std::shared_ptr<token_options>& options) {
  create.add_option("--name", options->name, "Whose it is: logs, limits and the audit log say so")->type_name("NAME")->required();
  create
      .add_option("--scope", options->scopes,
                  "What it may do: read, operate (and read), admin (and both), worker; several by commas")
      ->delimiter(',')
      ->type_name("SCOPE,…")
      ->required();
  create.add_option("--namespace", options->namespaces, "Where; \"*\" is everywhere (default: \"default\")")
      ->delimiter(',')
      ->type_name("NAME,…");
  create.add_option("--queue", options->task_queues, "Of a worker: the task queues whose activities it may run; \"*\" is all")
      ->delimiter(',')
      ->type_name("NAME,…");
  create.add_option("--workflow-type", options->workflow_types, "Of a worker: the workflows whose code it may run; \"*\" is all")
      ->delimiter(',')
      ->type_name("NAME,…");
  create.add_option("--expires", options->expires, "How long it is valid, as 12h or 90d (default: until it is revoked)")
      ->type_name("DURATION");
  create.add_flag("--json", options->json, "One JSON object, with the token");
}

}  // namespace

void add_token(CLI::App& app, environment& env, action& chosen) {
  CLI::App& token = *app.add_subcommand("token", "Make, list and revoke the tokens by which a server knows who calls");
  token.require_subcommand(1);
  token.footer("Examples:\n  " + env.program +
               " token create --name ci --scope operate --namespace shop --expires 90d --file tokens.json\n  " + env.program +
               " token create --name gpu-1 --scope worker --namespace shop --queue gpu --file tokens.json\n  " + env.program +
               " token list --file tokens.json\n  " + env.program + " token revoke ID --file tokens.json");
  const auto options = std::make_shared<token_options>();
  add_grant_options(
      add_token_command(token, env, chosen, options, "create", "Make a token, and print it this once", create_token), options);
  CLI::App& list =
      add_token_command(token, env, chosen, options, "list", "Show the tokens there are, without their secrets", list_tokens);
  list.add_flag("--json", options->json, "One JSON object a line");
  CLI::App& revoked = add_token_command(token, env, chosen, options, "revoke", "Make a token invalid", revoke);
  revoked.add_option("ID", options->id, "The token's id: the ten characters that follow \"evm_\", as \"token list\" shows them")
      ->required();
}

}  // namespace evermill::cli
