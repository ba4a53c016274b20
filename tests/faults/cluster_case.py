"""What tests of a cluster's commands share: a broker and a folder of their own, and processes that end with the test."""
import json
import os
import subprocess
import sys
import tempfile
import time
import unittest

from services import environment_of

PROGRAM = os.path.abspath(sys.argv.pop(1))
LIMIT = 120


class ClusterCase(unittest.TestCase):
    """Derived classes say which broker: start_broker(folder); and whether one is for all of their tests, which then have a prefix each."""
    ONE_BROKER = False

    @classmethod
    def setUpClass(cls):
        if cls.ONE_BROKER:
            folder = tempfile.TemporaryDirectory(prefix="evermill-broker-")
            cls.addClassCleanup(folder.cleanup)
            cls.broker = cls.start_broker(folder.name)
            cls.addClassCleanup(cls.broker.stop)

    def setUp(self):
        self.folder = tempfile.TemporaryDirectory(prefix="evermill-cluster-")
        self.addCleanup(self.folder.cleanup)
        if not self.ONE_BROKER:
            self.broker = self.start_broker(self.folder.name)
            self.addCleanup(self.broker.stop)
        self.environment = environment_of(self.broker)

    @staticmethod
    def start_broker(folder):
        raise NotImplementedError

    def run_program(self, *arguments, code=0):
        done = subprocess.run([PROGRAM, *arguments], env=self.environment, capture_output=True, text=True, timeout=LIMIT,
                              cwd=self.folder.name, stdin=subprocess.DEVNULL, check=False)
        self.assertEqual(done.returncode, code, f"{arguments}\n{done.stdout}{done.stderr}")
        return done

    def start(self, *arguments):
        """A process that says when it runs."""
        process = subprocess.Popen([PROGRAM, *arguments], env=self.environment, stdout=subprocess.PIPE, text=True,
                                   stdin=subprocess.DEVNULL, stderr=self.log(), cwd=self.folder.name)
        self.addCleanup(self.end, process)
        self.assertIn("running", process.stdout.readline())
        return process

    def log(self):
        log = open(os.path.join(self.folder.name, "log"), "ab")
        self.addCleanup(log.close)
        return log

    @staticmethod
    def end(process):
        if process.poll() is None:
            process.kill()
        process.wait()
        process.stdout.close()

    def start_node(self, name, *arguments):
        return self.start("server", "--data", name, "--session-timeout", "1500", *arguments)

    def cluster(self):
        return json.loads(self.run_program("cluster", "--json").stdout)

    def wait_until(self, condition):
        end = time.monotonic() + LIMIT
        while not condition():
            self.assertLess(time.monotonic(), end, "nothing happened")
            time.sleep(0.05)

    def all_owned_by(self, count):
        owners = [sorted(each["owned"]) for each in self.cluster()["members"] if each["owned"]]
        return len(owners) == count and sorted(sum(owners, [])) == list(range(len(self.cluster()["owners"])))

    def run_shell(self, script, *arguments, **options):
        return self.run_program("run", "shell", "--json", "--input", json.dumps({"script": script}), *arguments, **options)
