#include <xxhash.h>

#include <exception>
#include <memory>
#include <optional>
#include <utility>
#include <variant>

#include "evermill/exceptions.hpp"
#include "program.hpp"

namespace evermill::simulation {
namespace {

using leaf = std::variant<future<std::int64_t>, future<std::string>, future<void>, future<std::optional<std::string>>>;
using text = std::shared_ptr<std::string>;
using node_ptr = std::shared_ptr<const node>;  // into the program, which the root coroutine keeps

inline constexpr activity<std::int64_t(std::int64_t)> work{.name = activity_type};

activity<std::int64_t(std::int64_t)> work_as(const node& n) {
  activity_options options;
  options.start_to_close = std::chrono::microseconds(n.micros);
  options.retry.max_attempts = static_cast<std::uint32_t>(n.attempts);
  options.retry.initial_interval = std::chrono::microseconds(first_interval_us);
  options.retry.non_retryable = {fatal_type};
  options.schedule_to_close = std::chrono::microseconds(schedule_to_close_us(n.id));
  return work.with(options);
}

leaf start_leaf(context ctx, const node& n) {
  const bool changed = hooks().changed_from_leaf >= 0 && n.id >= hooks().changed_from_leaf;
  if (changed && ctx.replaying()) static_cast<void>(ctx.call(work, n.id));
  if (n.op == "call") return ctx.call(work_as(n), n.id);
  if (n.op == "step") {
    auto count = [id = n.id] {
      const std::int64_t value = hooks().step_value != nullptr ? hooks().step_value() : hooks().next_step_value++;
      if (id % 7 == 0) throw application_error("StepFailed", std::to_string(value));
      return value;
    };
    return ctx.step(step_name, count);
  }
  if (n.op == "sleep") return ctx.sleep(std::chrono::microseconds(n.micros));
  if (n.op == "wait") {
    const signal<std::string> which{.name = n.name};
    if (n.micros == 0) return ctx.wait(which);
    return ctx.wait(which, std::chrono::microseconds(n.micros));
  }
  program child;
  child.body = n.parts.front();
  child.on_cancel = n.attempts;
  child_options options;
  options.id = n.name;
  options.when_parent_closes = static_cast<parent_close_policy>(n.policy);
  options.run_timeout = std::chrono::microseconds(n.micros);
  return ctx.start_with(options, run_program, child);
}

task<void> await_leaf(leaf what, char tag, std::int64_t id, text out) {
  try {
    if (auto* number = std::get_if<future<std::int64_t>>(&what)) {
      const std::int64_t value = co_await std::move(*number);
      *out += seen(tag, id, std::to_string(value));
    } else if (auto* words = std::get_if<future<std::string>>(&what)) {
      const std::string value = co_await std::move(*words);
      *out += seen(tag, id, tag == 's' ? digest(value) : value);
    } else if (auto* nothing = std::get_if<future<void>>(&what)) {
      co_await std::move(*nothing);
      *out += seen(tag, id, "");
    } else {
      const std::optional<std::string> value = co_await std::move(std::get<future<std::optional<std::string>>>(what));
      *out += seen(tag, id, value ? *value : "-");
    }
  } catch (const canceled_error&) {
    throw;
  } catch (const error& why) {
    *out += seen_failure(tag, id, why.why().type);
  }
}

char tag_of(const node& n) { return n.op == "step" ? 'm' : n.op == "sleep" ? 't' : n.op.front(); }

detail::race_awaiter race_of(const std::vector<leaf>& parts) {
  if (parts.size() == 2) {
    return std::visit([](const auto& a, const auto& b) { return race(a, b); }, parts[0], parts[1]);
  }
  return std::visit([](const auto& a, const auto& b, const auto& c) { return race(a, b, c); }, parts[0], parts[1],
                    parts[2]);
}

task<void> run_node(context ctx, node_ptr n, text out) {
  if (n->op == "seq" || n->op == "repeat") {
    for (std::int64_t round = 0; round < (n->op == "repeat" ? n->micros : 1); ++round) {
      for (const node& part : n->parts) {
        node_ptr next(n, &part);
        co_await run_node(ctx, next, out);
      }
      if (out->size() > long_text) *out = digest(*out) + ";";
    }
  } else if (n->op == "all") {
    std::vector<leaf> parts;
    for (const node& part : n->parts) parts.push_back(start_leaf(ctx, part));
    for (std::size_t i = 0; i < parts.size(); ++i) {
      co_await await_leaf(std::move(parts[i]), tag_of(n->parts[i]), n->parts[i].id, out);
    }
  } else if (n->op == "race") {
    std::vector<leaf> parts;
    for (const node& part : n->parts) parts.push_back(start_leaf(ctx, part));
    detail::race_awaiter first = race_of(parts);
    const std::size_t winner = co_await std::move(first);
    *out += seen('r', n->id, std::to_string(winner));
    for (std::size_t i = 0; n->flag && i < parts.size(); ++i) {
      if (i != winner) std::visit([](auto& loser) { loser.cancel(); }, parts[i]);
    }
    co_await await_leaf(std::move(parts[winner]), tag_of(n->parts[winner]), n->parts[winner].id, out);
  } else if (n->op == "fail") {
    throw application_error("Planned", std::to_string(n->id));
  } else {
    leaf only = start_leaf(ctx, *n);
    co_await await_leaf(std::move(only), tag_of(*n), n->id, out);
  }
}

}  // namespace

task<std::string> run_program(context ctx, program what) {
  if (hooks().boot != 0) {
    std::uint64_t& boot = hooks().begun[ctx.run_id()];
    if (ctx.replaying() && boot == hooks().boot) ++hooks().woken;
    boot = hooks().boot;
  }
  text out = std::make_shared<std::string>(what.so_far);
  node_ptr body = std::make_shared<const node>(what.body);
  std::exception_ptr canceled;
  try {
    co_await run_node(ctx, body, out);
  } catch (const canceled_error&) {
    canceled = std::current_exception();
  }
  if (canceled && what.on_cancel > 0) {
    node clean;
    clean.op = "call";
    clean.id = cleanup_id;
    node_ptr cleanup = std::make_shared<const node>(clean);
    co_await run_node(ctx, cleanup, out);
  }
  if (canceled && what.on_cancel < 2) std::rethrow_exception(canceled);
  if (canceled) *out += "canceled;";
  if (what.rounds > 0) {
    program next = what;
    --next.rounds;
    next.so_far = digest(*out) + ";";
    co_await ctx.continue_as_new(next);
  }
  co_return *out;
}

interpreter_hooks& hooks() {
  static interpreter_hooks shared;
  return shared;
}

std::string seen(char tag, std::int64_t id, std::string_view value) {
  return std::string(1, tag) + std::to_string(id) + "=" + std::string(value) + ";";
}

std::string seen_failure(char tag, std::int64_t id, std::string_view type) {
  return std::string(1, tag) + std::to_string(id) + "!" + std::string(type) + ";";
}

std::string digest(std::string_view text) { return std::to_string(XXH3_64bits(text.data(), text.size()) % 1'000'000); }

}  // namespace evermill::simulation
