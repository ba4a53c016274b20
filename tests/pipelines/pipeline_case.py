"""What tests of the workflow files in examples/ share: runs that are killed at random moments, and go on until they end."""
import json
import os
import random
import subprocess
import sys
import tempfile
import threading
import time
import unittest

sys.dont_write_bytecode = True
ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
PROGRAM = os.path.abspath(sys.argv.pop(1))
SKIPPED = 77
LIMIT = 240
KILLS = 5  # of one run, at most
RANDOM = random.Random(os.environ.get("EVERMILL_TEST_SEED") or None)


class Missing(Exception):
    """Something can't be had here; says what."""


def example(*names):
    return os.path.join(ROOT, "examples", *names)


class PipelineCase(unittest.TestCase):
    environment = None  # of evermill; None: this process's
    limit = LIMIT  # seconds for one run

    def setUp(self):
        folder = tempfile.TemporaryDirectory(prefix="evermill-pipeline-")
        self.addCleanup(folder.cleanup)
        self.folder = folder.name

    def assert_valid(self, *files):
        done = subprocess.run([PROGRAM, "validate", *files], capture_output=True, text=True, timeout=LIMIT, check=False)
        self.assertEqual((done.returncode, done.stdout.count("\n")), (0, 1), f"errors or warnings: {done.stdout}{done.stderr}")

    def command(self, data, *words):
        return [PROGRAM, *words, "--data", os.path.join(self.folder, data)]

    def call(self, data, *words):
        return subprocess.run(self.command(data, *words), env=self.environment, capture_output=True, text=True, timeout=LIMIT,
                              stdin=subprocess.DEVNULL, check=False)

    def run_to_end(self, data, file, name, given, kill_within=None):
        """Exit code, output, error object, and how often it was killed: within `kill_within` seconds after each start."""
        command = self.command(data, "run", file, "--id", name, "--json", "--input", json.dumps(given))
        kills = tries = 0
        while True:
            process = subprocess.Popen(command, env=self.environment, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                       stderr=subprocess.PIPE, text=True)
            is_killed = kill_within is not None and tries < KILLS
            tries += 1
            try:
                if is_killed:
                    out, err = process.communicate(timeout=RANDOM.uniform(0, kill_within))
                else:
                    out, err = process.communicate(timeout=self.limit)
            except subprocess.TimeoutExpired:
                process.kill()  # SIGKILL
                out, err = process.communicate()
                if not is_killed:
                    self.fail(f"it does not end: {out}{err}")
                if process.returncode == -9:
                    kills += 1
                    continue  # otherwise it has just ended by itself
            fault = err.strip().splitlines()[-1] if process.returncode == 1 else None
            return process.returncode, json.loads(out) if out.strip() else None, json.loads(fault) if fault else err, kills

    def killed_again_and_again(self, round_of, rounds=4):
        """Rounds with other ids, each of which tells its kills; a run may end before it is killed."""
        kills = 0
        for number in range(20):
            kills += round_of(number)
            if number + 1 >= rounds and kills > 0:
                print(f"killed {kills} times in {number + 1} runs")
                return
        self.fail("no run was ever killed")


class Beside:
    """A thread that does something again and again until it says that it is done, and fails the test where it throws."""

    def __init__(self, action):
        self.error = None
        self.ended = threading.Event()

        def work():
            try:
                while not self.ended.is_set() and not action():
                    time.sleep(0.05)
            except Exception as error:  # told to the test by __exit__
                self.error = error

        self.thread = threading.Thread(target=work)

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.ended.set()
        self.thread.join()
        if self.error:
            raise self.error


def main(look=None):
    """Runs the tests; `look` raises Missing where they can't be run."""
    try:
        if look:
            look()
    except Missing as why:
        print(f"skipped: {why}")
        sys.exit(SKIPPED)
    unittest.main()
