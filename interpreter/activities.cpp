#include "interpreter/activities.hpp"

#include <utility>

#include "base/text.hpp"

namespace evermill::interpreter {
namespace {

constexpr activity_options attempts{.retry = {.non_retryable = {"*"}}};
constexpr activity_options kept_attempts{.retry = {.non_retryable = {"*"}}, .cancellation = activity_cancellation::abandon};

}  // namespace

future<payload> call_activity(const context& ctx, std::string_view name, const json& input, bool kept) {
  const activity<payload(json)> what{.name = name, .options = kept ? kept_attempts : attempts};
  return ctx.call(what, input);
}

json json_of(const payload& from) {
  if (from.type == payload::content_type::json) {
    if (from.data.empty()) return nullptr;
    json made = json::parse(from.data, nullptr, false);
    if (!made.is_discarded()) return made;
  }
  return to_utf8(from.data);
}

task<json> result_of(context ctx, std::string name, json input) {
  const payload given = co_await call_activity(ctx, name, input);
  co_return json_of(given);
}

}  // namespace evermill::interpreter
