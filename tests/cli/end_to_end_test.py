#!/usr/bin/env python3
"""Drives a real program: every exit code, a second process over the socket, kill -9 and resume.

Usage: end_to_end_test.py PROGRAM
"""
import json
import os
import signal
import stat
import subprocess
import sys
import tempfile
import time
import unittest

PROGRAM = sys.argv.pop(1) if len(sys.argv) > 1 else ""
LIMIT = 60  # seconds after which something hangs


class EndToEnd(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.TemporaryDirectory()
        self.addCleanup(self.folder.cleanup)
        self.data = os.path.join(self.folder.name, "data")
        self.file = os.path.join(self.folder.name, "lines")
        self.environment = dict(os.environ, SAMPLE_FILE=self.file, EVERMILL_DATA=self.data)

    def run_program(self, *arguments, code=0):
        done = subprocess.run([PROGRAM, *arguments], env=self.environment, capture_output=True, text=True,
                              stdin=subprocess.DEVNULL, timeout=LIMIT)
        self.assertEqual(done.returncode, code, done.stdout + done.stderr)
        return done

    def start_program(self, *arguments):
        process = subprocess.Popen([PROGRAM, *arguments], env=self.environment, stdout=subprocess.PIPE,
                                   stderr=subprocess.PIPE, text=True)
        self.addCleanup(process.communicate)
        self.addCleanup(process.kill)
        return process

    def wait_until(self, condition):
        end = time.monotonic() + LIMIT
        while not condition():
            self.assertLess(time.monotonic(), end, "nothing happened")
            time.sleep(0.02)

    def start_waiting(self, workflow, workflow_id):
        process = self.start_program("run", workflow, "--id", workflow_id)
        self.wait_until(lambda: os.path.exists(os.path.join(self.data, "evermill.sock")))
        self.wait_until(lambda: workflow_id in subprocess.run(
            [PROGRAM, "list"], env=self.environment, capture_output=True, text=True, timeout=LIMIT).stdout)
        return process

    def end_of(self, process):
        out, err = process.communicate(timeout=LIMIT)
        return process.returncode, out, err

    def test_completed(self):
        self.assertEqual(self.run_program("run", "greet", "--input", '"Ada"').stdout, '"hello Ada"\n')

    def test_failed(self):
        error = json.loads(self.run_program("run", "fails", "--json", code=1).stderr)
        self.assertEqual((error["type"], error["message"], error["details"]),
                         ("CardDeclined", "the card was declined", {"cents": 5}))

    def test_signal_from_another_process(self):
        process = self.start_waiting("needs_signal", "s")
        mode = os.stat(os.path.join(self.data, "evermill.sock")).st_mode
        self.assertTrue(stat.S_ISSOCK(mode))
        self.assertEqual(stat.S_IMODE(mode), 0o600)
        self.assertEqual(json.loads(self.run_program("describe", "s", "--json").stdout)["status"], "running")
        self.run_program("signal", "s", "approval", '"Ada"')
        code, out, _ = self.end_of(process)
        self.assertEqual((code, out), (0, '"approved by Ada"\n'))

    def test_long_data_directory(self):
        self.data = os.path.join(self.folder.name, "d" * 100, "e" * 120)
        os.makedirs(self.data)
        self.environment["EVERMILL_DATA"] = self.data
        process = self.start_waiting("needs_signal", "s")
        self.run_program("signal", "s", "approval", '"Ada"')
        self.assertEqual(self.end_of(process)[0], 0)

    def test_canceled(self):
        process = self.start_waiting("sleeps_long", "c")
        self.run_program("cancel", "c")
        self.assertEqual(self.end_of(process)[0], 3)

    def test_terminated(self):
        process = self.start_waiting("sleeps_long", "t")
        self.run_program("terminate", "t", "--reason", "enough")
        code, _, err = self.end_of(process)
        self.assertEqual(code, 1)
        self.assertIn("enough", err)

    def test_parked_and_resumed(self):
        process = self.start_waiting("needs_signal", "p")
        process.send_signal(signal.SIGINT)
        code, _, err = self.end_of(process)
        self.assertEqual(code, 5)
        self.assertIn("run needs_signal --id p", err)
        self.assertFalse(os.path.exists(os.path.join(self.data, "evermill.sock")))
        self.run_program("signal", "p", "approval", '"Bob"')
        self.assertEqual(self.run_program("run", "needs_signal", "--id", "p").stdout, '"approved by Bob"\n')

    def test_killed_and_resumed(self):
        command = ("run", "appends", "--id", "k", "--input", "40")
        process = self.start_program(*command)
        self.wait_until(lambda: os.path.exists(self.file) and len(open(self.file).readlines()) >= 10)
        process.kill()
        process.wait(timeout=LIMIT)
        self.assertEqual(self.run_program(*command).stdout, "39\n")
        history = [json.loads(line) for line in self.run_program("history", "k", "--json").stdout.splitlines()]
        done = [event for event in history if event["type"] == "ActivityTaskCompleted"]
        self.assertEqual(len(done), 40)
        lines = [int(line) for line in open(self.file)]
        self.assertEqual(sorted(set(lines)), list(range(40)))
        # At most the one that was running when the process was killed was done again.
        self.assertLessEqual(len(lines), 41)


if __name__ == "__main__":
    unittest.main()
