#include "activities.hpp"

#include <chrono>
#include <evermill/activity_context.hpp>
#include <evermill/exceptions.hpp>
#include <filesystem>
#include <sstream>
#include <thread>

#include "files.hpp"
#include "parsing.hpp"

namespace log_analysis {
namespace {

namespace fs = std::filesystem;
using evermill::activity_context;
using evermill::application_error;

/// One line for each time that an activity did its work: who wants to know whether something was done twice can count.
void record_effect(const activity_context& attempt, const fs::path& directory, const std::string& on) {
  append_line(directory / "effects.log", attempt.idempotency_key() + " " + attempt.activity_type() + " " + on);
}

/// FNV-1a (Fowler, Noll, Vo): the same files misbehave on every machine and in every run.
std::uint64_t hash(std::string_view text) {
  std::uint64_t value = 14695981039346656037u;
  for (const char c : text) value = (value ^ static_cast<unsigned char>(c)) * 1099511628211u;
  return value;
}

void misbehave(const activity_context& attempt, const file_job& job) {
  if (attempt.attempt() > 1 || hash(fs::path(job.path).filename().string()) % 100 >= job.chaos_percent) return;
  throw application_error("InjectedFault", "the first attempt at " + job.path + " fails, as chaos_percent asks");
}

std::string do_prepare_output(activity_context& attempt, const std::string& wanted) {
  const fs::path directory = fs::absolute(wanted);
  fs::create_directories(directory);
  record_effect(attempt, directory, directory);
  return directory;
}

std::vector<std::string> do_list_files(activity_context& attempt, const list_request& request) {
  std::vector<std::string> files = match_files(request.group.globs, request.max_files);
  record_effect(attempt, request.output_directory, request.group.name);
  return files;
}

std::string read_or_give_up(const file_job& job) try {
  return read_text(job.path, job.max_bytes);
} catch (const std::runtime_error& error) {
  throw application_error("Unreadable", error.what(), {}, true);
}

tally do_analyse_file(activity_context& attempt, const file_job& job) {
  std::this_thread::sleep_for(std::chrono::milliseconds(job.pace_ms));
  misbehave(attempt, job);
  const std::unique_ptr<parser> parses = make_parser(job.parser, job.path);
  if (!parses) throw application_error("UnknownParser", "there is no parser \"" + job.parser + "\"", {}, true);
  tally result = parse_text(*parses, read_or_give_up(job));
  record_effect(attempt, job.output_directory, job.path);
  return result;
}

tally do_merge_tallies(activity_context& attempt, const group_parts& group) {
  tally total;
  for (const tally& part : group.parts) add(total, part);
  trim(total);
  record_effect(attempt, group.output_directory, group.name);
  return total;
}

void write_top(std::ostream& out, const std::string& title, const counts& of) {
  if (of.empty()) return;
  out << "\n" << title << "\n\n";
  for (const std::string& name : most_frequent(of, 10)) out << "- " << name << ": " << of.at(name) << '\n';
}

void write_section(std::ostream& out, const std::string& title, const tally& of) {
  out << "\n## " << title << "\n\n"
      << of.files << " files, " << of.lines << " lines, " << of.bytes << " bytes, " << of.anomaly_count
      << " anomalies\n";
  write_top(out, "Kinds:", of.kinds);
  write_top(out, "Packages:", of.packages);
  write_top(out, "Words:", of.words);
  if (!of.anomalies.empty()) out << "\nAnomalies:\n\n";
  for (const std::string& anomaly : of.anomalies) out << "- " << anomaly << '\n';
}

std::string as_markdown(const report& what) {
  std::ostringstream out;
  out << "# What the packages of this machine say\n";
  for (const group_summary& group : what.groups) write_section(out, group.name, group.total);
  write_section(out, "All", what.total);
  if (!what.skipped.empty()) out << "\n## Skipped\n\n";
  for (const std::string& why : what.skipped) out << "- " << why << '\n';
  return out.str();
}

/// Doing it twice leaves the same files, so that an attempt whose answer was lost does no harm.
std::string do_publish(activity_context& attempt, const publish_request& request) {
  const fs::path directory = request.output_directory;
  write_atomically(directory / "report.md", as_markdown(request.what));
  write_atomically(directory / "report.json", nlohmann::json(request.what).dump(2) + "\n");
  record_effect(attempt, directory, directory / "report.json");
  return directory / "report.json";
}

}  // namespace

void add_activities(evermill::registry& to) {
  to.add(prepare_output, do_prepare_output);
  to.add(list_files, do_list_files);
  to.add(analyse_file, do_analyse_file);
  to.add(merge_tallies, do_merge_tallies);
  to.add(publish, do_publish);
}

}  // namespace log_analysis
