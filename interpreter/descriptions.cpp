#include "interpreter/descriptions.hpp"

#include <utility>

#include "dsl/errors.hpp"
#include "interpreter/errors.hpp"
#include "interpreter/evaluation.hpp"

namespace evermill::interpreter {

void description::fail(const std::string& why) const {
  throw fault(dsl::error_type::configuration, 400, "The description does not fit", why + " (" + url + ")", pointer);
}

const json& description::resolved(const json& of) const {
  const json* at = &of;
  for (int steps = 0; at->is_object() && at->contains("$ref") && (*at)["$ref"].is_string(); ++steps) {
    const std::string to = (*at)["$ref"];
    if (!to.starts_with("#/") || steps > 32) fail("\"" + to + "\" leads to no part of it");
    const json::json_pointer part(to.substr(1));
    if (!document.contains(part)) fail("it has no \"" + to + "\"");
    at = &document.at(part);
  }
  return *at;
}

task<description_pointer> fetch_description(context ctx, instance_pointer in, frame_pointer at, endpoint_reference what) {
  auto made = std::make_shared<description>();
  made->url = place_of(evaluation(ctx, *in, *at), *what.to, *at->input, at->pointer()).url;
  made->pointer = at->pointer();
  task<value> fetching = fetch(ctx, in, at, what);
  const value text = co_await std::move(fetching);
  made->document = text->is_string() ? parse_document(text->get<std::string>(), made->url, at->pointer()) : *text;
  co_return made;
}

const json& member_of(const json& of, const char* name) {
  static const json nothing;
  const auto found = of.is_object() ? of.find(name) : of.end();
  return of.is_object() && found != of.end() ? *found : nothing;
}

std::string text_or(const json& of, const char* name, const char* otherwise) {
  const json& found = member_of(of, name);
  return found.is_string() ? found.get<std::string>() : otherwise;
}

void fill(std::string& url, const std::string& name, const std::string& text) {
  const std::string place = "{" + name + "}";
  if (const std::size_t at = url.find(place); at != std::string::npos) url.replace(at, place.size(), text);
}

}  // namespace evermill::interpreter
