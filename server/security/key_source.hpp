// Where an issuer's public keys come from, and how they are kept up to date.
#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "base/clock.hpp"
#include "base/log.hpp"
#include "server/security/json_web_key.hpp"

namespace evermill::tasks {
class transfer_loop;
}

namespace evermill::server::security {

struct key_source_options {
  std::string url;                                               ///< of a JSON Web Key Set: https, or http to this machine
  std::string file;                                              ///< in place of url
  std::string ca_file;                                           ///< PEM: who vouches for the URL's server; "": the system's
  std::chrono::microseconds refresh = std::chrono::minutes(10);  ///< keys older than that are fetched again when they are used
  std::chrono::microseconds refetch_pause = std::chrono::seconds(30);  ///< the least between two fetches, whoever asks for what
  std::chrono::milliseconds timeout = std::chrono::seconds(5);         ///< of a fetch
};

enum class key_answer : std::uint8_t {
  found,
  unknown,      ///< the issuer has no such key
  unavailable,  ///< its keys could not be fetched yet
};

/// Thread-safe.
class key_source {
 public:
  /// Called once: at once where the keys are there, else when a fetch has ended, on its thread. Must be short and must not throw.
  using on_answer = std::function<void(key_answer, const json_web_key*)>;

  virtual ~key_source() = default;
  /// A key that is not known has the keys fetched again, unless that has just been done: so rotated keys are found, and made-up
  /// ones cost the issuer nothing. The key lives as long as the call of `answer`.
  virtual void find(std::optional<std::string> kid, algorithm which, on_answer answer) = 0;
  /// Changes whenever the keys do: what was verified before may be so no longer.
  virtual std::uint64_t generation() const = 0;
  /// Has the keys read or fetched anew, and does not wait for that.
  virtual void refresh() = 0;
};

/// Keys of a file, read again when it changes; a broken one is logged and those before it kept. `time` outlives it. Throws
/// std::runtime_error where the file can't be used.
std::unique_ptr<key_source> make_file_keys(const key_source_options& options, const clock& time, log lines);

/// Keys of a URL, fetched when they are first asked for. While the server is away, those that were fetched last are used. Its end
/// answers all who wait, and waits for the answers that are under way: not within one. `time` and `fetches` outlive it.
std::unique_ptr<key_source> make_url_keys(const key_source_options& options, const clock& time, tasks::transfer_loop& fetches,
                                          log lines);

}  // namespace evermill::server::security
