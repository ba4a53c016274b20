#include "program.hpp"

namespace evermill::simulation {
namespace {

constexpr std::uint64_t max_leaves = 30;

class generator {
 public:
  explicit generator(const chooser& choose) : choose_(choose) {}

  node body(int depth) {
    node n;
    n.op = "seq";
    n.id = next_id_++;
    const std::uint64_t parts = 1 + choose_(4);
    for (std::uint64_t i = 0; i < parts; ++i) n.parts.push_back(part(depth));
    if (depth == 0 && chance(6)) n.parts.push_back(repeat());
    if (chance(6)) n.parts.push_back(named("fail"));
    return n;
  }

 private:
  bool chance(std::uint64_t percent) { return choose_(100) < percent; }

  node named(std::string op) {
    node n;
    n.op = std::move(op);
    n.id = next_id_++;
    return n;
  }

  node part(int depth) {
    const std::uint64_t which = choose_(100);
    if (which < 20) return leaves("all", chance(15) ? 9 + choose_(4) : 2 + choose_(3), depth);
    if (which < 40) return leaves("race", 2 + choose_(2), depth);
    if (which < 50 && depth < 3) return body(depth + 1);
    return leaf(depth);
  }

  /// Long journals: open work is written anew, replays come in chunks.
  node repeat() {
    node n = named("repeat");
    n.micros = static_cast<std::int64_t>(chance(80) ? 20 + choose_(60) : 270 + choose_(20));
    n.parts.push_back(chance(50) ? named("step") : call());
    if (n.parts.front().op == "step" && chance(30)) n.parts.push_back(call());
    return n;
  }

  node leaves(std::string op, std::uint64_t count, int depth) {
    node n = named(std::move(op));
    n.flag = chance(60);
    for (std::uint64_t i = 0; i < count; ++i) n.parts.push_back(leaf(depth));
    return n;
  }

  node leaf(int depth) {
    ++leaves_;
    const std::uint64_t which = choose_(100);
    if (which < 45 || leaves_ > max_leaves) return call();
    if (which < 57) return named("step");
    if (which < 70) return sleep();
    if (which < 85 || depth >= 2) return wait();
    return child(depth);
  }

  node call() {
    node n = named("call");
    n.attempts = static_cast<std::int64_t>(chance(50) ? 0 : 1 + choose_(3));
    n.micros = chance(40) ? 400'000 : 0;
    return n;
  }

  node sleep() {
    node n = named("sleep");
    n.micros = static_cast<std::int64_t>(choose_(1'500'000));
    return n;
  }

  node wait() {
    node n = named("wait");
    n.name.assign(1, chance(50) ? 'x' : 'y');
    n.micros = chance(70) ? static_cast<std::int64_t>(1 + choose_(1'500'000)) : 0;
    return n;
  }

  node child(int depth) {
    node n = named("start");
    n.attempts = static_cast<std::int64_t>(choose_(3));  // its on_cancel
    n.policy = n.id % 3;
    n.micros = n.id % 4 == 0 ? 900'000 : 0;
    if (chance(25)) n.name = "shared-" + std::to_string(choose_(3));
    n.parts.push_back(body(depth + 1));
    return n;
  }

  const chooser& choose_;
  std::int64_t next_id_ = 1;
  std::uint64_t leaves_ = 0;
};

}  // namespace

program generate_program(const chooser& choose) {
  program p;
  p.body = generator(choose).body(0);
  p.rounds = choose(100) < 30 ? static_cast<std::int64_t>(1 + choose(2)) : 0;
  p.on_cancel = static_cast<std::int64_t>(choose(3));
  return p;
}

}  // namespace evermill::simulation
