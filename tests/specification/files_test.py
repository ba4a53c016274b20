"""All files: valid without a warning, drawn in both ways, and each of the specification's examples has one.

    files_test.py PROGRAM
"""
import os
import re
import subprocess
import unittest

from specification_case import FILES, HERE, LIMIT, PROGRAM, PipelineCase, main

NAMES = sorted(os.listdir(FILES))
ROW = re.compile(r"\| ([^|]+) \| ((?:\[[^]]+\]\([^)]+\)(?:, )?)+) \| [^|]+ \|")


class Files(PipelineCase):
    def test_are_valid(self):
        self.assert_valid(*(os.path.join(FILES, name) for name in NAMES))

    def test_are_drawn(self):
        for name in NAMES:
            with open(os.path.join(FILES, name), encoding="utf-8") as file:
                first_task = re.search(r"^do:\n  - (\w+):", file.read(), re.MULTILINE).group(1)
            for form, begin in (("mermaid", ("%%", "flowchart TD")), ("svg", ("<svg ",))):
                command = [PROGRAM, "graph", os.path.join(FILES, name), "--format", form]
                done = subprocess.run(command, capture_output=True, text=True, timeout=LIMIT, check=False)
                self.assertEqual((done.returncode, done.stderr), (0, ""), name)
                self.assertTrue(done.stdout.startswith(begin), f"{name} as {form}")
                self.assertIn(first_task, done.stdout, f"{name} as {form}")


class Table(unittest.TestCase):
    """README.md"""

    def setUp(self):
        with open(os.path.join(HERE, "README.md"), encoding="utf-8") as file:
            self.rows = ROW.findall(file.read())

    def test_names_no_file_that_is_not_there(self):
        self.assertGreaterEqual(len(self.rows), 66)
        for theirs, ours in self.rows:
            for name in re.findall(r"\]\(files/([^)]+)\)", ours):
                self.assertIn(name, NAMES, theirs)

    def test_each_file_is_run_by_a_test(self):
        texts = ""
        for name in os.listdir(HERE):
            if name.endswith("_test.py"):
                with open(os.path.join(HERE, name), encoding="utf-8") as file:
                    texts += file.read()
        for name in NAMES:
            self.assertIn(f'"{name}"', texts)


if __name__ == "__main__":
    main()
