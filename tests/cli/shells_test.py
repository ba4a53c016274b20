"""What shells and man get of the program, and watching an execution."""
import json
import os
import subprocess
import sys
import tempfile
import unittest

PROGRAM = sys.argv.pop(1)
LIMIT = 120


def run(*arguments, **more):
    return subprocess.run([PROGRAM, *arguments], capture_output=True, text=True, timeout=LIMIT, **more)


class Shells(unittest.TestCase):
    def complete(self, *words):
        """What bash offers for the last word."""
        script = run("completion", "bash").stdout
        asked = f"{script}\nCOMP_WORDS=({' '.join(repr(w) for w in words)})\nCOMP_CWORD={len(words) - 1}\n_evermill\nprintf '%s\\n' \"${{COMPREPLY[@]}}\""
        done = subprocess.run(["bash", "-c", asked], capture_output=True, text=True, timeout=LIMIT)
        self.assertEqual(done.stderr, "")
        return done.stdout.split()

    def setUp(self):
        self.assertEqual(os.path.basename(PROGRAM), "evermill")

    def test_bash_offers_commands_and_their_options(self):
        self.assertEqual(self.complete("evermill", "desc"), ["describe"])
        self.assertIn("claim", self.complete("evermill", "tasks", ""))
        self.assertEqual(self.complete("evermill", "tasks", "claim", "--for"), ["--force"])
        self.assertIn("--insecure-listen", self.complete("evermill", "server", "--data", "x", "--ins"))
        self.assertEqual(self.complete("evermill", "history", "--ins"), [])

    def test_all_shells_know_all_commands(self):
        names = [line.split()[0] for line in run("--help").stdout.split("Commands")[1].splitlines() if line.startswith("  ") and line[2] != " "]
        self.assertGreater(len(names), 24)
        for shell in ("bash", "zsh", "fish"):
            text = run("completion", shell).stdout
            for name in names:
                self.assertIn(name, text, shell)
        page = run("manual").stdout
        self.assertTrue(page.startswith(".TH EVERMILL 1"))
        for name in names:
            self.assertIn("\n.SS " + name.replace("-", "\\-") + "\n", page)
        for line in page.splitlines():
            self.assertFalse(line.startswith("'"), line)

    def test_other_shells_are_refused(self):
        refused = run("completion", "tcsh")
        self.assertEqual(refused.returncode, 2)


class Watching(unittest.TestCase):
    def test_every_event_is_shown_until_the_end(self):
        with tempfile.TemporaryDirectory() as folder:
            data = os.path.join(folder, "data")
            server = subprocess.Popen([PROGRAM, "server", "--data", data], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
            try:
                server.stdout.readline()
                self.assertEqual(run("start", "shell", "--id", "w", "--data", data, "--input", '{"script": "sleep 1"}').returncode, 0)
                watched = run("watch", "w", "--data", data, "--json")
                self.assertEqual(watched.returncode, 0, watched.stderr)
                events = [json.loads(line) for line in watched.stdout.splitlines()]
                self.assertEqual([event["seq"] for event in events], list(range(1, len(events) + 1)))
                self.assertEqual(events[-1]["type"], "WorkflowExecutionCompleted")
                self.assertEqual(watched.stdout, run("history", "w", "--data", data, "--json").stdout)
                self.assertIn("WorkflowExecutionCompleted", run("watch", "w", "--data", data, "--from", str(len(events))).stdout)
                self.assertEqual(run("watch", "nobody", "--data", data).returncode, 2)
            finally:
                server.terminate()
                server.wait(LIMIT)
                server.stdout.close()


if __name__ == "__main__":
    unittest.main()
