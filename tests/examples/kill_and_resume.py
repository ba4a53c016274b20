#!/usr/bin/env python3
"""kill -9 in the middle of the log analysis: the same command goes on, and no finished activity is done again."""
import collections
import json
import pathlib
import subprocess
import sys
import tempfile
import time

PROGRAM = sys.argv[1]
FILES = 200
DEADLINE_SECONDS = 120


def command(folder, *words):
    return [PROGRAM, *words, "--data", str(folder / "data")]


def run_command(folder):
    request = {"roots": [str(folder / "files")], "report": str(folder / "report.json"), "pause_ms": 20,
               "effects": str(folder / "effects"), "fail_first_percent": 20}
    return command(folder, "run", "analyse_logs", "--id", "demo", "--json", "--input", json.dumps(request))


def effects(folder):
    path = folder / "effects"
    return path.read_text().splitlines() if path.exists() else []


def completed_children(folder):
    """Keys of the file activities that the journals say are completed."""
    rows = subprocess.run(command(folder, "list", "--json"), check=True, capture_output=True, text=True).stdout
    done = 0
    for row in rows.splitlines():
        child = json.loads(row)["workflow_id"]
        events = subprocess.run(command(folder, "history", child, "--json"), check=True, capture_output=True, text=True)
        done += sum('"type":"ActivityTaskCompleted"' in line for line in events.stdout.splitlines())
    return done


def main():
    with tempfile.TemporaryDirectory(prefix="evermill-kill-") as name:
        folder = pathlib.Path(name)
        (folder / "files" / "log").mkdir(parents=True)
        for i in range(FILES):
            (folder / "files" / "log" / f"{i}.txt").write_text("a line\nan error\n" * (i + 1))

        process = subprocess.Popen(run_command(folder), stdout=subprocess.DEVNULL)
        deadline = time.monotonic() + DEADLINE_SECONDS
        while len(effects(folder)) < FILES // 2:
            assert process.poll() is None, "it ended before it could be killed"
            assert time.monotonic() < deadline, "it does not get anywhere"
            time.sleep(0.005)
        process.kill()
        process.wait()
        before = len(effects(folder))
        assert before < FILES, "it was killed too late to show anything"
        durable = completed_children(folder) - 1  # without the listing, which has no effect
        assert durable > 0, "it was killed too early to show anything"

        again = subprocess.run(run_command(folder), capture_output=True, text=True, timeout=DEADLINE_SECONDS)
        assert again.returncode == 0, again.stderr
        result = json.loads(again.stdout)
        lines = sum(2 * (i + 1) for i in range(FILES))
        assert result == {"logs": {"files": FILES, "lines": lines, "bytes": lines // 2 * 16, "errors": lines // 2}}, result
        assert json.loads((folder / "report.json").read_text())["groups"] == result

        repeats = collections.Counter(line.split()[0] for line in effects(folder))
        twice = [key for key, count in repeats.items() if count > 1]
        assert len(repeats) == FILES + 1, f"{len(repeats)} activities had an effect"
        assert max(repeats.values()) <= 2, "one death repeats an activity once"
        assert len(twice) <= before - durable, f"{len(twice)} activities ran twice; of {before}, {durable} were completed"
        assert completed_children(folder) == FILES + 2  # with the listing and the publication
        print(f"killed after {before} of {FILES}, {durable} of them completed; {len(twice)} ran again")


if __name__ == "__main__":
    main()
