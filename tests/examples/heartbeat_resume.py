#!/usr/bin/env python3
"""kill -9 in the middle of a file: the same command goes on at the last chunk that a heartbeat told."""
import json
import pathlib
import subprocess
import sys
import tempfile
import time

PROGRAM = sys.argv[1]
DEADLINE_SECONDS = 120
CHUNK = 1000
CHUNKS = 120


def main():
    with tempfile.TemporaryDirectory(prefix="evermill-heartbeat-") as name:
        folder = pathlib.Path(name)
        (folder / "input").write_text("123456789\n" * (CHUNK // 10 * CHUNKS))
        job = {"file": str(folder / "input"), "chunk_bytes": CHUNK, "pause_ms": 20,
               "chunks_file": str(folder / "chunks")}
        data = ["--data", str(folder / "data")]
        run = [PROGRAM, "run", "import", "--id", "demo", "--json", "--input", json.dumps(job), *data]

        def durable_bytes():
            told = subprocess.run([PROGRAM, "describe", "demo", "--json", *data], capture_output=True, text=True)
            if told.returncode != 0:
                return 0
            open_activities = json.loads(told.stdout)["activities"]
            return (open_activities[0].get("heartbeat_details") or {"bytes": 0})["bytes"] if open_activities else 0

        process = subprocess.Popen(run, stdout=subprocess.DEVNULL)
        deadline = time.monotonic() + DEADLINE_SECONDS
        while durable_bytes() < 2 * CHUNK:
            assert process.poll() is None, "it ended before it could be killed"
            assert time.monotonic() < deadline, "no heartbeat became durable"
        process.kill()
        process.wait()

        again = subprocess.run(run, capture_output=True, text=True, timeout=DEADLINE_SECONDS)
        assert again.returncode == 0, again.stderr
        assert json.loads(again.stdout) == {"bytes": CHUNK * CHUNKS, "lines": CHUNK // 10 * CHUNKS}, again.stdout
        chunks = [line.split() for line in (folder / "chunks").read_text().splitlines()]
        resumed_at = int(next(offset for offset, attempt in chunks if attempt == "2"))
        assert resumed_at >= 2 * CHUNK, f"it began again at {resumed_at}"
        assert len({offset for offset, attempt in chunks}) == CHUNKS
        print(f"went on at byte {resumed_at}")


if __name__ == "__main__":
    main()
