#include <CLI/App.hpp>
#include <chrono>
#include <memory>
#include <nlohmann/json.hpp>
#include <ostream>

#include "base/random.hpp"
#include "cli/commands/commands.hpp"
#include "cli/errors.hpp"
#include "cli/input.hpp"
#include "cli/opened_control.hpp"
#include "evermill/dsl.hpp"

namespace evermill::cli {
namespace {

struct emit_options {
  std::string type;
  std::string source = "evermill:emit";
  std::string id;
  std::string subject;
  std::string data;
};

/// What is still missing of a whole CloudEvent.
void complete(nlohmann::json& event, const emit_options& options) {
  const auto put = [&](const char* name, const std::string& text) {
    if (!event.contains(name) && !text.empty()) event[name] = text;
  };
  put("specversion", "1.0");
  put("type", options.type);
  put("source", options.source);
  put("subject", options.subject);
  put("id", options.id.empty() ? make_uuid(*make_system_random()) : options.id);
  for (const char* name : {"type", "source", "id"}) {
    if (!event[name].is_string() || event[name].get_ref<const std::string&>().empty()) {
      throw command_error("the event's \"" + std::string(name) + "\" must be a text");
    }
  }
  if (event["type"].get_ref<const std::string&>().size() > longest_event_type) {
    throw command_error("the event's type has more than " + std::to_string(longest_event_type) + " bytes");
  }
}

nlohmann::json event_of(environment& env, const emit_options& options) {
  nlohmann::json event = nlohmann::json::object();
  if (options.type == "-" || options.type.starts_with("@") || options.type.starts_with("{")) {
    event = nlohmann::json::parse(read_json(options.type, "EVENT", env.in).data);
    if (!event.is_object()) throw command_error("an event is an object: {\"type\": …, \"source\": …, \"data\": …}");
    emit_options rest = options;
    rest.type.clear();
    complete(event, rest);
    return event;
  }
  if (!options.data.empty()) event["data"] = nlohmann::json::parse(read_json(options.data, "--data-json", env.in).data);
  complete(event, options);
  return event;
}

/// False: nobody has ever listened there.
bool tell(server::control& control, const std::string& bus, const event_message& told, const std::string& request_id) {
  try {
    server::signal(control, bus, std::string(event_bus_signal.name), codec<event_message>::encode(told), request_id);
    return true;
  } catch (const server::control_error& error) {
    if (error.code() == server::control_errc::not_found) return false;
    throw;
  }
}

exit_code emit(environment& env, const emit_options& options) {
  event_message told;
  told.kind = "event";
  told.event = event_of(env, options);
  const auto type = told.event["type"].get<std::string>();
  const auto request = told.event["source"].get<std::string>() + " " + told.event["id"].get<std::string>();
  bool by_type = false, by_all = false;
  try {
    // The first bus may have what a process waited for that ends then; told again it is the same event.
    ask(env, open_mode::record, [&](server::control& control) {
      by_type = tell(control, event_bus_of(type), told, request);
      by_all = tell(control, std::string(bus_of_all_events), told, request);
    });
  } catch (const server::control_error& error) {
    if (error.code() != server::control_errc::stopped) throw;
    throw command_error(std::string(error.what()) + "\nWhether it was taken is not known; the same command with --id " +
                        shell_word(told.event["id"].get<std::string>()) + " sends it, and once only");
  }
  env.out << told.event["id"].get<std::string>() << '\n';
  if (!by_type && !by_all) env.err << env.program << ": nobody has listened for \"" << type << "\" yet; the event is gone\n";
  return exit_code::completed;
}

}  // namespace

void add_emit(CLI::App& app, environment& env, action& chosen) {
  CLI::App& command = *app.add_subcommand("emit", "Send an event (CloudEvents) to the workflow files that listen for it; durable when the command returns");
  const auto options = std::make_shared<emit_options>();
  command.add_option("EVENT", options->type, "The event's type; or all of it: JSON, @FILE or - for standard input")->required();
  command.add_option("--data-json", options->data, "Its data: JSON, @FILE or - for standard input")->type_name("JSON|@FILE|-");
  command.add_option("--source", options->source, "Its source")->type_name("URI");
  command.add_option("--subject", options->subject, "Its subject");
  command.add_option("--id", options->id, "Its id; a random one when left out. The same source and id within a day is the same event")->type_name("ID");
  add_place_options(command, env);
  command.footer("The event's id is printed.\n\nExamples:\n  " + env.program + " emit order.placed --data-json '{\"id\":7}'\n  " + env.program +
                 " emit @event.json");
  command.callback([&, options] { chosen = [&env, options] { return emit(env, *options); }; });
}

}  // namespace evermill::cli
