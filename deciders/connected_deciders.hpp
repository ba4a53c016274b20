// Workers that decide, and which run each of them has.
//
//   ask ─▶ waits for room ─▶ connection ─▶ worker ─▶ answered ─▶ told
//
// A run is placed with one worker, which keeps it (sticky) and is asked about it without its journal. When that worker is gone, does not
// answer in time, or says that it has evicted the run, the verdict is `moved`: the run is asked about again, with its journal, and
// placed anew.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/clock.hpp"
#include "base/log.hpp"
#include "deciders/decider_hub.hpp"
#include "evermill/registry.hpp"

namespace evermill::deciders {

using workflow_name = std::pair<std::string, std::string>;  ///< type and version; kept as namespaces::qualified gives it

/// What a worker says of itself when it connects.
struct decider_description {
  std::string id;                     ///< of this life of the worker: the same when it connects again
  std::string identity;               ///< for people
  std::set<workflow_name> workflows;  ///< that it decides
  std::map<std::string, std::string> live;  ///< run ids that it has, of an earlier connection, and the token of the last turn in each
  std::string name_space{};           ///< of the runs that it decides; "": the default one
};

/// The way to a worker. Called with the lock of the hub: must be short, and must not call it.
class decider_connection {
 public:
  virtual ~decider_connection() = default;
  virtual void ask(const std::string& token, std::shared_ptr<const question> what) = 0;
  /// The run is not wanted there any more.
  virtual void drop(const std::string& run_id) = 0;
  virtual void close(const std::string& why) = 0;
};

struct connected_deciders_options {
  std::chrono::microseconds turn_timeout{10'000'000};  ///< 0: none
  /// What a replay may take in addition.
  std::chrono::microseconds timeout_per_event{1'000};
  /// How many workers may fail to answer in time, one after the other, before the run is set aside.
  std::size_t slow_workers = 3;
  /// Is there code for the workflow type in this process? May be empty.
  std::function<bool(const std::string&)> is_local;
};

/// Counted now, but for what ends with `_total`.
struct decider_load {
  std::size_t workers = 0;
  std::size_t runs = 0;     ///< that workers have
  std::size_t waiting = 0;  ///< questions that no worker has room for
  std::size_t asked = 0;    ///< questions that workers have
  std::uint64_t turns_total = 0;     ///< answers that counted
  std::uint64_t timeouts_total = 0;  ///< questions that were not answered in time
};

class connected_deciders final : public decider_hub {
 public:
  using session_id = std::uint64_t;

  /// `time` outlives it. `nonce` is a text that no other hub ever has: tokens begin with it.
  connected_deciders(connected_deciders_options options, std::string nonce, clock& time, log lines);
  ~connected_deciders() override;

  /// @name For connections
  /// @{

  /// The worker is there (again). Grants no room yet. Throws std::invalid_argument where it may not decide what it says.
  session_id connect(decider_description&& who, std::shared_ptr<decider_connection> connection);
  /// It has room for so many questions more.
  void grant(session_id session, std::uint32_t more);
  /// It takes no more: what it granted and did not use is void.
  void withdraw(session_id session);
  /// An answer; one that nobody waits for any more is set aside. `verdict::moved`: it has evicted the run.
  void answer(session_id session, const std::string& token, verdict&& how);
  /// It has the run no more.
  void evicted(session_id session, const std::string& run_id);
  void disconnect(session_id session);
  /// @}

  std::chrono::microseconds turn_timeout() const noexcept { return options_.turn_timeout; }
  decider_load load() const;

  const workflow_definition* find(std::string_view name_space, const std::string& type, const std::string& version) override;
  ticket open() override;
  void ask(ticket who, std::shared_ptr<const question> what, std::function<void(verdict&&)> told) override;
  void close(ticket who) override;
  void on_served(std::function<void()> told) override;

 private:
  using waiting = std::map<std::uint64_t, ticket>;  // by the order in which they came

  struct session {
    decider_description about;  // id and types as namespaces::qualified gives them, as everywhere below
    std::shared_ptr<decider_connection> connection;
    std::uint64_t room = 0;
    std::map<std::string, ticket> runs;       // placed there
    std::map<std::string, ticket> asked;      // by token
    waiting queue;                            // for its own runs
  };
  struct pending {
    std::shared_ptr<const question> what;
    std::function<void(verdict&&)> told;
    std::uint64_t number = 0;  // while it waits
    std::string token;         // "": it waits
    timestamp due{};           // the worker has answered by then; 0: no limit
  };
  struct instance {
    ticket id = 0;
    session_id on = 0;         // where it is placed; 0: nowhere, or the worker is away
    std::string worker;        // the same worker's id
    std::string run_id;
    std::string last_token;    // of the last turn decided
    std::optional<pending> asks;
  };
  struct known_workflow {
    std::unique_ptr<const workflow_definition> definition;
    std::uint64_t came = 0;      // when a worker for it came last
    std::size_t workers = 0;     // that are there
  };

  session* find_session(session_id id);
  static bool serves(const session& who, const workflow_name& what);
  bool is_served(const workflow_name& what) const;
  bool is_slow(const std::string& run_id, const std::string& worker) const;
  /// Those that serve it and were not too slow for the run. Null: there is none.
  std::map<session_id, session>::iterator roomiest_for(const question& what);
  void pump(session_id id, session& to);
  std::pair<waiting*, waiting::iterator> first_for(session& to);
  void send(session_id id, session& to, instance& run);
  void unplace(instance& run, bool tell_worker);
  void take_out(instance& run);
  static void tell(instance& run, verdict&& what);
  static void tell(instance& run, verdict::kind what, std::string message);
  void end_session(std::map<session_id, session>::iterator which);
  void refuse_unserved();
  void time_out(instance& run);
  void take_back(session_id id, session& from);
  void set_alarm();
  void ring();

  const connected_deciders_options options_;
  const std::string nonce_;
  clock& time_;
  const log log_;
  mutable std::mutex mutex_;
  bool closed_ = false;
  std::function<void()> served_;
  std::map<session_id, session> sessions_;
  std::map<workflow_name, known_workflow> workflows_;
  std::map<ticket, instance> instances_;
  std::map<workflow_name, waiting> unplaced_;  // by what they ask for: "": any version
  std::map<std::string, ticket> lost_;         // runs whose worker is away, by run id
  std::map<std::string, std::set<std::string>> slow_;  // runs whose turn was not answered in time, and by whom
  session_id last_session_ = 0;
  ticket last_ticket_ = 0;
  std::uint64_t last_number_ = 0;
  std::uint64_t last_token_ = 0;
  std::uint64_t arrivals_ = 0;
  std::uint64_t turns_ = 0;     // answered
  std::uint64_t timeouts_ = 0;
  clock::alarm_id alarm_ = 0;
};

}  // namespace evermill::deciders
