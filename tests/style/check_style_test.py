#!/usr/bin/env python3
"""Proves that check_style.py finds each thing it is for, and nothing else."""
import sys
import tempfile
import unittest
from pathlib import Path

sys.dont_write_bytecode = True
sys.path.insert(0, str(Path(__file__).parent))
import check_style  # noqa: E402


def breaches(files):
    with tempfile.TemporaryDirectory() as folder:
        tree = Path(folder)
        for name, text in files.items():
            (tree / name).parent.mkdir(parents=True, exist_ok=True)
            (tree / name).write_text(text, encoding="utf-8")
            readme = tree / Path(name).parts[0] / "README.md"
            if len(Path(name).parts) > 1 and "no_readme" not in name:
                readme.write_text("what lives here\n", encoding="utf-8")
        return [f"{path}:{line}: {what}" for path, line, what in check_style.check(tree)]


class CheckStyle(unittest.TestCase):
    def assert_found(self, name, text, words):
        found = breaches({name: text})
        self.assertEqual(len(found), 1, found)
        self.assertIn(words, found[0])

    def test_finds_suppressions_that_hide_more_than_a_foreign_library(self):
        for line in ("race:evermill", "race:*", "called_from_lib:libc*", "thread:foo", "race:caf::actor", "race:std::*",
                     "race:libcaf_core.so", "called_from_lib:libcaf_core.so", "race:lib*.so"):
            self.assert_found("tests/x.supp", line + "\n", "suppresses more")
        self.assertEqual(breaches({"tests/x.supp": "# why\ncalled_from_lib:librocksdb.so\nrace:librocksdb.so\nleak:libjq.so\nrace:std::exception_ptr::f\n"}), [])

    def test_finds_nondeterminism_in_workflow_and_actors(self):
        for text, words in [
            ("auto t = std::chrono::system_clock::now();", "clock"),
            ("auto t = std::chrono::steady_clock :: now();", "clock"),
            ("auto t = time(nullptr);", "clock"),
            ("auto t = std::time(NULL);", "clock"),
            ("gettimeofday(&t, nullptr);", "clock"),
            ("int i = rand();", "randomness"),
            ("srand(1);", "randomness"),
            ("std::random_device d;", "randomness"),
            ("std::mt19937_64 d(1);", "randomness"),
            ("std::jthread t(f);", "thread"),
            ("std::async(f);", "thread"),
            ('auto p = getenv("X");', "environment"),
            ("std::unordered_map<int, std::map<int, int>> m_;\nvoid f() { for (auto& [k, v] : m_) g(); }", "order"),
            ("std::unordered_set<int> s;\nvoid f() { for (int i : self->s) g(i); }", "order"),
        ]:
            for folder in ("workflow", "actors"):
                with self.subTest(text=text, folder=folder):
                    self.assert_found(f"{folder}/a.cpp", text + "\n", words)

    def test_finds_iteration_in_a_source_over_a_member_of_its_header(self):
        found = breaches({"actors/a.hpp": "std::unordered_map<int, int> open_;\n",
                          "actors/a.cpp": "void f() {\n  for (const auto& entry : open_) g(entry);\n}\n"})
        self.assertEqual(len(found), 1, found)
        self.assertIn("actors/a.cpp:2:", found[0])

    def test_lets_other_folders_comments_strings_and_namesakes_pass(self):
        self.assertEqual([], breaches({
            "base/a.cpp": "auto t = std::chrono::system_clock::now();\nint i = rand();\n",
            "workflow/a.cpp": '// rand() and time(nullptr)\n/* getenv("x") */\nauto s = "std::thread";\n'
                              "auto r = ctx.random(); auto t = clock.time(0); auto u = runtime.rand();\n"
                              "unsigned n = std::thread::hardware_concurrency(); std::uint64_t random();\n",
            "workflow/b.cpp": "std::unordered_map<int, int> m;\nstd::vector<int> v;\nvoid f() { for (int i : v) g(m.at(i)); }\n",
        }))

    def test_lets_a_line_pass_that_says_why(self):
        self.assertEqual([], breaches({"actors/a.cpp": "// style: the order of these does not matter\nint i = rand();\n"}))
        self.assert_found("actors/a.cpp", "// style: the order of these does not matter\n\nint i = rand();\n", "randomness")
        self.assert_found("actors/a.cpp", "int i = rand();  // style:\n", "randomness")

    def test_keeps_libraries_in_their_folders(self):
        self.assert_found("engine/a.cpp", "#include <caf/actor.hpp>\n", "CAF")
        self.assert_found("actors/a.cpp", "#include <rocksdb/db.h>\n", "RocksDB")
        self.assertEqual([], breaches({"actors/a.cpp": "#include <caf/actor.hpp>\n",
                                       "storage/a.cpp": '#include "rocksdb/db.h"\n'}))

    def test_finds_missing_readmes_long_files_and_machine_paths(self):
        self.assert_found("no_readme/a.txt", "text\n", "README.md")
        self.assert_found("base/a.cpp", "int i;\n" * 601, "601 lines")
        self.assertEqual([], breaches({"base/a.cpp": "int i;\n" * 600}))
        self.assert_found("docs/a.md", "see /wo" + "rk/somewhere/x\n", "machine")
        self.assert_found("base/a.md", "see /ho" + "me/someone/x\n", "machine")
        self.assertEqual([], breaches({"base/a.md": "network/homework/x and /usr/share/doc and https://a.b/wo" + "rk/x\n"}))


if __name__ == "__main__":
    unittest.main()
