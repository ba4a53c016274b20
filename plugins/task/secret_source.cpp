#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <utility>

#include "base/text.hpp"
#include "dsl/document.hpp"
#include "plugins/task/secrets.hpp"

namespace evermill::tasks {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t max_secret_bytes = std::size_t{1} << 20;

std::string read_secret_file(const fs::path& path) {
  std::ifstream file(path, std::ios::binary);
  if (!file) throw secret_error("\"" + path.string() + "\" can't be read: " + std::strerror(errno), true);
  std::string text(max_secret_bytes + 1, '\0');
  file.read(text.data(), static_cast<std::streamsize>(text.size()));
  text.resize(static_cast<std::size_t>(file.gcount()));
  if (file.bad()) throw secret_error("\"" + path.string() + "\" can't be read", true);
  if (text.size() > max_secret_bytes) throw secret_error("\"" + path.string() + "\" is larger than 1 MiB", false);
  return text;
}

/// An object is JSON; all else is text, as it is but for the end of its line.
nlohmann::json value_of_file(std::string text) {
  const std::size_t first = text.find_first_not_of(" \t\r\n");
  if (first != std::string::npos && text[first] == '{' && !nests_too_deeply(text)) {
    auto object = nlohmann::json::parse(text, nullptr, false);
    if (object.is_object()) return object;
  }
  if (text.ends_with('\n')) text.pop_back();
  if (text.ends_with('\r')) text.pop_back();
  return text;
}

class secret_directory final : public secret_source {
 public:
  explicit secret_directory(fs::path directory) : directory_(std::move(directory)) {}

  std::optional<nlohmann::json> find(const std::string& name) const override {
    if (name.empty() || name.front() == '.' || name.find('/') != std::string::npos) return std::nullopt;
    std::error_code error;
    const fs::path path = directory_ / name;
    if (!fs::exists(path, error)) {
      if (error) throw secret_error("\"" + path.string() + "\" can't be read: " + error.message(), true);
      return std::nullopt;
    }
    std::string text = read_secret_file(path);
    if (!is_utf8(text)) throw secret_error("\"" + path.string() + "\" holds no UTF-8", false);
    return value_of_file(std::move(text));
  }
  std::string place() const override { return "the directory \"" + directory_.string() + "\""; }

 private:
  const fs::path directory_;
};

class secret_file final : public secret_source {
 public:
  explicit secret_file(fs::path file) : file_(std::move(file)) { read(); }

  std::optional<nlohmann::json> find(const std::string& name) const override {
    const nlohmann::json all = read();
    const auto it = all.find(name);
    return it == all.end() ? std::nullopt : std::optional<nlohmann::json>(*it);
  }
  std::string place() const override { return "the file \"" + file_.string() + "\""; }

 private:
  /// Never with a word of the file's text in an error.
  nlohmann::json read() const {
    dsl::problems ignored;
    const std::string text = read_secret_file(file_);
    const auto document = dsl::read_document(text, dsl::text_format::detect, ignored);
    if (!document) {
      throw secret_error("\"" + file_.string() + "\" is neither JSON nor YAML: see line " + std::to_string(document.error().at.line), true);
    }
    nlohmann::json all = dsl::to_json(*document);
    if (!all.is_object()) throw secret_error("\"" + file_.string() + "\" holds no object whose members are secrets", true);
    return all;
  }

  const fs::path file_;
};

class secret_environment final : public secret_source {
 public:
  explicit secret_environment(std::string prefix) : prefix_(std::move(prefix)) {}

  std::optional<nlohmann::json> find(const std::string& name) const override {
    if (name.empty() || name.find('=') != std::string::npos) return std::nullopt;
    const char* const value = std::getenv((prefix_ + name).c_str());
    if (value == nullptr) return std::nullopt;
    if (!is_utf8(value)) throw secret_error("the environment variable " + prefix_ + name + " holds no UTF-8", false);
    return value_of_file(value);
  }
  std::string place() const override { return "the environment variables " + prefix_ + "…"; }

 private:
  const std::string prefix_;
};

}  // namespace

std::shared_ptr<const secret_source> open_secrets(const std::string& place) {
  constexpr std::string_view environment = "env:";
  if (place.empty()) return nullptr;
  if (place.starts_with(environment)) return std::make_shared<secret_environment>(place.substr(environment.size()));
  std::error_code error;
  const fs::file_status status = fs::status(place, error);
  if (fs::is_directory(status)) return std::make_shared<secret_directory>(place);
  if (!fs::exists(status)) {
    const std::string why = error && status.type() != fs::file_type::not_found ? error.message() : "there is no such file or directory";
    throw std::invalid_argument("secrets can't be read from \"" + place + "\": " + why);
  }
  try {
    return std::make_shared<secret_file>(place);
  } catch (const secret_error& wrong) {
    throw std::invalid_argument(std::string("secrets can't be read: ") + wrong.what());
  }
}

failed failure_of(const secret_error& error) {
  failed how;
  how.failure.set_kind(messages::Failure::APPLICATION);
  how.failure.set_type(error.may_pass() ? "SecretUnavailable" : "SecretNotFound");
  how.failure.set_message(to_utf8(error.what()));
  how.failure.set_non_retryable(!error.may_pass());
  return how;
}

}  // namespace evermill::tasks
