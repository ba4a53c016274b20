#include "chaos.hpp"

#include <spdlog/logger.h>

#include <algorithm>
#include <csignal>
#include <cstdio>
#include <functional>
#include <nlohmann/json.hpp>
#include <thread>
#include <utility>

#include "evermill/engine.hpp"
#include "tests/simulation/program.hpp"

namespace evermill::processes {
namespace {

using namespace std::chrono_literals;
using steady = std::chrono::steady_clock;

constexpr std::chrono::seconds opening_limit{120};
constexpr std::chrono::milliseconds between_polls{2};
constexpr std::chrono::milliseconds between_final_looks{250};
constexpr std::chrono::seconds exit_limit{60};
constexpr std::size_t shown_journals = 5;
constexpr std::uint64_t told_kills = 100;
constexpr std::size_t max_backlog = 100;
constexpr std::size_t max_open_starts = 200;

#ifdef __SANITIZE_ADDRESS__
constexpr int slowness = 4;
#else
constexpr int slowness = 1;
#endif

constexpr int haste = 5;

/// Workflow ids that the generated programs share would be contested by hundreds, and their waits are made for a clock
/// that jumps.
void adapt(simulation::node& in, const std::string& prefix) {
  if (in.op == "start" && !in.name.empty()) in.name = prefix + in.name;
  if (in.op == "sleep" || (in.op == "wait" && in.micros > 0)) in.micros = in.micros / haste + 1;
  for (simulation::node& part : in.parts) adapt(part, prefix);
}

}  // namespace

chaos::chaos(const chaos_options& how)
    : how_(how),
      dice_(make_seeded_random(how.seed)),
      work_dice_(make_seeded_random(~how.seed)),
      judge_(data_directory(), effects_file()),
      clients_(data_directory(), how.program, how.seed ^ 0x5deece66d) {}

std::vector<std::string> chaos::findings() const {
  std::vector<std::string> all = judge_.findings();
  const std::vector<std::string> theirs = clients_.findings();
  all.insert(all.end(), theirs.begin(), theirs.end());
  return all;
}

std::map<std::string, std::uint64_t> chaos::counts() const {
  std::map<std::string, std::uint64_t> all = clients_.counts();
  all.insert(counts_.begin(), counts_.end());
  all["executions started by clients"] = executions_;
  all["runs"] = judge_.read().all().size();
  return all;
}

void chaos::run() {
  constexpr death order[] = {death::while_opening, death::at_a_write, death::while_stopped, death::at_any_time,
                             death::while_opening, death::at_a_write, death::after_being_stopped, death::at_any_time};
  const auto began = steady::now();
  const auto seconds = [&] { return static_cast<std::uint64_t>((steady::now() - began) / 1s); };
  try {
    plan_executions();
    for (std::uint64_t i = 0; i < how_.kills && !wrong(); ++i) {
      prepare_life();
      live_and_die(order[i % std::size(order)]);
      if ((i + 1) % told_kills == 0) {
        std::fprintf(stderr, "%llu kills, %llu s, %zu runs\n", static_cast<unsigned long long>(i + 1),
                     static_cast<unsigned long long>(seconds()), judge_.read().all().size());
      }
    }
    counts_["seconds until the last kill"] = seconds();
    if (!wrong()) let_all_end();
    counts_["seconds"] = seconds();
  } catch (const std::exception& error) {
    judge_.finding(error.what());
  }
}

// --- one life

void chaos::start() {
  std::vector<std::string> environment{std::string(effects_variable) + "=" + effects_file().string()};
  if (!how_.hang.empty()) environment.push_back(std::string(hang_variable) + "=" + how_.hang);
  const std::vector<std::string> command{how_.program, "run", keeper_workflow, "--id", keeper_workflow, "--data",
                                         data_directory().string()};
  process_ = std::make_unique<child_process>(command, how_.directory / "program.log", environment);
}

/// Waits until the process says that it has gone on.
bool chaos::await_opening() {
  const auto began = steady::now();
  for (;;) {
    const std::string output = process_->output();
    if (output.find(": resumed\n") != std::string::npos || output.find(": started\n") != std::string::npos) break;
    if (process_->ended_within(between_polls) || steady::now() - began > opening_limit) {
      judge_.finding("the program does not open its directory:\n" + process_->output());
      return false;
    }
  }
  open_since_ = steady::now();
  opening_time_ = std::chrono::duration_cast<std::chrono::microseconds>(open_since_ - began);
  counts_["longest opening, ms"] = std::max<std::uint64_t>(counts_["longest opening, ms"],
                                                           static_cast<std::uint64_t>(opening_time_.count() / 1000));
  return true;
}

/// The time until a fault strikes is a part of the fault.
void chaos::wait(std::chrono::microseconds time) { std::this_thread::sleep_for(time * slowness); }

void chaos::live_and_die(death how) {
  const std::uint64_t part = below(1000), life_us = 5'000 + below(300'000);
  const std::uint64_t stop_us = below(5) == 0 ? 450'000 : below(80'000);
  const auto writes = static_cast<unsigned>(1 + below(25));
  start();
  if (how == death::while_opening) {
    std::this_thread::sleep_for(opening_time_ * part / 1000);
    ++counts_["kills while opening"];
    return die();
  }
  if (!await_opening()) return;
  if (how == death::at_a_write) {
    write_watch watch(data_directory());
    wait(std::chrono::microseconds(life_us / 4));
    watch.wait_for(writes, 1s);
    ++counts_["kills at a write"];
    return die();
  }
  wait(std::chrono::microseconds(life_us));
  if (how == death::at_any_time) return die();
  stop_and_look();
  wait(std::chrono::microseconds(stop_us));
  if (how == death::while_stopped) {
    ++counts_["kills while stopped"];
    return die();
  }
  process_->send(SIGCONT);
  ++counts_["stopped and continued"];
  wait(std::chrono::microseconds(life_us));
  die();
}

/// Nobody else may open what a stopped process has open.
void chaos::stop_and_look() {
  process_->send(SIGSTOP);
  engine_options options;
  options.data_directory = data_directory();
  options.logger = std::make_shared<spdlog::logger>("none");
  try {
    const engine second(registry(), options);
    judge_.finding("a second process opened the directory while the first was stopped");
  } catch (const engine_error& refused) {
    if (refused.code() != engine_errc::locked) judge_.finding(std::string("not refused as locked: ") + refused.what());
    ++counts_["second processes refused"];
  }
}

void chaos::die() {
  if (open_since_ != steady::time_point()) open_time_ += steady::now() - std::exchange(open_since_, {});
  if (process_->ended_within(0ms)) judge_.finding("the program ended by itself:\n" + process_->output());
  process_->kill();
  ++counts_["kills"];
  look(true);
}

void chaos::look(bool dead) {
  const std::vector<request> acknowledged = clients_.take_acknowledged();
  judge_.look(dead, acknowledged);
  const std::size_t open = judge_.open().size();
  counts_["most runs open at once"] = std::max<std::uint64_t>(counts_["most runs open at once"], open);
  looks_.emplace_back(judge_.looks(), open_time_);
  detect_stillness();
}

/// Shows the journals of what has had no turn for too long while a process was there to give it one.
void chaos::detect_stillness() {
  while (looks_.size() > 1 && open_time_ - looks_[1].second >= how_.still_limit) looks_.pop_front();
  if (open_time_ - looks_.front().second < how_.still_limit) return;
  const std::vector<run_id> still = judge_.standing_still(looks_.front().first);
  for (std::size_t i = 0; i < std::min(still.size(), shown_journals); ++i) {
    const journal& of = *judge_.read().find(still[i]);
    judge_.finding(name_of(still[i], of) + " has stopped moving, one of " + std::to_string(still.size()) + ":" +
        text_of(of));
  }
}

// --- work

void chaos::prepare_life() {
  plan_executions();
  send_follow_ups(false);
  settle_waits(30);
  disturb_somebody();
}

void chaos::plan_executions() {
  std::size_t open = judge_.open().size() + clients_.open_starts();
  for (; open < how_.open_executions && clients_.open_starts() < max_open_starts; ++open) {
    clients_.add(start_of(++executions_));
  }
}

/// The same for a number, whatever happened before.
request chaos::start_of(std::uint64_t number) {
  const auto dice = make_seeded_random(how_.seed * 1'000'003 + number);
  const auto choose = [&dice](std::uint64_t bound) { return dice->next() % bound; };
  std::string id("w");
  id += std::to_string(number);
  simulation::program what = simulation::generate_program(choose);
  adapt(what.body, id + "-");
  request start{request::kind::start, id, {}, nlohmann::json(what).dump(), {}};
  for (std::uint64_t n = choose(5); n > 0; --n) {
    start.follow.push_back({request::kind::signal, id, choose(2) == 0 ? "x" : "y", some_json("s"), {}, false});
  }
  if (choose(100) < 10) start.follow.push_back({request::kind::cancel, id, {}, some_text("c"), {}, false});
  if (choose(100) < 5) start.follow.push_back({request::kind::terminate, id, {}, some_text("t"), {}, false});
  return start;
}

/// Some of them now, the others in a later life.
void chaos::send_follow_ups(bool all) {
  for (request& each : clients_.take_follow_ups()) follow_ups_.push_back(std::move(each));
  for (std::size_t n = follow_ups_.size(); n > 0; --n) {
    request next = std::move(follow_ups_.front());
    follow_ups_.pop_front();
    if (!all && work_dice_->next() % 4 != 0) {
      follow_ups_.push_back(std::move(next));
    } else {
      clients_.add(std::move(next));
    }
  }
}

/// From anywhere on, and no more than can be sent soon, so that nobody waits behind what is out of date.
void chaos::settle_waits(std::uint64_t percent) {
  std::vector<std::pair<std::string, std::string>> awaited = judge_.awaited_signals();
  if (awaited.empty()) return;
  std::rotate(awaited.begin(), awaited.begin() + static_cast<std::ptrdiff_t>(work_dice_->next() % awaited.size()),
              awaited.end());
  for (const auto& [id, name] : awaited) {
    if (clients_.backlog() >= max_backlog) return;
    if (work_dice_->next() % 100 >= percent) continue;
    clients_.add({request::kind::signal, id, name, some_json("late"), {}, false});
  }
}

/// A request to anybody who is open, children included; over the command line every other time.
void chaos::disturb_somebody() {
  const std::vector<run_id> open = judge_.open();
  if (open.empty()) return;
  const std::string id = judge_.read().find(open[work_dice_->next() % open.size()])->start().workflow_id();
  switch (work_dice_->next() % 8) {
    case 0: return clients_.add({request::kind::cancel, id, {}, some_text("c"), {}, false});
    case 1: return clients_.add({request::kind::terminate, id, {}, some_text("t"), {}, false});
    case 2: return clients_.add({request::kind::taint, id, {}, {}, {}, false});
    case 3: return clients_.add_command({request::kind::taint, id, {}, {}, {}, false});
    case 4: return clients_.add_command({request::kind::cancel, id, {}, some_text("c"), {}, false});
    default: return clients_.add_command({request::kind::signal, id, "x", some_json("s"), {}, false});
  }
}

// --- the end

void chaos::let_all_end() {
  start();
  if (!await_opening()) return;
  for (int quiet_looks = 0; !wrong();) {  // two of them: what an execution asked for last may begin after its end
    send_follow_ups(true);
    const auto now = steady::now();
    open_time_ += now - std::exchange(open_since_, now);
    const bool all_started = clients_.open_starts() == 0;
    look(false);
    quiet_looks = all_started && judge_.open().empty() ? quiet_looks + 1 : 0;
    if (quiet_looks == 2) break;
    settle_waits(100);
    if (process_->ended_within(between_final_looks)) {
      judge_.finding("the program ended by itself:\n" + process_->output());
    }
  }
  clients_.stop();
  if (wrong()) return;
  end_keeper();
  look(true);
  if (!wrong()) judge_.conclude(clients_.sent());
}

/// Its own execution has ended, and so has the process, with what it says about that.
void chaos::end_keeper() {
  const std::vector<std::string> command{how_.program, "signal", keeper_workflow, keeper_signal, "null", "--data",
                                         data_directory().string()};
  child_process signal(command, how_.directory / "command.log", {});
  if (!signal.ended_within(exit_limit) || signal.status() != 0) {
    judge_.finding("no signal gets through:\n" + signal.output());
  }
  if (!process_->ended_within(exit_limit) || process_->status() != 0) {
    judge_.finding("the program does not end as it should:\n" + process_->output());
  }
}

}  // namespace evermill::processes
