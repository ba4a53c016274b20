#include "golden_workflows.hpp"

#include <google/protobuf/wrappers.pb.h>

#include <cstddef>
#include <memory>
#include <optional>

#include "evermill/context.hpp"
#include "golden_player.hpp"
#include "workflow/conversions.hpp"
#include "workflow/lock_keeper.hpp"

namespace evermill::golden {
namespace {

using namespace std::chrono_literals;

struct order {
  std::string id;
  int cents = 0;
  std::vector<std::string> items;
};
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE(order, id, cents, items)

inline constexpr activity<std::string(order)> charge{
    .name = "charge",
    .options = {.start_to_close = 10s,
                .retry = {.max_attempts = 5, .initial_interval = 200ms, .backoff_coefficient = 1.5, .max_interval = 3s}}};
inline constexpr activity<int(int)> pack{.name = "pack"};
inline constexpr activity<std::vector<std::byte>(std::vector<std::byte>)> print_label{.name = "print label"};
inline constexpr activity<google::protobuf::StringValue(google::protobuf::StringValue)> look_up{.name = "look_up"};
inline constexpr signal<nlohmann::json> approval{.name = "approval"};
inline constexpr signal<> hurry{.name = "hurry"};
inline constexpr child_workflow<int(int)> shipment{.name = "shipment"};

inline constexpr activity<int(int)> transcode{
    .name = "transcode",
    .options = {.retry = {.jitter = 0.25, .non_retryable = {"Damaged", "Forbidden"}},
                .schedule_to_start = 1min,
                .schedule_to_close = 2h,
                .heartbeat = 30s,
                .cancellation = activity_cancellation::wait_cancellation_completed,
                .task_queue = "gpu"}};
inline constexpr activity<int(int)> left_alone{
    .name = "left alone", .options = {.cancellation = activity_cancellation::abandon}};

/// What happened to the activity, without regard to how.
task<std::string> outcome_of_pack(context ctx, int n) {
  std::string said;
  try {
    const int boxes = co_await ctx.call(pack, n);
    said = std::to_string(boxes);
  } catch (const activity_error& error) {
    said = error.why().type;
  } catch (const canceled_error&) {
    said = "canceled";
  }
  co_return said;
}

/// One activity ends at each limit; the last is canceled and waited for, while another one is left alone.
task<std::string> limits(context ctx) {
  std::string said;
  for (int i = 0; i < 3; ++i) {
    try {
      co_await ctx.call(transcode, i);
    } catch (const activity_error& error) {
      said += error.why().type + ", ";
    }
  }
  future<int> alone = ctx.call(left_alone, 4);
  future<int> waited_for = ctx.call(transcode, 5);
  co_await ctx.wait(hurry);
  alone.cancel();
  waited_for.cancel();
  try {
    co_await std::move(waited_for);
  } catch (const canceled_error&) {
    said += "canceled";
  }
  co_await ctx.wait(hurry);
  co_return said;
}

task<std::string> outcome_of_shipment(context ctx, int n) {
  std::string said;
  try {
    const int parcels = co_await ctx.start(shipment, n);
    said = std::to_string(parcels);
  } catch (const child_workflow_error& error) {
    said = error.why().type;
  }
  co_return said;
}

task<std::string> activities(context ctx, order what) {
  std::string said = co_await ctx.call(charge, what);
  for (int n = 1; n <= 3; ++n) {
    const std::string packed = co_await outcome_of_pack(ctx, n);
    said += " " + packed;
  }
  std::vector<std::byte> text{std::byte{0}, std::byte{0x7f}, std::byte{0xff}};
  const std::vector<std::byte> label = co_await ctx.call(print_label, text);
  google::protobuf::StringValue question;
  question.set_value("who?");
  const google::protobuf::StringValue found = co_await ctx.call(look_up, question);
  co_return said + " " + std::to_string(label.size()) + " " + found.value();
}

task<int> steps_and_timers(context ctx) {
  auto one = [] { return 1; };
  int sum = co_await ctx.step("one", one);
  auto fails = []() -> int { throw application_error("Broken", "it broke"); };
  try {
    const int two = co_await ctx.step("fails", fails);
    sum += two;
  } catch (const step_error&) {
    sum += 10;
  }
  co_await ctx.sleep(90s);
  const std::optional<nlohmann::json> in_time = co_await ctx.wait(approval, 1h);
  if (in_time) sum += in_time->at("weight").get<int>();
  const bool hurried = co_await ctx.wait(hurry, 1h);
  if (!hurried) sum += 1000;
  sum += static_cast<int>(ctx.random() % 7);
  co_return sum;
}

task<std::string> children(context ctx) {
  std::string said;
  for (int n = 0; n < 6; ++n) {
    const std::string one = co_await outcome_of_shipment(ctx, n);
    said += one + ";";
  }
  co_return said;
}

task<int> is_canceled(context ctx) {
  std::vector<future<int>> open;
  open.push_back(ctx.call(pack, 1));
  open.push_back(ctx.start(shipment, 1));
  co_await ctx.sleep(24h);
  co_return 1;
}

task<int> fails(context ctx, int n) {
  if (n > 0) throw application_error("TooMany", "no more than none", json_payload("{\"n\":" + std::to_string(n) + "}"), true);
  co_await ctx.sleep(1s);
  co_return 0;
}

task<int> continues(context ctx, int left) {
  if (left > 0) {
    co_await ctx.sleep(1s);
    co_await ctx.continue_as_new(left - 1);
  }
  const nlohmann::json last = co_await ctx.wait(approval);
  co_return last.at("weight").get<int>();
}

task<int> waits(context ctx) {
  const nlohmann::json what = co_await ctx.wait(approval);
  co_return what.at("weight").get<int>();
}

inline constexpr activity<void(human_task_notice)> announce{.name = "announce"};
inline constexpr human_task<nlohmann::json(order)> approve{
    .name = "approve",
    .options = {.title = "Approve an order",
                .assignee = "ann",
                .candidate_groups = "finance, managers",
                .form_schema = R"({"type": "object"})",
                .timeout = 48h},
    .prepare = announce};
inline constexpr human_task<void()> look_at{.name = "look at", .options = {.timeout = 1h}};

task<std::string> asks_people(context ctx, order wanted) {
  const nlohmann::json answer = co_await ctx.ask(approve, wanted);
  std::string said = answer.dump();
  try {
    co_await ctx.ask(look_at);
  } catch (const human_task_expired&) {
    said += ", not looked at";
  }
  co_return said;
}

task<int> takes_locks(context ctx) {
  auto printer = co_await ctx.lock("printer");
  auto given_up = ctx.semaphore("pool", 3);
  given_up.cancel();
  auto seat = co_await ctx.semaphore("seats", 2);
  printer.release();
  co_await ctx.sleep(1s);
  co_return 2;
}

task<> tells_others(context ctx) {
  const context named = ctx.labeled("/do/0/tell");
  named.send("golden-other", hurry);
  named.send_or_start("golden-shipment", shipment, 3, approval, nlohmann::json{{"by", "ann"}});
  co_await named.sleep(1s);
}

inline constexpr update<int(int)> add_boxes{.name = "add boxes"};
inline constexpr update<void()> seal{.name = "seal"};
inline constexpr query<int()> boxes{.name = "boxes"};

task<int> add_packed(context ctx, std::shared_ptr<int> sum, int n) {
  const int packed = co_await ctx.call(pack, n);
  *sum += packed;
  co_return *sum;
}

/// Its children are left to themselves; after the patch it takes updates for one more round.
task<int> answers(context ctx, int rounds) {
  const auto sum = std::make_shared<int>(0);
  const auto sealed = std::make_shared<bool>(false);
  auto looking = ctx.on_query(boxes, [sum] { return *sum; });
  auto adding = ctx.on_update(add_boxes, [ctx, sum](int n) { return add_packed(ctx, sum, n); });
  auto sealing = ctx.on_update(seal, [sealed] {
    if (*sealed) throw application_error("Sealed", "it is sealed already");
    *sealed = true;
  });
  constexpr child_options alone{.id = "golden-alone",
                                .when_parent_closes = parent_close_policy::abandon,
                                .reuse = workflow_id_reuse::terminate_existing,
                                .execution_timeout = 48h,
                                .run_timeout = 24h,
                                .version = "2026-11"};
  auto shipping = ctx.start_with(alone, shipment, 1);
  auto is_sealed = [sealed] { return *sealed; };
  if (ctx.patched("2026-11 wait for the seal")) co_await ctx.until(is_sealed);
  co_await ctx.wait(hurry);
  if (rounds > 0) co_await ctx.continue_as_new(rounds - 1);
  co_return *sum;
}

void set_attempt(messages::Attempt& attempt, std::uint32_t number) {
  attempt.set_number(number);
  attempt.set_dispatch_boot(3);
  attempt.set_started_us(1'777'777'778'000'123);
  attempt.set_worker("worker-1");
}

exported_run play_activities(const registry& from) {
  player p(from, "golden-activities", "activities",
           run_number(1), codec<order>::encode({"o-1", 4999, {"tea", "caf\xc3\xa9"}}));
  const auto scheduled = [&] { return p.last_of(messages::Event::kActivityTaskScheduled); };
  const auto complete = [&](payload result) {
    p.event([&](auto& e) {
      auto& completed = *e.mutable_activity_task_completed();
      completed.set_scheduled_seq(scheduled());
      set_attempt(*completed.mutable_attempt(), 1);
      workflow::to_message(std::move(result), *completed.mutable_result());
    });
  };
  complete(json_payload("\"receipt \\\"1\\\"\""));
  p.event([&](auto& e) {
    auto& failed = *e.mutable_activity_task_failed();
    failed.set_scheduled_seq(scheduled());
    set_attempt(*failed.mutable_attempt(), 5);
    failed.mutable_failure()->set_type("CardDeclined");
    failed.mutable_failure()->set_message("the card was declined");
    failed.mutable_failure()->mutable_details()->set_data("{\"code\": 51}");
    failed.mutable_failure()->set_non_retryable(true);
    failed.mutable_failure()->mutable_cause()->set_kind(messages::Failure::LOST);
  });
  p.event([&](auto& e) {
    auto& timed_out = *e.mutable_activity_task_timed_out();
    timed_out.set_scheduled_seq(scheduled());
    set_attempt(*timed_out.mutable_attempt(), 2);
    timed_out.mutable_failure()->set_kind(messages::Failure::START_TO_CLOSE);
    timed_out.mutable_failure()->set_type("StartToClose");
  });
  p.event([&](auto& e) {
    e.mutable_activity_task_canceled()->set_scheduled_seq(scheduled());
    set_attempt(*e.mutable_activity_task_canceled()->mutable_attempt(), 1);
  });
  complete({payload::content_type::bytes, {}, std::string("\0\x01\xfe", 3)});
  google::protobuf::StringValue answer;
  answer.set_value("somebody");
  complete({payload::content_type::protobuf, "google.protobuf.StringValue", answer.SerializeAsString()});
  return p.finished();
}

exported_run play_limits(const registry& from) {
  player p(from, "golden-limits", "limits", run_number(14), {});
  using kind = messages::Failure;
  for (const auto& limit : {std::pair(kind::SCHEDULE_TO_START, "ScheduleToStartTimeout"),
                            std::pair(kind::SCHEDULE_TO_CLOSE, "ScheduleToCloseTimeout"),
                            std::pair(kind::HEARTBEAT, "HeartbeatTimeout")}) {
    p.event([&](auto& e) {
      auto& timed_out = *e.mutable_activity_task_timed_out();
      timed_out.set_scheduled_seq(p.last_of(messages::Event::kActivityTaskScheduled));
      set_attempt(*timed_out.mutable_attempt(), 3);
      timed_out.mutable_failure()->set_kind(limit.first);
      timed_out.mutable_failure()->set_type(limit.second);
      timed_out.mutable_failure()->mutable_cause()->set_type("Busy");
      timed_out.mutable_failure()->mutable_cause()->set_next_retry_delay_us(5'000'000);
    });
  }
  const std::uint64_t waited_for = p.last_of(messages::Event::kActivityTaskScheduled);
  p.signal("hurry", "");
  p.event([&](auto& e) {
    e.mutable_activity_task_completed()->set_scheduled_seq(waited_for - 1);  // the one that was left alone
    set_attempt(*e.mutable_activity_task_completed()->mutable_attempt(), 1);
    e.mutable_activity_task_completed()->mutable_result()->set_data("4");
  });
  p.event([&](auto& e) {
    e.mutable_activity_task_canceled()->set_scheduled_seq(waited_for);
    set_attempt(*e.mutable_activity_task_canceled()->mutable_attempt(), 1);
  });
  p.signal("hurry", "");
  return p.finished();
}

exported_run play_steps_and_timers(const registry& from) {
  player p(from, "golden-steps-and-timers", "steps_and_timers", run_number(2), {});
  p.run_step();
  p.run_step();
  p.fire();
  p.signal("approval", "{\"weight\":100,\"by\":[\"Ada\",null,true,1.5e300,-7,18446744073709551615]}");
  p.fire();
  return p.finished();
}

exported_run play_children(const registry& from) {
  player p(from, "golden-children", "children", run_number(3), {});
  const auto end = [&](auto&& fill) {
    p.event([&](auto& e) {
      auto& ended = fill(e);
      ended.set_initiated_seq(p.last_of(messages::Event::kStartChildWorkflowExecutionInitiated));
      ended.set_run_id("11111111-0000-4000-8000-000000000000");
    });
  };
  end([](auto& e) -> auto& {
    e.mutable_child_workflow_execution_completed()->mutable_result()->set_data("4");
    return *e.mutable_child_workflow_execution_completed();
  });
  end([](auto& e) -> auto& {
    e.mutable_child_workflow_execution_failed()->mutable_failure()->set_type("Lost");
    return *e.mutable_child_workflow_execution_failed();
  });
  end([](auto& e) -> auto& { return *e.mutable_child_workflow_execution_canceled(); });
  end([](auto& e) -> auto& {
    e.mutable_child_workflow_execution_terminated()->set_reason("enough");
    return *e.mutable_child_workflow_execution_terminated();
  });
  end([](auto& e) -> auto& { return *e.mutable_child_workflow_execution_timed_out(); });
  p.event([&](auto& e) {
    auto& failed = *e.mutable_start_child_workflow_execution_failed();
    failed.set_initiated_seq(p.last_of(messages::Event::kStartChildWorkflowExecutionInitiated));
    failed.mutable_failure()->set_kind(messages::Failure::ALREADY_EXISTS);
    failed.mutable_failure()->set_type("WorkflowExecutionAlreadyExists");
  });
  return p.finished();
}

exported_run play_cancel(const registry& from) {
  messages::WorkflowExecutionStarted as_child;
  as_child.mutable_parent()->set_workflow_id("golden-parent");
  as_child.mutable_parent()->set_run_number(9);
  as_child.mutable_parent()->set_initiated_seq(2);
  player p(from, "golden-canceled", "is_canceled", run_number(4), {}, std::move(as_child));
  p.event([](auto& e) { e.mutable_workflow_execution_cancel_requested()->set_reason("not wanted any more"); });
  return p.finished();
}

std::vector<exported_run> play_continue(const registry& from) {
  player first(from, "golden-continued", "continues", run_number(5), json_payload("1"));
  first.signal("approval", "{\"weight\":3}");
  first.signal("other", "\"kept\"");
  first.fire();
  messages::WorkflowExecutionStarted carried;
  carried.set_continued_from_run_number(5);
  for (auto& signal : first.unread()) *carried.add_carried_signals() = signal;
  player second(from, "golden-continued", "continues", run_number(6), json_payload("0"), std::move(carried));
  return {first.finished(), second.finished()};
}

exported_run play_people(const registry& from) {
  player p(from, "golden-people", "asks_people", run_number(11), codec<order>::encode({"o-2", 250, {}}));
  const auto created = [&] { return p.last_of(messages::Event::kHumanTaskCreated); };
  p.event([&](auto& e) {
    auto& completed = *e.mutable_activity_task_completed();
    completed.set_scheduled_seq(p.last_of(messages::Event::kActivityTaskScheduled));
    set_attempt(*completed.mutable_attempt(), 1);
  });
  p.event([&](auto& e) {
    auto& assigned = *e.mutable_human_task_assigned();
    assigned.set_created_seq(created());
    assigned.set_kind(messages::HumanTaskAssigned::DELEGATED);
    assigned.set_by("carl");
    assigned.set_assignee("bob");
    assigned.set_forced(true);
  });
  p.event([&](auto& e) {
    auto& completed = *e.mutable_human_task_completed();
    completed.set_created_seq(created());
    completed.set_by("bob");
    completed.mutable_answer()->set_data(R"({"approved":true})");
  });
  p.fire();
  return p.finished();
}

exported_run play_tells_others(const registry& from) {
  player p(from, "golden-tells", "tells_others", run_number(21), {});
  p.fire();
  return p.finished();
}

std::vector<exported_run> play_locks(const registry& from) {
  player user(from, "golden-locks", "takes_locks", run_number(12), {});
  const auto grant = [&] {
    user.event([&](auto& e) {
      e.mutable_lock_granted()->set_requested_seq(user.last_of(messages::Event::kLockRequested));
    });
  };
  grant();
  grant();
  user.fire();
  messages::Event told = workflow::locks::signal_of({false, {"golden-locks", 12, 2}, 0});
  messages::WorkflowExecutionStarted first =
      workflow::locks::start_with(std::move(told)).workflow_execution_started();
  payload state = workflow::from_message(first.input());
  player lock(from, "evermill.lock/printer", first.workflow_type(), run_number(13), std::move(state), first);
  lock.give(workflow::locks::signal_of({true, {"golden-locks", 12, 2}, 0}));
  return {user.finished(), lock.finished()};
}

std::vector<exported_run> play_answers(const registry& from) {
  messages::WorkflowExecutionStarted limited;
  limited.set_execution_deadline_us(1'777'999'999'000'000);
  limited.set_run_deadline_us(1'777'888'888'000'000);
  limited.set_run_timeout_us(3'600'000'000);
  limited.set_version("2026-11");
  player first(from, "golden-answers", "answers", run_number(15), json_payload("1"), limited);
  const auto update = [](player& p, const std::string& id, const std::string& name, const std::string& json) {
    p.event([&](auto& e) {
      auto& accepted = *e.mutable_workflow_execution_update_accepted();
      accepted.set_update_id(id);
      accepted.set_update_name(name);
      if (!json.empty()) accepted.mutable_input()->set_data(json);
    });
  };
  const auto packed = [](player& p) {
    p.event([&](auto& e) {
      e.mutable_activity_task_completed()->set_scheduled_seq(p.last_of(messages::Event::kActivityTaskScheduled));
      set_attempt(*e.mutable_activity_task_completed()->mutable_attempt(), 1);
      e.mutable_activity_task_completed()->mutable_result()->set_data("3");
    });
  };
  update(first, "u-1", "add boxes", "3");
  packed(first);
  update(first, "u-2", "seal", "");
  update(first, "u-3", "seal", "");
  update(first, "u-4", "add boxes", "4");
  first.signal("hurry", "");
  messages::WorkflowExecutionStarted again = limited;
  again.set_continued_from_run_number(15);
  auto& carried = *again.add_carried_updates();
  carried.set_update_id("u-4");
  carried.set_update_name("add boxes");
  carried.mutable_input()->set_data("4");
  player second(from, "golden-answers", "answers", run_number(16), json_payload("0"), again);
  packed(second);
  update(second, "u-5", "seal", "");
  second.signal("hurry", "");
  return {first.finished(), second.finished()};
}

std::vector<exported_run> play_ends(const registry& from) {
  player failed(from, "golden-failed", "fails", run_number(7), json_payload("2"));
  player terminated(from, "golden-terminated", "waits", run_number(8), {});
  messages::Event end;
  end.mutable_workflow_execution_terminated()->set_reason("by hand");
  terminated.end_from_outside(end);
  player timed_out(from, "golden-timed-out", "waits", run_number(9), {});
  end.mutable_workflow_execution_timed_out();
  timed_out.end_from_outside(end);
  player open(from, "golden-open", "waits", run_number(10), {});
  open.signal("other", "");
  return {failed.finished(), terminated.finished(), timed_out.finished(), open.finished()};
}

}  // namespace

registry definitions() {
  registry all;
  all.add("activities", activities);
  all.add("limits", limits);
  all.add("steps_and_timers", steps_and_timers);
  all.add("children", children);
  all.add("is_canceled", is_canceled);
  all.add("fails", fails);
  all.add("continues", continues);
  all.add("waits", waits);
  all.add("asks_people", asks_people);
  all.add("takes_locks", takes_locks);
  all.add("tells_others", tells_others);
  all.add("answers", answers, {.version = "2026-11"});
  return all;
}

std::vector<journal_file> make_journals() {
  const registry all = definitions();
  return {{"activities", {play_activities(all)}}, {"steps_and_timers", {play_steps_and_timers(all)}},
          {"children", {play_children(all)}},     {"canceled", {play_cancel(all)}},
          {"continued", play_continue(all)},      {"ends", play_ends(all)},
          {"limits", {play_limits(all)}},
          {"people", {play_people(all)}},         {"locks", play_locks(all)},
          {"tells_others", {play_tells_others(all)}},
          {"answers", play_answers(all)}};
}

std::pair<std::string, std::string> record_of(partition_id partition, run_number run, const storage::stored_turn& turn) {
  storage::write_batch batch;
  storage::append_turn(batch, partition, run, turn.first, turn.record);
  std::pair<std::string, std::string> record;
  struct visitor {
    std::pair<std::string, std::string>& to;
    void put(storage::family, std::string_view key, std::string_view value) { to = {std::string(key), std::string(value)}; }
    void erase(storage::family, std::string_view) {}
  } take{record};
  batch.for_each(take);
  return record;
}

}  // namespace evermill::golden
