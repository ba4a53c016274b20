#include "plugins/task/transfer/signature.hpp"

#include <openssl/evp.h>
#include <openssl/hmac.h>

#include <algorithm>
#include <array>
#include <ctime>
#include <map>
#include <sstream>

#include "base/encodings.hpp"

namespace evermill::tasks {
namespace {

std::string hex_digits(std::string_view bytes) {
  constexpr std::string_view digits = "0123456789abcdef";
  std::string text;
  for (const char each : bytes) {
    const auto byte = static_cast<unsigned char>(each);
    text.append({digits[byte >> 4], digits[byte & 15]});
  }
  return text;
}

std::string sha256(std::string_view data) {
  std::array<unsigned char, EVP_MAX_MD_SIZE> digest{};
  unsigned size = 0;
  EVP_Digest(data.data(), data.size(), digest.data(), &size, EVP_sha256(), nullptr);
  return {reinterpret_cast<const char*>(digest.data()), size};
}

std::string hmac_sha256(std::string_view key, std::string_view data) {
  std::array<unsigned char, EVP_MAX_MD_SIZE> digest{};
  unsigned size = 0;
  HMAC(EVP_sha256(), key.data(), static_cast<int>(key.size()), reinterpret_cast<const unsigned char*>(data.data()), data.size(),
       digest.data(), &size);
  return {reinterpret_cast<const char*>(digest.data()), size};
}

struct url_parts {
  std::string host;  ///< with the port, where the URL has one
  std::string path;
  std::string query;
};

url_parts parts_of(const std::string& url) {
  url_parts parts;
  const std::size_t scheme = url.find("://");
  const std::size_t begin = scheme == std::string::npos ? 0 : scheme + 3;
  const std::size_t end = std::min(url.find_first_of("/?#", begin), url.size());
  parts.host = url.substr(begin, end - begin);
  if (const std::size_t at = parts.host.rfind('@'); at != std::string::npos) parts.host.erase(0, at + 1);
  for (const auto& [name, port] : {std::pair("https", ":443"), std::pair("http", ":80")}) {  // libcurl leaves it out, too
    if (url.starts_with(std::string(name) + "://") && parts.host.ends_with(port)) parts.host.resize(parts.host.rfind(':'));
  }
  const std::string rest = url.substr(end, url.find('#', end) - end);
  const std::size_t mark = std::min(rest.find('?'), rest.size());
  parts.path = rest.substr(0, mark);
  if (parts.path.empty()) parts.path = "/";
  if (mark < rest.size()) parts.query = rest.substr(mark + 1);
  return parts;
}

std::string sorted_query(const std::string& query) {
  std::vector<std::pair<std::string, std::string>> fields;
  std::istringstream from(query);
  for (std::string field; std::getline(from, field, '&');) {
    const std::size_t equals = std::min(field.find('='), field.size());
    fields.emplace_back(field.substr(0, equals), equals < field.size() ? field.substr(equals + 1) : "");
  }
  std::sort(fields.begin(), fields.end());
  std::string text;
  for (const auto& [name, value] : fields) text.append(text.empty() ? "" : "&").append(name).append("=").append(value);
  return text;
}

std::string lower_case(std::string text) {
  for (char& each : text) {
    if (each >= 'A' && each <= 'Z') each = static_cast<char>(each - 'A' + 'a');
  }
  return text;
}

/// Without blanks around it, and one in place of several.
std::string one_line(const std::string& value) {
  std::istringstream from(value);
  std::string text;
  for (std::string word; from >> word;) text.append(text.empty() ? "" : " ").append(word);
  return text;
}

std::string amz_date(std::chrono::system_clock::time_point now) {
  const std::time_t seconds = std::chrono::system_clock::to_time_t(now);
  std::tm utc{};
  ::gmtime_r(&seconds, &utc);
  std::array<char, 32> text{};
  return {text.data(), std::strftime(text.data(), text.size(), "%Y%m%dT%H%M%SZ", &utc)};
}

}  // namespace

transfer_headers sign(const transfer_request& request, const transfer_signer& signer, std::chrono::system_clock::time_point now) {
  const url_parts url = parts_of(request.url);
  const std::string date = amz_date(now);
  const std::string body_hash = hex_digits(sha256(request.body.value_or("")));
  transfer_headers made{{"X-Amz-Date", date}, {"X-Amz-Content-Sha256", body_hash}};
  if (!signer.session_token.empty()) made.emplace_back("X-Amz-Security-Token", signer.session_token);

  std::map<std::string, std::string> named{{"host", url.host}};
  for (const auto& [name, value] : request.headers) {
    const std::string lower = lower_case(name);
    if (lower == "x-amzn-trace-id") continue;  // those on the way may change it
    if (!value.empty()) named[lower] = one_line(value);
  }
  for (const auto& [name, value] : made) named[lower_case(name)] = value;
  std::string lines;
  std::string names;
  for (const auto& [name, value] : named) {
    lines.append(name).append(":").append(value).append("\n");
    names.append(names.empty() ? "" : ";").append(name);
  }
  const std::string canonical = request.method + "\n" + percent_encoded(url.path, "/") + "\n" + sorted_query(url.query) + "\n" + lines + "\n" +
                                names + "\n" + body_hash;
  const std::string scope = date.substr(0, 8) + "/" + signer.region + "/" + signer.service + "/aws4_request";
  const std::string to_sign = "AWS4-HMAC-SHA256\n" + date + "\n" + scope + "\n" + hex_digits(sha256(canonical));
  std::string key = std::string("AWS4") + signer.key;
  for (const std::string& part : {date.substr(0, 8), signer.region, signer.service, std::string("aws4_request")}) key = hmac_sha256(key, part);
  made.emplace_back("Authorization", "AWS4-HMAC-SHA256 Credential=" + signer.key_id + "/" + scope + ", SignedHeaders=" + names +
                                         ", Signature=" + hex_digits(hmac_sha256(key, to_sign)));
  return made;
}

}  // namespace evermill::tasks
