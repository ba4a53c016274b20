// Bearer tokens of evermill's own: what they look like, and what is kept of them.
//
// "evm_" ID "_" SECRET CHECKSUM: ten digits that name the token (base62), 43 that nobody can guess (256 bits), and six that are a
// CRC-32 of all before them, so that a typing error is told from a forgery, and secret scanners know one when they see it.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "evermill/result.hpp"
#include "evermill/timestamp.hpp"
#include "server/security/permission.hpp"
#include "server/security/secrets_text.hpp"

namespace evermill::server::security {

inline constexpr std::string_view token_prefix = "evm_";
inline constexpr std::size_t token_id_digits = 10;
inline constexpr std::size_t token_secret_digits = 43;
inline constexpr std::size_t token_bytes = token_prefix.size() + token_id_digits + 1 + token_secret_digits + 6;

struct token_text {
  std::string_view id;  ///< of the text that was read
};

/// Is it one, by its looks? Nothing: another length, other letters, a wrong checksum.
std::optional<token_text> read_token(std::string_view text) noexcept;

/// What the tokens file keeps of a token. The hash is SHA-256 of the whole text: what is hashed has 256 random bits, so that
/// trying them all is out of the question whatever a try costs. A slow hash is for what people choose; here it would only
/// cost each request its time.
struct token_record {
  std::string id;
  std::string name;  ///< whose it is: what principals, logs and limits call it
  digest hash{};
  timestamp created;
  std::optional<timestamp> expires{};
  std::optional<timestamp> revoked{};
  std::vector<grant> grants;
};

struct made_token {
  std::string text;  ///< shown once, kept nowhere
  token_record record;
};
made_token make_token(std::string name, std::vector<grant> grants, timestamp now, std::optional<timestamp> expires);

using token_records = std::map<std::string, token_record, std::less<>>;  ///< by id

inline constexpr std::size_t max_tokens = 10'000;

/// The content of a tokens file (JSON, docs/security.md), or what is wrong with it. Strict: an unknown member could be a
/// restriction that an older server does not know.
result<token_records, std::string> read_tokens(std::string_view json);
std::string write_tokens(const token_records& all);

/// Of a file; one that does not exist has none where `may_be_missing`.
result<token_records, std::string> read_tokens_file(const std::string& path, bool may_be_missing = false);

/// Adds it. Or why not; then nothing has changed.
result<void, std::string> add_token(const std::string& path, const token_record& made);

enum class revocation : unsigned char { done, was_already, unknown };
/// The record stays, so that the log can say whose token is used after its end.
result<revocation, std::string> revoke_token(const std::string& path, std::string_view id, timestamp now);

}  // namespace evermill::server::security
