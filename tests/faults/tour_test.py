"""docs/three-nodes.md, as a reader would follow it: its blocks in one shell, and what they should have shown.

    tour_test.py PROGRAM
"""
import os
import re
import subprocess
import sys
import unittest

from services import CANNOT_START, KAFKA, ROOT

PROGRAM = os.path.abspath(sys.argv.pop(1))
LIMIT = 280
PAGE = os.path.join(ROOT, "docs", "three-nodes.md")
MARK = "=== block"
# If the shell ends early, what it has started ends with it.
PREFACE = """set -eu
trap 'kill $(jobs -p) 2>/dev/null || true; [ -d "${tour:-}" ] && scripts/services/kafka.sh stop "$tour/kafka"' EXIT
"""


def blocks():
    with open(PAGE, encoding="utf-8") as file:
        return re.findall(r"^```sh\n(.*?)^```$", file.read(), re.MULTILINE | re.DOTALL)


class Tour(unittest.TestCase):
    def test_all_blocks(self):
        if subprocess.run([KAFKA, "fetch"], check=False).returncode == CANNOT_START:
            self.skipTest("there is no Kafka here")
        texts = blocks()
        before_the_end = 'cat "$tour/started" >&3; cat "$tour/results" >&4; cat "$tour/events" >&5\n'
        texts[-1] = before_the_end + texts[-1]
        built = "build/release/cli"
        self.assertIn(built, texts[0], "it shows where ./run.sh has put the program")
        texts[0] = texts[0].replace("$PWD/" + built, os.path.dirname(PROGRAM))
        script = PREFACE + "".join(f"echo '{MARK} {number}'\n{text}" for number, text in enumerate(texts)) + f"echo '{MARK} end'\n"
        files = [os.memfd_create(name) for name in ("started", "results", "events")]
        wiring = " ".join(f"{target}>/proc/self/fd/{fd}" for target, fd in zip((3, 4, 5), files))
        environment = {name: value for name, value in os.environ.items() if not name.startswith("EVERMILL_") or "KAFKA" in name}
        done = subprocess.run(["bash", "-c", f"exec {wiring}\n{script}"], cwd=ROOT, env=environment, capture_output=True, text=True,
                              timeout=LIMIT, check=False, pass_fds=files, stdin=subprocess.DEVNULL)
        told = f"{done.stdout}\n{done.stderr}"
        self.assertEqual(done.returncode, 0, told)
        started, results, events = (self.content(fd) for fd in files)
        self.assertEqual(len(started), 20, told)
        self.assertEqual(len(results), 20, told)
        self.assertEqual(len({line.split()[0] for line in events if "WorkflowExecutionCompleted" in line}), 20, told)
        shown = dict(part.split("\n", 1) for part in re.split(f"^{MARK} ", done.stdout, flags=re.MULTILINE)[1:])
        self.assertIn("6 partitions at kafka://", shown["1"])
        self.assertEqual(shown["1"].count(" worker"), 2, shown["1"])
        self.assertIn("durable: ", shown["1"])
        self.assertIn("job-20", shown["2"])
        self.assertEqual(shown["2"].count("completed"), 20, shown["2"])
        self.assertIn("ActivityTaskCompleted", shown["3"])
        self.assertEqual(shown["4"].strip(), "20")
        self.assertIn("hello", shown["5"])
        self.assertIn("steps10", shown["6"])

    @staticmethod
    def content(fd):
        with os.fdopen(fd, encoding="utf-8") as file:
            file.seek(0)
            return file.read().splitlines()


if __name__ == "__main__":
    unittest.main()
