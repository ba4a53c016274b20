// call: asyncapi. A message is one activity. A subscription is one after the other, each of which gives messages and the place
// behind them: the place is in the journal, so that nothing is lost or comes twice when a process dies.
#include <algorithm>
#include <exception>
#include <optional>
#include <utility>

#include "dsl/errors.hpp"
#include "interpreter/activities.hpp"
#include "interpreter/asyncapi_target.hpp"
#include "interpreter/calls.hpp"
#include "interpreter/errors.hpp"
#include "interpreter/items.hpp"

namespace evermill::interpreter {
namespace {

using lifetime = dsl::asyncapi_subscription::lifetime;
using protocol = asyncapi_target::protocol;

constexpr std::int64_t most_at_once = 100;
constexpr int work_of_a_message = 1;
/// What fails for a while is tried again: a subscription that ended for it had lost its place.
constexpr activity<payload(json)> receive{.name = "kafka.receive"};

/// Coroutines take values.
struct asyncapi_reference {
  const dsl::asyncapi_call* call = nullptr;
  const dsl::asyncapi_subscription* subscription = nullptr;
};

using target_pointer = std::shared_ptr<const asyncapi_target>;

/// A subscription that goes on.
struct consuming {
  target_pointer from;
  json request;  ///< of the next activity
  json consumed = json::array();
  json outputs = json::array();
  bool complete = false;
  bool ends_workflow = false;
  std::optional<future<void>> timer;  ///< of `for`; none any more once it was awaited
};
using consuming_pointer = std::shared_ptr<consuming>;

json http_message(const evaluation& evaluate, const asyncapi_target& to, const dsl::asyncapi_message& what,
                  const json& input) {
  json request = {{"method", to.method}, {"url", to.url}, {"output", "content"}};
  request["headers"] = evaluate.texts(what.headers, input, "headers");
  request["body"] = what.payload ? evaluate(*what.payload, input) : json();
  return request;
}

json kafka_message(const evaluation& evaluate, const asyncapi_target& to, const dsl::asyncapi_message& what,
                   const json& input) {
  json request = {{"server", to.server}, {"topic", to.topic}};
  const json headers = evaluate.texts(what.headers, input, "headers");
  const json payload = what.payload ? evaluate(*what.payload, input) : json();
  const json key = asyncapi_value(to.key, payload, headers);
  if (!key.is_null()) request["key"] = as_text(key);
  request["headers"] = headers;
  request["value"] = payload.is_string() && to.is_json ? json(payload.dump()) : payload;
  return request;
}

task<json> send_message(context ctx, instance_pointer in, frame_pointer at, target_pointer to) {
  const auto& call = std::get<dsl::asyncapi_call>(std::get<dsl::call_task>(at->task->what).what);
  const auto& message = std::get<dsl::asyncapi_message>(call.action);
  const evaluation evaluate(ctx, *in, *at);
  const bool by_kafka = to->by == protocol::kafka;
  json request = (by_kafka ? kafka_message : http_message)(evaluate, *to, message, *at->input);
  json authentication = authentication_of(evaluate, call.authentication, *at->input);
  at->authorization = authorization_of(authentication);
  (by_kafka ? request["server"] : request)["authentication"] = std::move(authentication);
  task<json> asking = result_of(ctx, by_kafka ? "kafka.send" : "http", request);
  json answer = co_await std::move(asking);
  co_return answer;
}

/// As the standard has it.
json inbound(const json& record, const asyncapi_target& from) {
  json message = {{"payload", record.at("value")}, {"headers", record.at("headers")}};
  json id = asyncapi_value(from.correlation, message["payload"], message["headers"]);
  if (!id.is_null()) message["correlationId"] = std::move(id);
  return message;
}

/// Is there enough, after a message was consumed?
bool is_complete(const evaluation& evaluate, const dsl::asyncapi_subscription& what, const json& consumed) {
  if (what.what == lifetime::amount) return static_cast<std::int64_t>(consumed.size()) >= what.amount;
  return evaluate.holds(*what.condition, consumed) == (what.what == lifetime::until_holds);
}

task<void> consume_message(context ctx, instance_pointer in, frame_pointer at, asyncapi_reference what, consuming_pointer state,
                           value message) {
  in->work += work_of_a_message;
  if (must_breathe(*in)) co_await breathe(ctx, *in);
  const evaluation evaluate(ctx, *in, *at);
  const auto& subscription = *what.subscription;
  if (subscription.filter && !evaluate.holds(*subscription.filter, *message)) co_return;
  state->consumed.push_back(*message);
  list_outcome left{message};
  if (subscription.iterator) {
    task<list_outcome> doing = process_item(ctx, in, at, {&*subscription.iterator}, message, state->outputs.size());
    left = co_await std::move(doing);
  }
  state->outputs.push_back(*left.output);
  state->ends_workflow = left.ends_workflow;
  state->complete = left.ends_workflow || left.exited || is_complete(evaluate, subscription, state->consumed);
}

/// The next messages, and the place behind them; null: the time is over.
task<json> next_batch(context ctx, consuming_pointer state) {
  future<payload> receiving = ctx.call(receive, state->request);
  if (state->timer) {
    const std::size_t first = co_await race(receiving, *state->timer);
    if (first == 1) {
      receiving.cancel();
      future<void> over = std::move(*state->timer);
      state->timer.reset();
      co_await std::move(over);  // throws where all of the execution is canceled
      co_return json();
    }
  }
  const payload given = co_await std::move(receiving);
  co_return json_of(given);
}

task<void> consume_all(context ctx, instance_pointer in, frame_pointer at, asyncapi_reference what, consuming_pointer state) {
  while (!state->complete) {
    const auto& subscription = *what.subscription;
    std::int64_t wanted = most_at_once;
    if (subscription.what == lifetime::amount && !subscription.filter) {
      wanted = std::min(wanted, subscription.amount - static_cast<std::int64_t>(state->consumed.size()));
    }
    state->request["max_messages"] = wanted;
    task<json> receiving = next_batch(ctx, state);
    const json batch = co_await std::move(receiving);
    if (batch.is_null()) co_return;
    state->request["positions"] = batch.at("positions");
    for (const json& record : batch.at("messages")) {
      task<void> taking = consume_message(ctx, in, at, what, state, make_value(inbound(record, *state->from)));
      co_await std::move(taking);
      if (state->timer && state->timer->ready()) state->complete = true;
      if (state->complete) break;
    }
  }
}

/// The place from which on messages are taken, and the time for it.
task<void> begin_consuming(context ctx, instance_pointer in, frame_pointer at, asyncapi_reference what,
                           consuming_pointer state) {
  const evaluation evaluate(ctx, *in, *at);
  json authentication = authentication_of(evaluate, what.call->authentication, *at->input);
  at->authorization = authorization_of(authentication);
  state->request = {{"server", state->from->server}, {"topic", state->from->topic}};
  state->request["server"]["authentication"] = std::move(authentication);
  task<json> asking = result_of(ctx, std::string(receive.name), state->request);
  const json begun = co_await std::move(asking);
  state->request["positions"] = begun.at("positions");
  const auto& limit = what.subscription->time_limit;
  if (limit) state->timer.emplace(ctx.sleep(evaluate(*limit, *at->input)));
}

task<performed> subscribe(context ctx, instance_pointer in, frame_pointer at, target_pointer from) {
  const auto& call = std::get<dsl::asyncapi_call>(std::get<dsl::call_task>(at->task->what).what);
  const asyncapi_reference what{&call, &std::get<dsl::asyncapi_subscription>(call.action)};
  if (from->by == protocol::http) {
    throw fault(dsl::error_type::configuration, 400, "Not available",
                "evermill can't subscribe by http: AsyncAPI knows no streams there, only servers that call their subscribers; "
                "subscribe by kafka, or listen to events, which `evermill emit` takes from anywhere",
                at->pointer());
  }
  const auto state = std::make_shared<consuming>();
  state->from = std::move(from);
  task<void> beginning = begin_consuming(ctx, in, at, what, state);
  co_await std::move(beginning);
  std::exception_ptr failed;
  try {
    task<void> all = consume_all(ctx, in, at, what, state);
    co_await std::move(all);
  } catch (const std::exception&) {
    failed = std::current_exception();
  }
  if (state->timer) state->timer->cancel();
  if (failed) std::rethrow_exception(failed);
  performed done{make_value(std::move(state->outputs)), std::nullopt};
  if (state->ends_workflow) done.then = dsl::flow_directive{dsl::flow_directive::kind::end};
  co_return done;
}

}  // namespace

task<performed> call_asyncapi(context ctx, instance_pointer in, frame_pointer at) {
  const auto& what = std::get<dsl::asyncapi_call>(std::get<dsl::call_task>(at->task->what).what);
  if (what.server.empty() && !what.protocol.empty() && what.protocol != "http" && what.protocol != "kafka") {
    throw fault(dsl::error_type::configuration, 400, "Not available",
                "evermill can't call by " + what.protocol + ": of AsyncAPI it speaks http and kafka", at->pointer());
  }
  task<description_pointer> fetching = fetch_description(ctx, in, at, {&what.document.endpoint});
  const description_pointer described = co_await std::move(fetching);
  const json variables = evaluation(ctx, *in, *at).object(what.server_variables, *at->input, "server.variables");
  const auto target = std::make_shared<const asyncapi_target>(asyncapi_target_of(*described, what, variables));
  if (std::holds_alternative<dsl::asyncapi_subscription>(what.action)) {
    task<performed> subscribing = subscribe(ctx, in, at, target);
    performed done = co_await std::move(subscribing);
    co_return done;
  }
  task<json> sending = send_message(ctx, in, at, target);
  json answer = co_await std::move(sending);
  performed done{make_value(std::move(answer)), std::nullopt};
  co_return done;
}

}  // namespace evermill::interpreter
