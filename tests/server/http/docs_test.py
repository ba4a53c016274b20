#!/usr/bin/env python3
"""docs/http.md, as a reader would follow it: its requests in one shell, each compared with the answer that stands below it; and its
tables compared with what the server says of itself.

Usage: docs_test.py PROGRAM, the one that docs/http.md shows.
"""
import os
import re
import sys
import unittest

from api_case import LIMIT, ROOT, ApiTest

sys.path.insert(0, os.path.join(ROOT, "tests", "support"))
import guide  # noqa: E402

PAGE = os.path.join(ROOT, "docs", "http.md")


class Docs(ApiTest):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()

    @classmethod
    def start_server(cls):
        cls.write("hooks.yaml", re.search(r"^```yaml\n(.*?)^```", guide.read(PAGE), re.MULTILINE | re.DOTALL).group(1))
        super().start_server()

    def test_every_request(self):
        requests = guide.blocks(guide.read(PAGE))
        self.assertGreater(len(requests), 20)
        shown, done = guide.run(requests, {"localhost:7467": f"localhost:{self.port}"}, LIMIT, cwd=self.folder.name)
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        for (request, kind, wanted), given in zip(requests, shown):
            with self.subTest(request):
                if kind:
                    self.assertIsNone(guide.differs(kind, wanted, given), given)
                elif "/events" in request:
                    self.assertIn("event: end\n", given + "\n")
                else:
                    self.assertEqual(given, "")

    def test_problems_are_those_of_the_table(self):
        rows = dict(re.findall(r"^\| `([a-z-]+)` \| (\d{3}) \|", guide.read(PAGE), re.MULTILINE))
        self.assertGreater(len(rows), 20)
        for name, status in rows.items():
            answer = self.request("GET", "/problems/" + name)
            self.assertEqual(answer.status, 200, name)
            self.assertIn(f"({status})", answer.text.splitlines()[0])
        self.assertEqual(self.request("GET", "/problems/none-of-them").status, 404)


if __name__ == "__main__":
    unittest.main()
