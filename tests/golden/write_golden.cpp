// Writes golden journals into a directory, and overwrites none.
#include <filesystem>
#include <fstream>
#include <iostream>

#include "actors/node.hpp"
#include "golden_workflows.hpp"

namespace {

std::string hexadecimal(const std::string& bytes) {
  constexpr char digits[] = "0123456789abcdef";
  std::string text;
  for (const char c : bytes) {
    text += digits[static_cast<unsigned char>(c) >> 4];
    text += digits[static_cast<unsigned char>(c) & 15];
  }
  return text;
}

/// False where it exists.
bool write_new(const std::filesystem::path& path, const std::string& text) {
  if (std::filesystem::exists(path)) {
    std::cerr << path << " exists; golden journals are never written again\n";
    return false;
  }
  std::filesystem::create_directories(path.parent_path());
  return static_cast<bool>(std::ofstream(path, std::ios::binary) << text);
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 2) {
    std::cerr << "usage: write_golden DIRECTORY\n";
    return 2;
  }
  const std::filesystem::path directory = argv[1];
  bool written = true;
  for (const auto& file : evermill::golden::make_journals()) {
    std::ostringstream lines, records;
    evermill::journal_writer writer(lines);
    for (const evermill::exported_run& run : file.runs) {
      writer.write(run);
      const auto partition = evermill::actors::partition_of(run.workflow_id, static_cast<std::uint16_t>(run.partitions));
      for (const auto& turn : run.turns) {
        const auto [key, value] = evermill::golden::record_of(partition, run.run, turn);
        records << hexadecimal(key) << ' ' << hexadecimal(value) << '\n';
      }
    }
    written = write_new(directory / "journals" / (file.name + ".jsonl"), lines.str()) && written;
    written = write_new(directory / "records" / (file.name + ".hex"), records.str()) && written;
  }
  return written ? 0 : 1;
}
