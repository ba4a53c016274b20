// Several expressions as one compiled program of libjq.
//
// libjq 1.6 takes 18 ms to compile anything, as it reads its own library each time; so the expressions of a definition are
// compiled together, when the first of them is evaluated that needs libjq. A compiled state belongs to one evaluation at a
// time: there are as many as were ever needed at once, kept in a pool. Threads come in through any member but add().
#pragma once

#include <chrono>
#include <memory>
#include <mutex>
#include <nlohmann/json.hpp>
#include <span>
#include <string>
#include <vector>

#include "evermill/result.hpp"

namespace evermill::dsl::jq {

using json = nlohmann::json;

struct evaluation_error {
  enum class kind : std::uint8_t {
    failed,   ///< in jq's own words, or by error(…)
    number,   ///< the result may hold an integer that jq has rounded
    several,  ///< more than one result
    stopped,  ///< took longer than the limit: says nothing about what the next try does
  };
  kind what = kind::failed;
  std::string message;
};

class program {
 public:
  /// `limit`: how long one evaluation may take.
  explicit program(std::chrono::milliseconds limit);
  ~program();
  program(const program&) = delete;
  program& operator=(const program&) = delete;

  /// An expression that jq::parse() has accepted, and the names it uses. Its number. Not while another thread evaluates.
  std::size_t add(std::string source, std::vector<std::string> variables);
  /// How many were added.
  std::size_t size() const { return sources_.size(); }

  /// The one result; null where there is none. `variables`: in the order they were added with.
  result<json, evaluation_error> evaluate(std::size_t number, const json& input, std::span<const json* const> variables) const;

  /// Compiles now what the first evaluation would compile. Nothing, or what libjq says.
  std::string prepare() const;

 private:
  class machine;
  struct source {
    std::string text;
    std::vector<std::string> variables;
  };
  result<std::unique_ptr<machine>, std::string> take(std::size_t number) const;
  void give_back(std::unique_ptr<machine> used) const;
  std::string text_of(std::size_t first, std::size_t last) const;
  std::string text_of_one(std::size_t number) const;

  const std::chrono::milliseconds limit_;
  std::vector<source> sources_;
  mutable std::mutex mutex_;
  mutable std::vector<std::unique_ptr<machine>> idle_;
  mutable bool apart_ = false;  // libjq refuses one of them: each is compiled alone, so that only that one fails
};

}  // namespace evermill::dsl::jq
