// Journals that were written once replay for ever, and their bytes are read and written as they were.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <set>
#include <sstream>

#include "actors/node.hpp"
#include "messages/history_json.hpp"
#include "evermill/journals.hpp"
#include "golden_workflows.hpp"
#include "messages/record.hpp"
#include "storage/stored_row.hpp"

namespace evermill::golden {
namespace {

namespace fs = std::filesystem;

std::string text_of(const fs::path& path) {
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

std::string bytes_of(const std::string& hexadecimal) {
  std::string bytes;
  for (std::size_t i = 0; i + 1 < hexadecimal.size(); i += 2) {
    bytes.push_back(static_cast<char>(std::stoi(hexadecimal.substr(i, 2), nullptr, 16)));
  }
  return bytes;
}

std::vector<fs::path> files(const char* folder, const char* extension) {
  std::vector<fs::path> found;
  for (const auto& entry : fs::directory_iterator(fs::path(GOLDEN_DIRECTORY) / folder)) {
    if (entry.path().extension() == extension) found.push_back(entry.path());
  }
  std::sort(found.begin(), found.end());
  return found;
}

std::vector<exported_run> runs_of(const fs::path& file) {
  std::ifstream in(file, std::ios::binary);
  exported_journals journals(in, file.string());
  std::vector<exported_run> runs;
  exported_run run;
  while (journals.next(run)) runs.push_back(std::move(run));
  return runs;
}

/// key, value
std::vector<std::pair<std::string, std::string>> records_of(const fs::path& file) {
  std::vector<std::pair<std::string, std::string>> records;
  std::ifstream in(file);
  for (std::string key, value; in >> key >> value;) records.emplace_back(bytes_of(key), bytes_of(value));
  return records;
}

TEST(Golden, JournalsReplayAgainstTheirWorkflows) {
  const replay_report report = replay(definitions(), fs::path(GOLDEN_DIRECTORY) / "journals", [](const replay_difference& d) {
    ADD_FAILURE() << d.file << ", event " << d.event << ": " << d.what
                  << "\nThe code does other things in a replay than it did when it was written: executions of users would be "
                     "stuck. The code is wrong, never the journal.";
  });
  EXPECT_GE(report.runs, 10U);
  EXPECT_EQ(report.argument_mismatches, 0U);
}

TEST(Golden, JournalsHoldEveryKindOfEvent) {
  std::set<std::string> missing;
  const auto& kinds = *messages::Event::descriptor()->oneof_decl(0);
  for (int i = 0; i < kinds.field_count(); ++i) missing.insert(kinds.field(i)->message_type()->name());
  for (const fs::path& file : files("journals", ".jsonl")) {
    for (const exported_run& run : runs_of(file)) {
      for (const storage::stored_turn& turn : run.turns) {
        for (const messages::Event& event : turn.record.events()) missing.erase(event_type(event));
      }
    }
  }
  EXPECT_THAT(missing, testing::IsEmpty()) << "write a golden journal with it: tests/golden/README.md";
}

TEST(Golden, JournalsAreExportedAsTheyWereImported) {
  for (const fs::path& file : files("journals", ".jsonl")) {
    std::ostringstream out;
    journal_writer writer(out);
    for (const exported_run& run : runs_of(file)) writer.write(run);
    EXPECT_EQ(out.str(), text_of(file)) << file;
  }
}

TEST(Golden, RecordsAreReadAsTheJournalsSay) {
  const auto all = files("records", ".hex");
  ASSERT_EQ(all.size(), files("journals", ".jsonl").size());
  for (const fs::path& file : all) {
    std::vector<storage::turn_row> rows;
    for (const auto& [key, value] : records_of(file)) {
      auto row = storage::parse_row(storage::family::journal, key, value);
      ASSERT_TRUE(row) << file << ": " << row.error().message;
      rows.push_back(std::get<storage::turn_row>(std::move(*row)));
    }
    std::size_t at = 0;
    for (const exported_run& run : runs_of(fs::path(GOLDEN_DIRECTORY) / "journals" / (file.stem().string() + ".jsonl"))) {
      for (const storage::stored_turn& turn : run.turns) {
        ASSERT_LT(at, rows.size()) << file;
        EXPECT_EQ(rows[at].run, run.run);
        EXPECT_EQ(rows[at].first, turn.first);
        EXPECT_EQ(rows[at].record.SerializeAsString(), turn.record.SerializeAsString()) << file << ", row " << at;
        ++at;
      }
    }
    EXPECT_EQ(at, rows.size());
  }
}

/// Of the version that is written today. Those of earlier versions are only read.
TEST(Golden, RecordsAreWrittenAsTheyWere) {
  for (const fs::path& file : files("records", ".hex")) {
    for (const auto& [key, value] : records_of(file)) {
      if (static_cast<unsigned char>(value.at(0)) != record_format_version) continue;
      const auto row = std::get<storage::turn_row>(*storage::parse_row(storage::family::journal, key, value));
      const auto written = record_of(row.partition, row.run, {row.first, row.record});
      EXPECT_EQ(written.first, key) << file;
      EXPECT_EQ(written.second, value) << file;
    }
  }
}

/// So the scenarios in golden_workflows.cpp are those whose journals lie here, and a new format can be given all of them.
TEST(Golden, ScenariosMakeTheSameJournals) {
  for (const journal_file& made : make_journals()) {
    std::ostringstream out;
    journal_writer writer(out);
    for (const exported_run& run : made.runs) writer.write(run);
    EXPECT_EQ(out.str(), text_of(fs::path(GOLDEN_DIRECTORY) / "journals" / (made.name + ".jsonl"))) << made.name;
  }
}

}  // namespace
}  // namespace evermill::golden
