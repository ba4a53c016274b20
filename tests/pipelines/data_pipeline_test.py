"""examples/data_pipeline: read side by side, approved, published once, also when evermill is killed again and again.

    data_pipeline_test.py PROGRAM
"""
import csv
import json
import os
import shutil
import subprocess
import sys
import threading
import time

from pipeline_case import PROGRAM, Beside, Missing, PipelineCase, example, main

sys.path.insert(0, example("data_pipeline"))
import unreliable_server  # noqa: E402

FILE = example("data_pipeline", "data_pipeline.yaml")
TABLE = "/usr/share/distro-info/debian.csv"


def make_table(folder):
    """Debian's own, or the versions that it had in its beginning."""
    path = os.path.join(folder, "debian.csv")
    if os.path.exists(TABLE):
        shutil.copy(TABLE, path)
    else:
        with open(path, "w", encoding="utf-8") as file:
            file.write("version,codename,series,created,release,eol\n"
                       "1.1,Buzz,buzz,1993-08-16,1996-06-17,1997-06-05\n,Sid,sid,1993-08-16,,\n")
    return path


class DataPipeline(PipelineCase):
    def setUp(self):
        super().setUp()
        self.table = make_table(self.folder)
        self.server = unreliable_server.make(self.folder)
        thread = threading.Thread(target=self.server.serve_forever)
        thread.start()
        self.addCleanup(self.server.server_close)
        self.addCleanup(thread.join)
        self.addCleanup(self.server.shutdown)

    def folder_of(self, name):
        path = os.path.join(self.folder, f"{name}-out")
        os.makedirs(path, exist_ok=True)
        return path

    def given(self, name):
        return {"folder": self.folder_of(name), "releases": f"http://127.0.0.1:{self.server.server_address[1]}/debian.csv"}

    def reviewer(self, name, *reviews):
        """A person who answers when asked. A command may meet a process that is killed: it is given again, with the same id."""

        def answer():
            status = self.call(name, "query", name, "status")
            if status.returncode != 0 or json.loads(status.stdout)["tasks"] != {"/do/2/approve": "waiting"}:
                return False
            return all(send(number, {"execution": name, "by": "ann", **review}) for number, review in enumerate(reviews))

        def send(number, data):
            return self.call(name, "emit", "org.example.report.reviewed", "--id", f"review-{number}-of-{name}", "--data-json",
                             json.dumps(data)).returncode == 0

        return Beside(answer)

    def expected(self):
        with open(self.table, encoding="utf-8") as file:
            releases = len(list(csv.DictReader(file)))
        packages = len(subprocess.run(["dpkg-query", "-W"], check=True, capture_output=True, text=True).stdout.splitlines())
        return {"packages": packages, "releases": releases}

    def published(self, name):
        folder = os.path.join(self.folder_of(name), "published")
        self.assertEqual(os.listdir(folder), [f"{name}.json"], "one file, and nothing half written")
        with open(os.path.join(folder, f"{name}.json"), encoding="utf-8") as file:
            return json.load(file)

    def run_approved(self, name, **how):
        with self.reviewer(name, {"approved": True}):
            begun = time.monotonic()
            code, out, err, kills = self.run_to_end(name, FILE, name, self.given(name), **how)
            self.assertEqual(code, 0, err)
        self.assertEqual(out, {"published": os.path.join(self.folder_of(name), "published", f"{name}.json")})
        made = self.published(name)
        self.assertEqual((made["execution"], made["by"]), (name, "ann"))
        return made["report"], kills, time.monotonic() - begun

    def test_what_is_published_is_the_same_when_it_is_killed(self):
        calm, _, seconds = self.run_approved("calm")
        for part, rows in self.expected().items():
            self.assertEqual(calm[part]["rows"], rows)
            self.assertEqual(sum(group["rows"] for group in calm[part]["groups"]), rows)
        self.assertIn("services", calm)

        def killed(number):
            report, kills, _ = self.run_approved(f"killed-{number}", kill_within=seconds)
            self.assertEqual(report, calm)
            return kills

        self.killed_again_and_again(killed)

    def test_the_fetch_is_tried_again(self):
        self.run_approved("again")
        asked = self.call("again", "history", "again", "--json").stdout
        fetch = '"label":"/do/0/read/fork/branches/2/releases/try/0/fetch"'
        self.assertEqual(asked.count(fetch), 3, "two were answered with 503")

    def test_a_refusal_publishes_nothing(self):
        with self.reviewer("refused", {"approved": False}):
            code, _, error, _ = self.run_to_end("refused", FILE, "refused", self.given("refused"))
        self.assertEqual((code, error["status"], error["detail"]), (1, 403, "by ann"))
        self.assertFalse(os.path.exists(os.path.join(self.folder_of("refused"), "published")))

    def test_the_approval_of_another_is_none(self):
        with self.reviewer("mine", {"execution": "another", "approved": True, "by": "eve"}, {"approved": True}):
            code, _, err, _ = self.run_to_end("mine", FILE, "mine", self.given("mine"))
        self.assertEqual(code, 0, err)
        self.assertEqual(self.published("mine")["by"], "ann")

    def test_it_is_valid_and_the_readme_has_its_drawing(self):
        self.assert_valid(FILE)
        drawn = subprocess.run([PROGRAM, "graph", FILE], check=True, capture_output=True, text=True).stdout
        with open(example("data_pipeline", "README.md"), encoding="utf-8") as file:
            self.assertIn(f"```mermaid\n{drawn.strip()}\n```", file.read())

    def test_wrong_input_starts_nothing(self):
        code, _, error, _ = self.run_to_end("wrong", FILE, "wrong", {"folder": "here", "releases": "http://127.0.0.1:1/"})
        self.assertEqual((code, error["status"]), (1, 400))
        self.assertIn("folder", error["detail"])


def look():
    if shutil.which("dpkg-query") is None:
        raise Missing("this is no Debian: there is no dpkg-query")


if __name__ == "__main__":
    main(look)
