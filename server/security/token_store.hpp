// The tokens of a file, kept up to date with it.
#pragma once

#include <memory>
#include <mutex>
#include <string>
#include <string_view>

#include "base/clock.hpp"
#include "base/log.hpp"
#include "server/security/guarded_file.hpp"
#include "server/security/token.hpp"

namespace evermill::server::security {

/// Thread-safe. The file is looked at again once a second, by whoever asks then. One that can't be read any more is logged, and
/// what was read before stays in force: half of a file must not lock everybody out. A file that is gone is no file of no tokens.
class token_store {
 public:
  /// `time` outlives it. Throws std::runtime_error where the file can't be used.
  token_store(std::string path, const clock& time, log lines);

  struct known_token {
    token_record record;
    std::shared_ptr<const principal> who;
  };
  enum class verdict : unsigned char { valid, malformed, unknown, forged, expired, revoked };
  struct finding {
    verdict what = verdict::malformed;
    std::shared_ptr<const known_token> token{};  ///< of the id that was shown, unless it is malformed or unknown
  };
  /// What becomes of a request with this token. Only `valid` may be told to those who ask.
  finding find(std::string_view token);

  /// Whom the token of this id stands for now, with its grants of today; null: it stands for nobody any more. For those who have
  /// shown it before: streams.
  std::shared_ptr<const principal> still(std::string_view id);
  /// Sees what has changed in the file, now.
  std::size_t size();
  /// The same, however short ago it was looked at.
  void reload() {
    watch_.hasten();
    size();
  }

 private:
  using records = std::map<std::string, std::shared_ptr<const known_token>, std::less<>>;
  std::shared_ptr<const records> current();
  result<std::shared_ptr<const records>, std::string> load() const;
  verdict judge(const token_record& of) const;

  const std::string path_;
  const clock& clock_;
  const log log_;
  file_watch watch_;
  std::mutex mutex_;  ///< of records_: held for a copy of the pointer
  std::shared_ptr<const records> records_;
};

/// For logs: "its secret is wrong".
std::string_view verdict_text(token_store::verdict of) noexcept;

}  // namespace evermill::server::security
