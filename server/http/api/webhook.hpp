// Webhooks: other systems' notifications that start executions or signal them. docs/http.md has the file's format.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

#include "evermill/timestamp.hpp"

namespace evermill::server::http::api {

/// Where a value is in a notification: in a header, or in the body at a JSON Pointer (RFC 6901).
struct value_source {
  std::string header;   ///< "": none
  std::string pointer;  ///< "": the header, or none
  std::string prefix;   ///< stands before it

  bool empty() const noexcept { return header.empty() && pointer.empty(); }
};

/// HMAC-SHA256 of the body, by a secret that both sides know.
struct webhook_signature {
  enum class style : std::uint8_t {
    none,    ///< whoever can reach the server can send
    github,  ///< X-Hub-Signature-256: sha256=HEX
    stripe,  ///< Stripe-Signature: t=SECONDS,v1=HEX of "SECONDS.BODY"; more than one v1 can be there
    hex,     ///< a header of any name: HEX
  };
  style kind = style::none;
  std::string header;  ///< "": that of the style
  std::string secret;
  std::chrono::seconds tolerance{300};  ///< of `stripe`: how far the time may be from now
};

struct webhook {
  std::string name;           ///< POST /hooks/NAME
  std::string name_space;     ///< of the execution; "": the default one
  std::string workflow_type;  ///< what is started; "": nothing
  std::string signal_name;    ///< what is sent; with a workflow type: the start has it along
  value_source workflow_id;   ///< none, of a start: a random one
  value_source request_id;    ///< a repeated notification with the same one does nothing
  webhook_signature signature;
  std::size_t max_body_bytes = 1u << 20;
};

class webhook_error : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

/// YAML or JSON. Secrets are read from files beside it, or from the environment. Throws webhook_error with all
/// problems, a line each; `file` names it in these, and its folder is where relative names of secrets' files begin.
std::vector<webhook> read_webhooks(std::string_view text, const std::string& file);
std::vector<webhook> load_webhooks(const std::string& file);

/// Nothing: it is the sender's. Otherwise why not, without anything of the secret. `header` is the value of the
/// signature's header. Takes the same time wherever the difference is.
std::optional<std::string> why_not_signed(const webhook_signature& how, std::string_view header, std::string_view body,
                                          timestamp now);
/// The header's name.
std::string_view header_of(const webhook_signature& how) noexcept;

}  // namespace evermill::server::http::api
