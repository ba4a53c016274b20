// Events that a workflow waits for: to whom it subscribes, and which of those that come it takes.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "dsl/events.hpp"
#include "interpreter/evaluation.hpp"
#include "interpreter/instance.hpp"

namespace evermill::interpreter {

/// Events of the filters' types come as signals of `signal_name` while it lives. Its end tells the buses.
class subscription {
 public:
  subscription(const context& ctx, const dsl::event_consumption& to, std::string signal_name);
  ~subscription();
  subscription(const subscription&) = delete;
  subscription& operator=(const subscription&) = delete;

  const std::string& signal_name() const noexcept { return signal_name_; }
  /// The next run goes on with it.
  void keep() noexcept { buses_.clear(); }

 private:
  context ctx_;
  std::string signal_name_;
  std::vector<std::string> buses_;
};

/// The buses that have every event of the filters, none of them twice.
std::vector<std::string> buses_of(const dsl::event_consumption& to);

/// Takes events one after the other until there are as many as the strategy wants.
class consumption {
 public:
  explicit consumption(const dsl::event_consumption& what) : what_(what), met_(what.filters.size()) {}

  enum class verdict : std::uint8_t {
    ignored,   ///< none of the filters fits
    taken,     ///< it is one of those that were waited for
    finished,  ///< it belongs to what ends the consumption, and to nothing else
  };
  /// `consumed`: what was taken before, as it is read; conditions over it are for `is_complete`.
  verdict offer(const json& event, const evaluation& evaluate, const json& input);
  /// After an event was taken. `consumed`: all that were, as they are read.
  bool is_complete(const evaluation& evaluate, const json& consumed) const;
  /// Values by which events were linked, by name.
  const std::map<std::string, json>& correlated() const noexcept { return correlated_; }
  bool correlates() const noexcept;

 private:
  bool fits(const dsl::event_filter& filter, const json& event, const evaluation& evaluate, const json& input);
  bool links(const dsl::event_filter& filter, const json& event, const evaluation& evaluate, const json& input);

  const dsl::event_consumption& what_;
  std::vector<bool> met_;                    // filters, of `all`
  std::map<std::string, json> correlated_;
  std::unique_ptr<consumption> until_;       // events that end it
};

/// Does an attribute of an event fit what a filter says of it?
bool fits_attribute(const json& is, const dsl::value_template& wanted, const evaluation& evaluate);

/// The event as a workflow reads it.
json read_event(const json& event, dsl::listen_task::reading how);

}  // namespace evermill::interpreter
