#include "server/security/token.hpp"

#include <sys/stat.h>

#include <cerrno>
#include <nlohmann/json.hpp>
#include <utility>

#include "base/text.hpp"
#include "server/security/grants_json.hpp"
#include "server/security/guarded_file.hpp"
#include "server/security/time_text.hpp"

namespace evermill::server::security {
namespace {

using nlohmann::json;
constexpr std::string_view hash_prefix = "sha256:";

/// Throws std::string, as all below: what is wrong.
const std::string& text_member(const json& object, const char* name) {
  const auto found = object.find(name);
  if (found == object.end() || !found->is_string()) throw "needs \"" + std::string(name) + "\", a string";
  return found->get_ref<const std::string&>();
}

std::optional<timestamp> time_member(const json& object, const char* name) {
  if (!object.contains(name)) return std::nullopt;
  const auto time = read_utc(text_member(object, name));
  if (!time) throw "has no time like 2026-05-01T12:00:00Z in \"" + std::string(name) + "\"";
  return time;
}

void check_members(const json& object) {
  for (const auto& [name, value] : object.items()) {
    if (name != "id" && name != "name" && name != "hash" && name != "created" && name != "expires" && name != "revoked" &&
        name != "grants") {
      throw "has a member that is not known, \"" + name.substr(0, 60) + "\"";
    }
  }
}

token_record record_of(const json& object) {
  if (!object.is_object()) throw std::string("must be an object");
  check_members(object);
  token_record made;
  made.id = text_member(object, "id");
  if (made.id.size() != token_id_digits || !is_base62(made.id)) throw std::string("has no id of a token in \"id\"");
  made.name = text_member(object, "name");
  if (const auto why = why_no_name(made.name)) throw "has a \"name\" that " + *why;
  const std::string_view hash = text_member(object, "hash");
  if (!hash.starts_with(hash_prefix) || !from_hex(hash.substr(hash_prefix.size()), made.hash)) {
    throw std::string("has no \"hash\" of the form sha256:HEX");
  }
  const auto created = time_member(object, "created");
  if (!created) throw std::string("needs \"created\"");
  made.created = *created;
  made.expires = time_member(object, "expires");
  made.revoked = time_member(object, "revoked");
  if (!object.contains("grants")) throw std::string("needs \"grants\"");
  auto grants = grants_of(object.at("grants"));
  if (!grants) throw "has a grant that is none: " + grants.error();
  made.grants = std::move(*grants);
  return made;
}

json json_of(const token_record& of) {
  json made{{"id", of.id},
            {"name", of.name},
            {"hash", std::string(hash_prefix) + to_hex(of.hash)},
            {"created", utc_text(of.created)},
            {"grants", to_json(of.grants)}};
  if (of.expires) made["expires"] = utc_text(*of.expires);
  if (of.revoked) made["revoked"] = utc_text(*of.revoked);
  return made;
}

}  // namespace

std::optional<token_text> read_token(std::string_view text) noexcept {
  if (text.size() != token_bytes || !text.starts_with(token_prefix)) return std::nullopt;
  const std::size_t separator = token_prefix.size() + token_id_digits;
  const std::string_view id = text.substr(token_prefix.size(), token_id_digits);
  const std::string_view rest = text.substr(separator + 1);
  if (text[separator] != '_' || !is_base62(id) || !is_base62(rest)) return std::nullopt;
  if (checksum_of(text.substr(0, text.size() - 6)) != text.substr(text.size() - 6)) return std::nullopt;
  return token_text{id};
}

made_token make_token(std::string name, std::vector<grant> grants, timestamp now, std::optional<timestamp> expires) {
  made_token made;
  made.record.id = random_base62(token_id_digits);
  made.text = std::string(token_prefix) + made.record.id + "_" + random_base62(token_secret_digits);
  made.text += checksum_of(made.text);
  made.record.name = std::move(name);
  made.record.hash = sha256(made.text);
  made.record.created = now;
  made.record.expires = expires;
  made.record.grants = std::move(grants);
  return made;
}

result<token_records, std::string> read_tokens(std::string_view text) {
  if (nests_too_deeply(text)) return unexpected(std::string("it nests too deeply"));
  const json root = json::parse(text, nullptr, false);
  if (!root.is_object()) return unexpected(std::string("it is no JSON object"));
  if (!root.contains("version") || root["version"] != 1) return unexpected(std::string("its \"version\" is not 1"));
  if (!root.contains("tokens") || !root["tokens"].is_array()) return unexpected(std::string("it has no list \"tokens\""));
  if (root.size() != 2) return unexpected(std::string("it has members besides \"version\" and \"tokens\""));
  if (root["tokens"].size() > max_tokens) return unexpected("it has more than " + std::to_string(max_tokens) + " tokens");
  token_records all;
  std::size_t number = 0;
  for (const json& each : root["tokens"]) {
    try {
      ++number;
      token_record made = record_of(each);
      const std::string id = made.id;
      if (!all.emplace(id, std::move(made)).second) throw "has the id of another one, " + id;
    } catch (const std::string& why) {
      return unexpected("its token " + std::to_string(number) + " " + why);
    }
  }
  return all;
}

std::string write_tokens(const token_records& all) {
  json list = json::array();
  for (const auto& [id, record] : all) list.push_back(json_of(record));
  const json root{{"version", 1}, {"tokens", std::move(list)}};
  return root.dump(2) + "\n";
}

result<token_records, std::string> read_tokens_file(const std::string& path, bool may_be_missing) {
  struct stat about {};
  if (may_be_missing && ::stat(path.c_str(), &about) != 0 && errno == ENOENT) return token_records{};
  const auto text = read_guarded_file(path, file_rule::secret, std::size_t{16} << 20);
  if (!text) return unexpected(text.error());
  auto records = read_tokens(*text);
  if (!records) return unexpected("\"" + path + "\" is no tokens file: " + records.error());
  return records;
}

result<void, std::string> add_token(const std::string& path, const token_record& made) {
  const directory_lock lock(path);  // two that add one at once must not lose one
  auto records = read_tokens_file(path, true);
  if (!records) return unexpected(records.error());
  if (records->size() >= max_tokens) {
    return unexpected("\"" + path + "\" has " + std::to_string(max_tokens) +
                      " tokens, which is the most; take old ones out of it");
  }
  if (!records->emplace(made.id, made).second)
    return unexpected("\"" + path + "\" has a token with the id " + made.id + " already");
  return replace_file(path, write_tokens(*records));
}

result<revocation, std::string> revoke_token(const std::string& path, std::string_view id, timestamp now) {
  const directory_lock lock(path);
  auto records = read_tokens_file(path);
  if (!records) return unexpected(records.error());
  const auto found = records->find(id);
  if (found == records->end()) return revocation::unknown;
  if (found->second.revoked) return revocation::was_already;
  found->second.revoked = now;
  if (auto written = replace_file(path, write_tokens(*records)); !written) return unexpected(written.error());
  return revocation::done;
}

}  // namespace evermill::server::security
