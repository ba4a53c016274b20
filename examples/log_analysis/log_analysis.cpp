#include "log_analysis.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <thread>
#include <utility>

namespace log_analysis {

namespace fs = std::filesystem;

// --- activities: they do the work, and may run again after a crash

void note_effect(const std::string& effects, const evermill::activity_context& about, const std::string& what) {
  if (effects.empty()) return;
  const std::string line = about.idempotency_key() + " " + about.activity_type() + " " + what + "\n";
  const int file = ::open(effects.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
  if (file < 0 || ::write(file, line.data(), line.size()) != static_cast<ssize_t>(line.size())) {
    throw evermill::application_error("EffectsFile", "can't write " + effects);
  }
  ::close(file);
}

std::vector<std::string> files_under(const std::string& root, std::size_t limit) {
  std::vector<std::string> found;
  std::error_code error;
  fs::recursive_directory_iterator it(root, fs::directory_options::skip_permission_denied, error);
  for (const fs::recursive_directory_iterator end; it != end; it.increment(error)) {
    if (it->is_regular_file(error) && it->path().extension() != ".gz") found.push_back(it->path().string());
  }
  std::sort(found.begin(), found.end());
  if (found.size() > limit) found.resize(limit);
  return found;
}

std::vector<std::string> do_list_files(const request& wanted) {
  std::vector<std::string> all;
  const std::size_t share = static_cast<std::size_t>(wanted.max_files) / std::max<std::size_t>(wanted.roots.size(), 1);
  for (const std::string& root : wanted.roots) {
    std::vector<std::string> found = files_under(root, share);
    all.insert(all.end(), found.begin(), found.end());
  }
  return all;
}

counts do_analyse_file(const evermill::activity_context& about, const file_job& job) {
  std::size_t sum = 0;
  for (const char c : job.path) sum = sum * 31 + static_cast<unsigned char>(c);
  if (about.attempt() == 1 && static_cast<int>(sum % 100) < job.fail_first_percent) {
    throw evermill::application_error("Unlucky", "the first attempt at " + job.path + " fails on purpose");
  }
  std::this_thread::sleep_for(std::chrono::milliseconds(job.pause_ms));
  std::ifstream file(job.path, std::ios::binary);
  if (!file) throw evermill::application_error("Unreadable", "can't read " + job.path, {}, true);
  counts result{.files = 1};
  for (std::string line; std::getline(file, line);) {
    ++result.lines;
    result.bytes += static_cast<std::int64_t>(line.size()) + 1;
    if (line.find("error") != std::string::npos || line.find("fail") != std::string::npos) ++result.errors;
  }
  note_effect(job.effects, about, job.path);
  return result;
}

std::string do_publish(const evermill::activity_context& about, const publication& what) {
  const std::string draft = what.path + ".draft";
  {
    std::ofstream file(draft);
    file << nlohmann::json{{"approved_by", what.approved_by}, {"groups", what.groups}}.dump(2) << "\n";
    if (!file.flush()) throw evermill::application_error("Unwritable", "can't write " + draft);
  }
  fs::rename(draft, what.path);  // whole or not at all
  note_effect(what.effects, about, what.path);
  return what.path;
}

// --- workflows: they decide, and are replayed

task<counts> analyse_group(context ctx, std::vector<file_job> jobs) {
  std::vector<evermill::future<counts>> readings;
  for (const file_job& job : jobs) readings.push_back(ctx.call(analyse_file, job));
  counts total;
  for (auto& reading : readings) {
    counts one;
    try {
      one = co_await std::move(reading);
    } catch (const evermill::activity_error& error) {
      ctx.log(error.what());
    }
    total.files += one.files;
    total.lines += one.lines;
    total.bytes += one.bytes;
    total.errors += one.errors;
  }
  co_return total;
}

task<std::map<std::string, counts>> analyse_logs(context ctx, std::optional<request> given) {
  const request wanted = given.value_or(request{});
  std::vector<std::string> files = co_await ctx.call(list_files, wanted);
  std::map<std::string, std::vector<file_job>> groups;
  for (const std::string& path : files) {
    const std::string group = path.find("/log/") != std::string::npos ? "logs" : "documentation";
    groups[group].push_back({path, wanted.pause_ms, wanted.fail_first_percent, wanted.effects});
  }
  std::vector<std::string> names;
  std::vector<evermill::future<counts>> children;
  for (const auto& [name, jobs] : groups) {
    names.push_back(name);
    children.push_back(ctx.start(analyse_group, jobs));
  }
  auto together = evermill::all(std::move(children));
  std::vector<counts> totals = co_await std::move(together);

  publication what;
  what.path = wanted.report;
  what.effects = wanted.effects;
  for (std::size_t i = 0; i < names.size(); ++i) what.groups[names[i]] = totals[i];
  if (wanted.auto_approve) {
    what.approved_by = "nobody was asked";
  } else {
    approval given = co_await ctx.wait(approve);
    what.approved_by = given.by;
  }
  co_await ctx.call(publish, what);
  co_return what.groups;
}

evermill::registry definitions() {
  evermill::registry all;
  all.add("analyse_logs", analyse_logs);
  all.add("analyse_group", analyse_group);
  all.add(list_files, do_list_files);
  all.add(analyse_file, do_analyse_file);
  all.add(publish, do_publish);
  return all;
}

}  // namespace log_analysis
