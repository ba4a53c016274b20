// What an instance whose code runs in a worker asks, and what it is told.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.hpp"
#include "base/ids.hpp"
#include "deciders/remote_decider.hpp"
#include "messages/journal.pb.h"

namespace evermill {
struct workflow_definition;
}

namespace evermill::deciders {

struct query {
  std::uint64_t id = 0;  ///< names it within its question
  std::string name;
  messages::Payload input;
};

struct query_answer {
  std::uint64_t id = 0;
  messages::Payload value;
  std::optional<messages::Failure> failure;  ///< set: there is no value
};

/// One decision of one run, queries to it, or both.
struct question {
  std::string name_space;   ///< "default", …
  std::string workflow_id;  ///< as users know it
  std::string run_id;
  std::string workflow_type;
  std::string version;
  bool from_start = false;  ///< whoever is asked has nothing of the run: `history` is all of its journal
  std::vector<messages::TurnRecord> history;
  std::size_t history_events = 0;
  event_seq seq;                           ///< of the decision event
  timestamp time{};                        ///< of its turn
  std::optional<messages::Event> decision;
  std::vector<query> queries;              ///< after it
};

/// What becomes of a question.
struct verdict {
  enum class kind : std::uint8_t {
    decided,    ///< `wanted` is what the code asks for, or there was nothing to decide
    rejected,   ///< the update that is the decision: `why`
    failed,     ///< the code can't go on: `message`
    moved,      ///< whoever had the run has it no more: it is to be asked with its journal
    unserved,   ///< no worker is there for it: `message`
    timed_out,  ///< no worker has answered in time: `message`
  };
  kind what = kind::decided;
  commands wanted;
  messages::Failure why;
  std::string message;
  std::vector<query_answer> answers;  ///< of those that were answered
};

/// Is its code in other processes? Its functions are empty then.
bool is_remote(const workflow_definition& definition) noexcept;

/// Why no decision is made: no worker is there.
std::string unserved_text(const std::string& type, const std::string& version);

/// Thread-safe. Outlives all who ask.
class decider_hub {
 public:
  /// One instance in memory; 0 is none.
  using ticket = std::uint64_t;

  virtual ~decider_hub() = default;

  /// The definition for those of the namespace whose code is remote: it has no functions. Null while no worker is there that serves the
  /// version ("": any; the one that came last). What is found lives as long as the hub.
  virtual const workflow_definition* find(std::string_view name_space, const std::string& type, const std::string& version) = 0;

  virtual ticket open() = 0;
  /// One at a time for each ticket. `told` is called once, on any thread, unless `close` comes before: not after its return. It must be
  /// short, and not call the hub.
  virtual void ask(ticket who, std::shared_ptr<const question> what, std::function<void(verdict&&)> told) = 0;
  /// Nobody needs the run in a worker any more.
  virtual void close(ticket who) = 0;

  /// `told` is called whenever a worker has come, under the conditions of `ask`'s. Empty: nobody is told, not after return.
  virtual void on_served(std::function<void()> told) = 0;
};

}  // namespace evermill::deciders
