#include "parsing.hpp"

#include <cctype>
#include <filesystem>
#include <map>
#include <vector>

namespace log_analysis {
namespace {

constexpr std::size_t shortest_word = 4;
constexpr std::size_t longest_word = 24;
constexpr std::size_t md5_digits = 32;

std::vector<std::string_view> split(std::string_view text, char separator) {
  std::vector<std::string_view> parts;
  while (!text.empty()) {
    const std::size_t end = text.find(separator);
    if (end != 0) parts.push_back(text.substr(0, end));
    if (end == std::string_view::npos) break;
    text.remove_prefix(end + 1);
  }
  return parts;
}

/// "libc6:amd64" is libc6.
std::string package_name(std::string_view name) { return std::string(name.substr(0, name.find(':'))); }

bool take_prefix(std::string_view& text, std::string_view prefix) {
  if (!text.starts_with(prefix)) return false;
  text.remove_prefix(prefix.size());
  return true;
}

/// ASCII only: the result is JSON, and other bytes may be in any encoding.
bool is_letter(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); }

std::string printable(std::string_view text) {
  std::string result(text.substr(0, 120));
  for (char& c : result) {
    if (c < ' ' || c > '~') c = '?';
  }
  return result;
}

void count_words(tally& to, std::string_view text) {
  std::string word;
  for (std::size_t i = 0; i <= text.size(); ++i) {
    if (i < text.size() && is_letter(text[i])) {
      word += static_cast<char>(text[i] | 0x20);
      continue;
    }
    if (word.size() >= shortest_word && word.size() <= longest_word) ++to.words[word];
    word.clear();
  }
}

/// dpkg.log: "2026-05-20 10:00:00 status installed libc6:amd64 2.36-9", "… install libc6:amd64 <none> 2.36-9".
class dpkg_log final : public parser {
 public:
  explicit dpkg_log(std::string path) : path_(std::move(path)) {}
  void line(std::string_view text) override {
    if (text.empty()) return;
    const auto fields = split(text, ' ');
    if (fields.size() < 4) return add_anomaly(result, path_ + ": not a dpkg log line: " + printable(text));
    const std::string action(fields[2]);
    ++result.kinds[printable(action)];
    if (action == "startup" || action == "conffile") return;
    if (action != "status") {
      ++result.packages[package_name(printable(fields[3]))];
    } else if (fields.size() >= 5) {
      last_status_[package_name(printable(fields[4]))] = printable(fields[3]);
    }
  }
  void finish() override {
    for (const auto& [package, status] : last_status_) {
      if (status.starts_with("half-") || status == "unpacked" || status.starts_with("triggers-")) {
        add_anomaly(result, path_ + ": " + package + " was left " + status);
      }
    }
  }

 private:
  std::string path_;
  std::map<std::string, std::string> last_status_;
};

/// apt/history.log: paragraphs of "Commandline: …", "Install: a:amd64 (1.0, automatic), b:amd64 (2.0)", "Error: …".
class apt_history final : public parser {
 public:
  explicit apt_history(std::string path) : path_(std::move(path)) {}
  void line(std::string_view text) override {
    const std::size_t colon = text.find(": ");
    if (colon == std::string_view::npos) return;
    const std::string key = printable(text.substr(0, colon));
    ++result.kinds[key];
    text.remove_prefix(colon + 2);
    if (key == "Error") add_anomaly(result, path_ + ": " + printable(text));
    if (key == "Install" || key == "Upgrade" || key == "Remove" || key == "Purge") count_packages(text);
  }

 private:
  void count_packages(std::string_view text) {
    while (!text.empty()) {
      const std::size_t open = text.find(" (");
      ++result.packages[package_name(printable(text.substr(0, open)))];
      const std::size_t next = text.find("), ");
      if (open == std::string_view::npos || next == std::string_view::npos) return;
      text.remove_prefix(next + 3);
    }
  }
  std::string path_;
};

/// dpkg/status: deb822 paragraphs.
class dpkg_status final : public parser {
 public:
  explicit dpkg_status(std::string path) : path_(std::move(path)) {}
  void line(std::string_view text) override {
    if (take_prefix(text, "Package: ")) {
      package_ = printable(text);
      ++result.packages[package_];
    } else if (take_prefix(text, "Section: ")) {
      ++result.kinds[printable(text)];
    } else if (take_prefix(text, "Status: ") && text.find(" ok ") == std::string_view::npos) {
      add_anomaly(result, path_ + ": " + package_ + " is " + printable(text));
    }
  }

 private:
  std::string path_;
  std::string package_;
};

/// dpkg/info/PACKAGE.list (a path a line) and PACKAGE.md5sums ("digest  path").
class file_list final : public parser {
 public:
  explicit file_list(std::string path)
      : path_(std::move(path)),
        package_(package_name(printable(std::filesystem::path(path_).stem().string()))),
        digests_(path_.ends_with(".md5sums")) {}
  void line(std::string_view text) override {
    if (text.empty()) return;
    if (digests_) text = without_digest(text);
    if (text.starts_with('/')) text.remove_prefix(1);
    const std::size_t slash = text.find('/');
    if (slash == std::string_view::npos) return;
    ++result.kinds["/" + printable(text.substr(0, slash))];
    ++result.packages[package_];
  }

 private:
  std::string_view without_digest(std::string_view text) {
    const std::size_t end = text.find("  ");
    if (end != md5_digits) {
      add_anomaly(result, path_ + ": not an MD5 sum: " + printable(text));
      return {};
    }
    return text.substr(end + 2);
  }
  std::string path_;
  std::string package_;
  bool digests_;
};

/// Debian changelogs: "bash (5.2-1) unstable; urgency=medium", then the changes. Upstream's own are counted as words.
class changelog final : public parser {
 public:
  void line(std::string_view text) override {
    const std::size_t urgency = text.find("; urgency=");
    if (urgency == std::string_view::npos || text.starts_with(' ')) return count_words(result, text);
    ++result.packages[printable(text.substr(0, text.find(' ')))];
    text.remove_prefix(urgency + 10);
    ++result.kinds["urgency " + printable(text.substr(0, text.find_first_of(", ")))];
  }
};

class copyright final : public parser {
 public:
  void line(std::string_view text) override {
    if (take_prefix(text, "License: ")) {
      ++result.kinds[printable(text)];
    } else {
      count_words(result, text);
    }
  }
};

}  // namespace

std::unique_ptr<parser> make_parser(std::string_view name, const std::string& path) {
  if (name == "dpkg_log") return std::make_unique<dpkg_log>(path);
  if (name == "apt_history") return std::make_unique<apt_history>(path);
  if (name == "dpkg_status") return std::make_unique<dpkg_status>(path);
  if (name == "file_list") return std::make_unique<file_list>(path);
  if (name == "changelog") return std::make_unique<changelog>();
  if (name == "copyright") return std::make_unique<copyright>();
  return nullptr;
}

tally parse_text(parser& with, std::string_view text) {
  with.result.files = 1;
  with.result.bytes = text.size();
  while (!text.empty()) {
    const std::size_t end = text.find('\n');
    with.line(text.substr(0, end));
    ++with.result.lines;
    if (end == std::string_view::npos) break;
    text.remove_prefix(end + 1);
  }
  with.finish();
  trim(with.result);
  return with.result;
}

}  // namespace log_analysis
