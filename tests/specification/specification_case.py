"""What the tests of the specification's examples share: a file is run by the program itself, with its peers on loopback."""
import contextlib
import datetime
import json
import os
import re
import subprocess
import sys
import time

sys.dont_write_bytecode = True
HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "pipelines"))
from pipeline_case import LIMIT, PROGRAM, ROOT, Missing, PipelineCase, main  # noqa: E402,F401

from http_peer import HttpPeer  # noqa: E402

FILES = os.path.join(HERE, "files")
DOCUMENTS = os.path.join(HERE, "documents")
ERRORS = "https://serverlessworkflow.io/spec/1.0.0/errors/"
BETWEEN_LOOKS = 0.05
EPOCH = datetime.datetime(1970, 1, 1, tzinfo=datetime.timezone.utc)


def objects_in(value):
    """All objects within it, at any depth."""
    if isinstance(value, dict):
        yield value
    for each in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
        yield from objects_in(each)


class Running:
    """A file that is being run by a process of its own."""

    def __init__(self, case, name, process):
        self.case, self.name, self.process = case, name, process

    def until(self, holds, what):
        """Looks again and again; fails where the process ends or too much time passes."""
        end = time.monotonic() + LIMIT
        while not holds():
            if self.process.poll() is not None:
                self.case.fail(f"it has ended, but {what} was to be: {self.process.communicate()}")
            self.case.assertLess(time.monotonic(), end, f"not yet {what}")
            time.sleep(BETWEEN_LOOKS)

    def status(self):
        asked = self.case.ask("query", self.name, "status")
        return json.loads(asked.stdout) if asked.returncode == 0 else {"phase": None, "tasks": {}}

    def listens(self, *types, times=1):
        """Waits until it was heard that often by the buses of these types ("*": every event), so that no event is lost."""
        self.until(lambda: all(self.subscriptions(each) >= times for each in types), f"listening to {types}")

    def subscriptions(self, kind):
        return sum(each.get("kind") == "subscribe" and each.get("workflow_id") == self.name
                   for each in objects_in(self.case.history(f"evermill.events/{kind}")))

    def ends(self):
        """Exit code, output and error object."""
        try:
            out, err = self.process.communicate(timeout=LIMIT)
        except subprocess.TimeoutExpired:
            self.case.fail(f"it does not end: {self.status()}")
        return self.process.returncode, json.loads(out) if out.strip() else None, err

    def gives(self, output):
        code, out, err = self.ends()
        self.case.assertEqual((code, out), (0, output), err)

    def is_canceled(self):
        self.case.assertEqual(self.case.ask("cancel", self.name).returncode, 0)
        code, _, err = self.ends()
        self.case.assertEqual(code, 3, err)


class SpecificationCase(PipelineCase):
    limit = LIMIT

    def setUp(self):
        super().setUp()
        self.peer = HttpPeer()
        self.addCleanup(self.peer.stop)
        self.replaced = {}  # more of a file's text, and what stands for it here
        self.data = "data"  # of the run that is looked at
        self.copies = os.path.join(self.folder, "files")
        os.mkdir(self.copies)

    def url(self, path=""):
        return f"http://{self.peer.address}{path}"

    def file(self, name, *others):
        """The file as it is run: http://NAME.example is this test's server. Others lie beside it."""
        for each in (name, *others):
            with open(os.path.join(FILES, each), encoding="utf-8") as file:
                text = re.sub(r"http://[a-z-]+\.example", self.url(), file.read())
            for written, here in self.replaced.items():
                text = text.replace(written, here)
            with open(os.path.join(self.copies, each), "w", encoding="utf-8") as file:
                file.write(text)
        return os.path.join(self.copies, name)

    def secrets(self, **values):
        path = os.path.join(self.folder, "secrets.json")
        with open(path, "w", encoding="utf-8") as file:
            json.dump(values, file)
        self.environment = dict(self.environment or os.environ, EVERMILL_SECRETS=path)

    def ended(self, name, given=None, others=()):
        """Exit code, output, error object."""
        self.data = self.new_data()
        return self.run_to_end(self.data, self.file(name, *others), "case", given)[:3]

    def new_data(self):
        return f"data-{len(os.listdir(self.folder))}"

    def ask(self, *words):
        return self.call(self.data, *words)

    def gives(self, name, given, output, others=()):
        code, out, error = self.ended(name, given, others)
        self.assertEqual((code, out), (0, output), error)

    def fails(self, name, given, error, others=()):
        """With the error object; texts may be patterns."""
        code, _, told = self.ended(name, given, others)
        self.assertEqual(code, 1, told)
        self.assertEqual(set(told), set(error), told)
        for key, wanted in error.items():
            if isinstance(wanted, re.Pattern):
                self.assertRegex(told[key], wanted)
            else:
                self.assertEqual(told[key], wanted, told)

    def history(self, execution):
        asked = self.ask("history", execution, "--json")
        return [json.loads(line) for line in asked.stdout.splitlines()] if asked.returncode == 0 else []

    def waits(self):
        """How long the case waited by timers, in microseconds: as it was asked for, not as it came."""
        began = [(each, datetime.datetime.fromisoformat(each["time"].replace("Z", "+00:00")))
                 for each in self.history("case") if each["type"] == "TimerStarted"]
        return [each["fire_at_us"] - (time - EPOCH) // datetime.timedelta(microseconds=1) for each, time in began]

    @contextlib.contextmanager
    def running(self, name, given=None, others=(), words=()):
        self.data = self.new_data()
        command = self.command(self.data, "run", self.file(name, *others), "--id", "case", "--json", "--input",
                               json.dumps(given), *words)
        process = subprocess.Popen(command, env=self.environment, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                   stderr=subprocess.PIPE, text=True)
        try:
            yield Running(self, "case", process)
        finally:
            if process.poll() is None:
                process.kill()
            process.communicate()

    def emit(self, kind, data=None, **attributes):
        """An event that somebody listens for."""
        event = {"type": kind, "source": "https://harbour.example/tests", **attributes}
        if data is not None:
            event["data"] = data
        done = self.ask("emit", json.dumps(event))
        self.assertEqual((done.returncode, done.stderr), (0, ""))

    def assert_asked(self, *requests):
        """All that the server was asked, as (method, path), in this order."""
        self.assertEqual([(each.method, each.path) for each in self.peer.asked()], list(requests))
