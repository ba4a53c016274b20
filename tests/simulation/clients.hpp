// The clients of a simulated node: what they asked for, what they were told, and whether that was true.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "actors/node.hpp"
#include "observed_store.hpp"
#include "plugins/queue/decision_queue.hpp"
#include "program.hpp"
#include "record.hpp"

namespace evermill::simulation {

struct request {
  enum class kind : std::uint8_t { start, signal, cancel, terminate, taint };
  kind what = kind::start;
  std::string workflow_id;
  std::string name;  ///< of a signal
  std::string text;  ///< its payload, the reason, or a start's input: what tells this request from every other
};

/// As a partition is given it, without a token.
messages::DecisionEvent event_of(const request& r);

/// Also the node's listener. Every answer is compared with what is durable at that moment.
class clients final : public actors::node_listener {
 public:
  clients(const observed_store& store, std::uint16_t partitions, run_record& record)
      : store_(store), partitions_(partitions), record_(record) {}

  void send(queue::decision_queue& queue, const request& what);

  /// The process died: answers that were not given never will be.
  void forget_unanswered();
  void set_alive(bool alive) { alive_ = alive; }
  void set_followers(bool any) { followers_ = any; }

  /// Once nothing more is coming, everybody has been answered.
  void check_all_answered();
  /// What was acknowledged is in a journal, once; nothing is there twice.
  void check_acknowledged();
  bool store_failed() const noexcept { return store_failed_; }
  void store_is_new() { store_failed_ = false; }

  void on_answer(std::uint64_t token, actors::answer&& what) override;
  void on_ended(actors::ended_execution&& what) override;
  void on_turn(actors::durable_turn&& what) override;
  void on_update_ended(actors::ended_update&& what) override;
  bool has_followers() override { return followers_; }
  void on_failed(partition_id, const std::string& message) override;

 private:
  struct entry {
    request asked;
    bool was_there = false;  ///< when it was asked
    bool answered = false;
    bool accepted = false;
  };
  struct place {
    std::string where;
    bool parked = false;
  };
  std::vector<place> places_of(const request& what) const;
  void check_accepted(const request& what, const actors::answer& told);
  void check_refused(const entry& each, const actors::answer& told);
  bool is_there(const std::string& workflow_id) const;
  void check_entry(const entry& each);

  const observed_store& store_;
  const std::uint16_t partitions_;
  run_record& record_;
  std::map<std::uint64_t, entry> asked_;
  std::uint64_t last_token_ = 0;
  bool alive_ = false;
  bool followers_ = false;
  bool store_failed_ = false;
};

}  // namespace evermill::simulation
