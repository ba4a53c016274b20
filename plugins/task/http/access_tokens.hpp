// Access tokens, kept while they are valid: many requests of the same client ask its authorization server once.
#pragma once

#include <functional>
#include <map>
#include <mutex>
#include <string>
#include <vector>

#include "base/clock.hpp"
#include "plugins/task/http/token_request.hpp"
#include "plugins/task/transfer/transfer_loop.hpp"

namespace evermill::tasks {

/// Thread-safe.
class access_tokens {
 public:
  struct answer {
    std::string token;   ///< "": there is none
    bool asked = false;  ///< it is new; one that was kept may have been revoked
    failed why;
  };
  /// On the loop's thread, or at once.
  using on_answer = std::function<void(const answer&)>;

  /// Both outlive it, and `loop` calls nobody after it.
  access_tokens(transfer_loop& loop, evermill::clock& time) : loop_(loop), time_(time) {}

  /// `surroundings` has the TLS settings of the request that wants it.
  void get(const http_authentication& shown, const transfer_request& surroundings, on_answer answer);
  /// The server does not take it any more.
  void forget(const std::string& token);

 private:
  struct entry {
    std::string token;
    std::string refresh_token;
    timestamp valid_until{};
    std::vector<on_answer> waiting;  ///< not empty: it is being asked for
  };
  void discover(const std::string& key, const http_authentication& shown, const transfer_request& surroundings);
  void ask(const std::string& key, const http_authentication& shown, const std::string& url, const transfer_request& surroundings,
           const std::string& refresh_token);
  void tell(const std::string& key, token_answer&& what);
  void make_room();  // with the lock

  transfer_loop& loop_;
  evermill::clock& time_;
  std::mutex mutex_;
  std::map<std::string, entry> entries_;  ///< by all that a token depends on
};

}  // namespace evermill::tasks
