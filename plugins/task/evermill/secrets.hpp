/// @file
/// Naming secrets in what activities are given: their values are in no journal.
///
///     shell_command command;
///     command.env = {{"TOKEN", evermill::secret("github.token")}};
///
/// What a workflow holds and journals is a text that stands for the value. The process that runs an attempt puts the value in its
/// place when the attempt starts, from engine_options::secrets or worker_options::secrets.
#pragma once

#include <string>
#include <string_view>

namespace evermill {

/// What stands before the name of a secret: U+E000, a private character, and "secret:".
inline constexpr std::string_view secret_prefix = "\xEE\x80\x80secret:";
/// What stands behind it: U+E001.
inline constexpr std::string_view secret_suffix = "\xEE\x80\x81";

/// The text that stands for a secret in any string of an activity's input, alone or between other characters ("Bearer " +
/// secret("token")). `name` is NAME, or NAME.member.member of a secret that is a JSON object. Any thread.
///
/// A secret that does not exist fails the attempt with the type "SecretNotFound", one that can't be read now with
/// "SecretUnavailable", which is tried again. Values of at least 4 characters are replaced by "***" in results, failures and
/// heartbeats of the attempt that used them.
inline std::string secret(std::string_view name) {
  std::string text(secret_prefix);
  text.append(name).append(secret_suffix);
  return text;
}

}  // namespace evermill
