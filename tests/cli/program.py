"""Driving the sample program from a test: each test has a data directory of its own."""
import json
import os
import re
import signal
import subprocess
import sys
import tempfile
import time
import unittest

PROGRAM = sys.argv.pop(1) if len(sys.argv) > 1 else ""
LIMIT = 120  # seconds after which something hangs


class ProgramTest(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.TemporaryDirectory(prefix="evermill-cli-")
        self.addCleanup(self.folder.cleanup)
        self.file = self.path("lines")
        self.environment = dict(os.environ, SAMPLE_FILE=self.file, XDG_RUNTIME_DIR=self.path("runtime"))
        os.mkdir(self.path("runtime"))
        self.set_data(self.path("data"))

    def path(self, *names):
        return os.path.join(self.folder.name, *names)

    def set_data(self, data):
        self.data = data
        self.environment["EVERMILL_DATA"] = data
        self.socket = os.path.join(data, "evermill.sock")

    def run_program(self, *arguments, code=0, stdin=None, **environment):
        done = subprocess.run([PROGRAM, *arguments], env=dict(self.environment, **environment), capture_output=True,
                              text=True, input=stdin if stdin is not None else "", timeout=LIMIT)
        self.assertEqual(done.returncode, code, f"{arguments}\n{done.stdout}{done.stderr}")
        return done

    def start_program(self, *arguments, **environment):
        process = subprocess.Popen([PROGRAM, *arguments], env=dict(self.environment, **environment),
                                   stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        self.addCleanup(self.end, process)
        return process

    def serve_http(self, *arguments, **environment):
        """A server; `self.api` is where it answers over HTTP."""
        process = self.start_program("server", "--http", "127.0.0.1:0", *arguments, **environment)
        for line in process.stdout:
            if found := re.match(r"API: (http://127\.0\.0\.1:\d+)/", line):
                self.api = found.group(1)
                return process
        self.fail(process.stderr.read())

    def stop(self, process):
        """In order. Gives what it said on standard error."""
        process.send_signal(signal.SIGTERM)
        code, _, err = self.end_of(process)
        self.assertEqual(code, 0, err)
        return err

    @staticmethod
    def end(process):
        if process.poll() is None:
            process.send_signal(signal.SIGCONT)
            process.kill()
        process.wait()
        process.stdout.close()
        process.stderr.close()

    def wait_until(self, condition):
        """Looks until it is so; the deadline is for what never comes."""
        end = time.monotonic() + LIMIT
        while not condition():
            self.assertLess(time.monotonic(), end, "nothing happened")
            time.sleep(0.02)

    def is_listed(self, workflow_id):
        done = subprocess.run([PROGRAM, "describe", workflow_id], env=self.environment, capture_output=True, timeout=LIMIT)
        return done.returncode == 0

    def start_waiting(self, workflow, workflow_id, *arguments, **environment):
        """A `run` whose execution exists and that serves the directory or is served."""
        process = self.start_program("run", workflow, "--id", workflow_id, *arguments, **environment)
        self.wait_until(lambda: process.poll() is not None or (os.path.exists(self.socket) and self.is_listed(workflow_id)))
        self.assertIsNone(process.poll(), "it ended before it could be used")
        return process

    def end_of(self, process):
        out, err = process.communicate(timeout=LIMIT)
        return process.returncode, out, err

    def park(self, process, with_signal=signal.SIGINT):
        process.send_signal(with_signal)
        code, _, err = self.end_of(process)
        self.assertEqual(code, 5, err)
        return err

    def parked(self, workflow, workflow_id, *arguments):
        self.park(self.start_waiting(workflow, workflow_id, *arguments))

    def status(self, workflow_id):
        return json.loads(self.run_program("describe", workflow_id, "--json").stdout)

    def history(self, workflow_id):
        return [json.loads(line) for line in self.run_program("history", workflow_id, "--json").stdout.splitlines()]

    def lines(self):
        if not os.path.exists(self.file):
            return []
        with open(self.file, encoding="utf-8") as file:
            return [int(line) for line in file]

    def files(self):
        """What lies in the data directory, to see whether something was written."""
        with os.scandir(self.data) as entries:
            return {entry.name: (entry.stat().st_size, entry.stat().st_mtime_ns) for entry in entries}
