#!/usr/bin/env python3
"""What a server logs, in which form, and how its level is changed while it runs.

Usage: log_test.py PROGRAM
"""
import json
import unittest
import urllib.error
import urllib.request

from program import LIMIT, ProgramTest


class Logs(ProgramTest):
    def log_of(self, process):
        return [line for line in self.stop(process).splitlines() if not line.startswith("Stopping: ")]

    def put_level(self, level):
        request = urllib.request.Request(self.api + "/api/v1/log-level", json.dumps({"level": level}).encode(),
                                         {"Content-Type": "application/json"}, method="PUT")
        try:
            with urllib.request.urlopen(request, timeout=LIMIT) as answer:
                return answer.status
        except urllib.error.HTTPError as error:
            with error:
                return error.code

    def status_level(self):
        with urllib.request.urlopen(self.api + "/api/v1/status", timeout=LIMIT) as answer:
            return json.load(answer)["log_level"]

    def retried_once(self, workflow_id):
        """An execution whose first attempt fails with a line in the log that names it."""
        self.run_program("start", "retries", "--id", workflow_id)

    def test_lines_are_json_objects_with_fields(self):
        server = self.serve_http("--log-format", "json", "--log-level", "info")
        self.retried_once("w 1")
        with urllib.request.urlopen(self.api + "/api/v1/status", timeout=LIMIT):
            pass
        self.wait_until(lambda: json.loads(self.run_program("describe", "w 1", "--json").stdout)["activities"][0]["attempt"] > 1)
        lines = [json.loads(line) for line in self.log_of(server)]
        self.assertTrue(lines)
        for line in lines:
            self.assertLessEqual({"time", "level", "message"}, set(line))
            self.assertRegex(line["time"], r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z$")
        (first, *_) = [line for line in lines if "failed" in line["message"]]
        self.assertEqual((first["instance"], first["attempt"], first["level"]), ("w 1", 1, "info"))
        self.assertIsInstance(first["run"], int)
        self.assertIsInstance(first["partition"], int)

    def test_the_environment_names_the_form(self):
        server = self.serve_http(EVERMILL_LOG_FORMAT="json")
        self.retried_once("w")
        self.wait_until(lambda: json.loads(self.run_program("describe", "w", "--json").stdout)["activities"][0]["attempt"] > 1)
        for line in self.log_of(server):
            json.loads(line)
        self.assertIn("json", self.run_program("server", EVERMILL_LOG_FORMAT="loud", code=2).stderr)

    def test_text_names_the_same(self):
        server = self.serve_http()
        self.retried_once("w")
        self.wait_until(lambda: json.loads(self.run_program("describe", "w", "--json").stdout)["activities"][0]["attempt"] > 1)
        self.assertRegex("\n".join(self.log_of(server)), r"info .* failed: .* partition=\d+ instance=w run=\d+ attempt=1")

    def test_the_level_is_changed_while_it_runs(self):
        server = self.serve_http("--log-level", "off")
        self.assertEqual(self.run_program("log-level").stdout, "off\n")
        self.retried_once("quiet")
        self.wait_until(lambda: json.loads(self.run_program("describe", "quiet", "--json").stdout)["activities"][0]["attempt"] > 1)
        self.run_program("terminate", "quiet")
        self.run_program("log-level", "info")
        self.assertEqual(self.status_level(), "info")
        self.retried_once("loud")
        self.wait_until(lambda: json.loads(self.run_program("describe", "loud", "--json").stdout)["activities"][0]["attempt"] > 1)
        self.assertEqual(self.put_level("error"), 204)
        self.assertEqual(self.run_program("log-level").stdout, "error\n")
        self.assertEqual(self.put_level("louder"), 400)
        self.assertEqual(self.status_level(), "error")
        lines = "\n".join(self.log_of(server))
        self.assertIn("instance=loud", lines)
        self.assertNotIn("instance=quiet", lines)

    def test_without_a_process_there_is_no_level(self):
        done = self.run_program("log-level", "debug", code=2)
        self.assertIn("no process", done.stderr)
        self.assertIn("debug", self.run_program("log-level", "louder", code=2).stderr)


if __name__ == "__main__":
    unittest.main()
