// Secrets: where their values are, how they get into an attempt's input, and how they are kept out of what it leaves behind.
#pragma once

#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

#include "evermill/secrets.hpp"
#include "plugins/task/task_backend.hpp"

namespace evermill::tasks {

/// Why a secret has no value.
class secret_error : public std::runtime_error {
 public:
  secret_error(const std::string& what, bool may_pass) : std::runtime_error(what), may_pass_(may_pass) {}
  /// Another attempt may find it: its file could not be read.
  bool may_pass() const noexcept { return may_pass_; }

 private:
  bool may_pass_;
};

/// Thread-safe.
class secret_source {
 public:
  virtual ~secret_source() = default;
  /// The secret's value now; nothing: there is none of this name. Throws secret_error.
  virtual std::optional<nlohmann::json> find(const std::string& name) const = 0;
  /// "the directory …"; for messages.
  virtual std::string place() const = 0;
};

/// `place` is a directory with a file for each secret (its text, or a JSON object), a JSON or YAML file whose members are secrets,
/// "env:PREFIX" for environment variables whose names begin so, or "" for none. Files are read whenever a secret is asked for. Throws
/// std::invalid_argument where nothing is there, or a file is no object.
std::shared_ptr<const secret_source> open_secrets(const std::string& place);

/// The secrets that one attempt uses. Not thread-safe while `reveal` or `keep` runs; `hide` is, afterwards.
class attempt_secrets {
 public:
  using task_ptr = std::shared_ptr<const messages::ActivityTask>;

  /// Null: there are no secrets.
  explicit attempt_secrets(std::shared_ptr<const secret_source> source) : source_(std::move(source)) {}

  /// The task with values in place of names, or the task itself where it names none; for the attempt's code alone: what is
  /// reported has the task that was given. Throws secret_error.
  task_ptr reveal(const task_ptr& task);
  /// A value that was made of secrets (a token, an encoded password): it is hidden, too.
  void keep(const std::string& value);

  /// Has the attempt used any that are hidden?
  bool any() const noexcept { return !hidden_.empty(); }
  /// "***" in place of each value. What looks like the name of a secret is made harmless: it came from outside.
  void hide(std::string& text) const;
  /// The same, of a text that may have been cut: also where it begins or ends with a part of a value.
  void hide_cut(std::string& text) const;
  void hide(nlohmann::json& value) const;
  void hide(messages::Payload& payload) const;
  void hide(std::optional<messages::Payload>& payload) const {
    if (payload) hide(*payload);
  }
  void hide(messages::Failure& failure) const;
  void hide(outcome& how) const;

 private:
  std::string value_of(std::string_view reference);
  std::string text_with_values(const std::string& text);
  void put_values(nlohmann::json& into);

  const std::shared_ptr<const secret_source> source_;
  std::vector<std::string> hidden_;  ///< the longest first
};

/// What the attempt ends with whose secret has no value.
failed failure_of(const secret_error& error);

}  // namespace evermill::tasks
