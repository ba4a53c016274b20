#!/usr/bin/env python3
"""A function in AWS's own emulator of Lambda (aws-lambda-runtime-interface-emulator), run by AWS's own runtime for Python (awslambdaric).

usage: lambda_emulator.py

Fetches both, once, into $EVERMILL_LAMBDA_EMULATOR (by default $XDG_CACHE_HOME/evermill/lambda-emulator-VERSION): that takes Go, some
minutes and a network. Prints one line of JSON: {"http": where it listens}, or {"skip": why it can't be had here}. Ends when its standard
input does.
"""
import ctypes
import fcntl
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

VERSION = "v0.0.0-20261030222936-bef5c4ba774d"
RUNTIME = "awslambdaric==4.2.2"
HERE = Path(__file__).resolve().parent
CACHE = Path(os.environ.get("EVERMILL_LAMBDA_EMULATOR") or
             Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / f"evermill/lambda-emulator-{VERSION}")


class Missing(Exception):
    pass


def run(words, **environment):
    done = subprocess.run(words, env=os.environ | environment, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        last = (done.stderr.strip().splitlines() or ["it said nothing"])[-1]
        raise Missing(f"\"{' '.join(words[:4])} …\" ended with {done.returncode}: {last}")


def fetch():
    if (CACHE / ".complete").exists():
        return
    if not shutil.which("go"):
        raise Missing("there is no go to build it with; or put aws-lambda-rie and a venv with awslambdaric into "
                      f"{CACHE}, with an empty file .complete")
    CACHE.mkdir(parents=True, exist_ok=True)
    with open(CACHE / ".lock", "w", encoding="utf-8") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if (CACHE / ".complete").exists():
            return
        run(["go", "install", f"github.com/aws/aws-lambda-runtime-interface-emulator/cmd/aws-lambda-rie@{VERSION}"], GOBIN=str(CACHE))
        run([sys.executable, "-m", "venv", str(CACHE / "venv")])
        run([str(CACHE / "venv/bin/pip"), "install", "--quiet", "--disable-pip-version-check", RUNTIME])
        (CACHE / ".complete").touch()


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def end_with_parent():
    ctypes.CDLL(None).prctl(1, signal.SIGTERM)  # PR_SET_PDEATHSIG


def start():
    port, api_port = free_port(), free_port()
    emulator = subprocess.Popen([CACHE / "aws-lambda-rie", "--runtime-interface-emulator-address", f"127.0.0.1:{port}",
                                 "--runtime-api-address", f"127.0.0.1:{api_port}", CACHE / "venv/bin/python", "-B", "-m", "awslambdaric",
                                 "emulated_function.handle"],
                                cwd=HERE, env=os.environ | {"AWS_LAMBDA_FUNCTION_TIMEOUT": "2"}, stdin=subprocess.DEVNULL,
                                stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, preexec_fn=end_with_parent)
    while emulator.poll() is None:
        try:
            socket.create_connection(("127.0.0.1", port)).close()
            return emulator, port
        except OSError:
            time.sleep(0.02)  # nothing tells when it listens
    raise Missing(f"the emulator ended with {emulator.returncode}")


def main():
    try:
        fetch()
        emulator, port = start()
    except (Missing, OSError) as error:
        print(json.dumps({"skip": f"AWS's emulator of Lambda can't be had here: {error}"}), flush=True)
        return
    print(json.dumps({"http": f"http://127.0.0.1:{port}"}), flush=True)
    sys.stdin.read()
    emulator.terminate()
    emulator.wait()


if __name__ == "__main__":
    main()
