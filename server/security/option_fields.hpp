// The properties of one object of a configuration file. Asking for one reports what is wrong with it; what is missing then is a
// default.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "dsl/document.hpp"
#include "server/security/permission.hpp"

namespace evermill::server::security {

class option_fields {
 public:
  /// `what` names the object in messages. Properties that are not `known` are errors: one that is misspelled may be the one that
  /// keeps somebody out.
  option_fields(dsl::problems& found, const dsl::node& of, std::string pointer, std::string what, std::vector<std::string> known);

  /// Is it an object at all?
  explicit operator bool() const noexcept { return of_.is(dsl::node::kind::mapping); }
  const dsl::node* find(std::string_view key) const noexcept { return of_.find(key); }
  bool has(std::string_view key) const noexcept { return find(key) != nullptr; }
  std::string pointer(std::string_view key) const;
  const std::string& what() const noexcept { return what_; }
  dsl::position at() const noexcept { return of_.at; }

  void report(const dsl::node& at, std::string_view key, dsl::rule which, std::string message, std::string hint = {}) const;
  void report(dsl::rule which, std::string message, std::string hint = {}) const;
  bool need(std::string_view key) const;

  /// Not empty; "" where it is missing.
  std::string text(std::string_view key, std::string otherwise = {}) const;
  bool boolean(std::string_view key, bool otherwise) const;
  double number(std::string_view key, double low, double high, double otherwise) const;
  std::uint64_t whole(std::string_view key, std::uint64_t low, std::uint64_t high, std::uint64_t otherwise) const;
  std::chrono::microseconds duration(std::string_view key, std::chrono::microseconds low, std::chrono::microseconds high,
                                     std::chrono::microseconds otherwise) const;
  /// One string, or a list of them.
  std::vector<std::string> texts(std::string_view key) const;
  std::vector<grant> grants(std::string_view key) const;
  /// Its items, with their pointers; nothing unless it is a list.
  std::vector<std::pair<const dsl::node*, std::string>> items(std::string_view key) const;

 private:
  bool expect(const dsl::node& value, std::string_view key, dsl::node::kind what) const;

  dsl::problems& found_;
  const dsl::node& of_;
  const std::string pointer_;
  const std::string what_;
};

}  // namespace evermill::server::security
