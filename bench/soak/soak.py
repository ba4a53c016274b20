"""A server under mixed load for a long time, whose clients and workers are killed at random: in the end every accepted execution has
ended as it must, each of its effects has happened, and the server's memory has stayed flat.

    soak.py PROGRAM PROTOS [--seconds S] [--clients N] [--workers N] [--rate N] [--seed N] [--keep]

PROGRAM is soak_program, PROTOS the folder of the API's .proto files.
"""
import argparse
import collections
import json
import os
import random
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request

HERE = os.path.dirname(os.path.abspath(__file__))
EFFECTS_EACH = 3  # of an order and its part
EXECUTIONS_EACH = 2
END_LIMIT = 300  # seconds that what was accepted may take after the load
SAMPLES_LEAST = 20
GROWTH_FACTOR = 1.15  # of memory, from the third quarter to the last one
GROWTH_BYTES = 24 << 20
FILES_MORE = 16  # open in the end than in the beginning


class Wrong(Exception):
    pass


def python_with_grpc():
    """Debian's packages are for Debian's interpreter, which need not be the one that runs this."""
    for each in (sys.executable, "/usr/bin/python3"):
        if os.path.exists(each) and subprocess.run([each, "-c", "import grpc, google.protobuf"], capture_output=True, check=False).returncode == 0:
            return each
    raise Wrong("no Python here has grpc and google.protobuf: install python3-grpcio and python3-protobuf")


class Server:
    def __init__(self, program, folder):
        self.data = os.path.join(folder, "data")
        self.log = open(os.path.join(folder, "server.log"), "ab")  # pylint: disable=consider-using-with
        self.process = subprocess.Popen(
            [program, "server", "--data", self.data, "--listen", "127.0.0.1:0", "--http", "127.0.0.1:0", "--log-level", "warning"],
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=self.log, text=True)
        told = ""
        self.grpc = self.http = None
        for line in self.process.stdout:
            told += line
            if found := re.search(r"Programs reach it at (\S+)", line):
                self.grpc = found.group(1)
            if found := re.search(r"API: http://([^/]+)/", line):
                self.http = found.group(1)
            if self.grpc and self.http:
                return
        raise Wrong("no server: " + told)

    def ask(self, path):
        with urllib.request.urlopen(f"http://{self.http}/api/v1{path}", timeout=60) as answer:
            return json.load(answer)

    def count(self):
        return self.ask("/namespaces/default/workflows:count")

    def memory(self):
        """Bytes."""
        with open(f"/proc/{self.process.pid}/statm", encoding="ascii") as file:
            return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")

    def files(self):
        """Open ones, but for those of its store, which grow with what it keeps."""
        folder = f"/proc/{self.process.pid}/fd"
        count = 0
        for each in os.listdir(folder):
            try:
                count += not os.readlink(os.path.join(folder, each)).startswith(self.data + "/")
            except FileNotFoundError:  # closed meanwhile
                pass
        return count


class Other:
    """A client or a worker, which ends and begins again."""

    def __init__(self, name, command, environment, log):
        self.name, self.command, self.environment, self.log = name, command, environment, log
        self.start()

    def start(self):
        self.process = subprocess.Popen(self.command, env=self.environment, stdin=subprocess.DEVNULL, stdout=self.log, stderr=self.log)

    def kill(self):
        self.process.kill()
        self.process.wait()


class Soak:
    def __init__(self, options, folder):
        self.options, self.folder = options, folder
        self.random = random.Random(options.seed)
        self.effects = os.path.join(folder, "effects")
        self.states = os.path.join(folder, "clients")
        self.enough = os.path.join(folder, "enough")
        os.mkdir(self.states)
        self.counts = collections.Counter()
        self.memory = []
        self.server = None
        self.others = []

    def make_stubs(self):
        stubs = os.path.join(self.folder, "stubs")
        os.mkdir(stubs)
        protos = os.path.join(self.options.protos, "evermill", "v1")
        names = [os.path.join(protos, name) for name in sorted(os.listdir(protos)) if name.endswith(".proto")]
        subprocess.run(["protoc", "-I", self.options.protos, f"--python_out={stubs}", *names], check=True)
        return stubs

    def start_all(self):
        program = os.path.abspath(self.options.program)
        self.server = Server(program, self.folder)
        self.log = open(os.path.join(self.folder, "others.log"), "ab")  # pylint: disable=consider-using-with
        environment = dict(os.environ, EFFECTS=self.effects)
        for number in range(self.options.workers):
            self.others.append(Other(
                f"worker-{number}", [program, "worker", "--server", self.server.grpc, "--concurrency", "8", "--log-level", "error"],
                dict(environment, SOAK_ROLE="worker"), self.log))
        stubs, python = self.make_stubs(), python_with_grpc()
        for number in range(self.options.clients):
            kind = ["grpc", "http"][number % 2]
            address = self.server.grpc if kind == "grpc" else self.server.http
            self.others.append(Other(
                f"{kind}-{number}",
                [python, "-B", os.path.join(HERE, "client.py"), kind, address, f"{kind}-{number}", self.states, self.enough,
                 str(self.options.rate)],
                dict(environment, PYTHONPATH=stubs), self.log))

    def check_alive(self):
        if self.server.process.poll() is not None:
            raise Wrong(f"the server ended with {self.server.process.returncode}")
        for other in self.others:
            if other.process.poll() is not None:
                raise Wrong(f"{other.name} ended with {other.process.returncode}, by itself")

    def disturb(self):
        end = time.monotonic() + self.options.seconds
        next_kill = next_sample = time.monotonic()
        while (now := time.monotonic()) < end:
            self.check_alive()
            if now >= next_sample:
                self.memory.append(self.server.memory())
                next_sample = now + max(1.0, self.options.seconds / 1000)
            if now >= next_kill:
                other = self.random.choice(self.others)
                other.kill()
                other.start()
                self.counts[other.name.split("-", maxsplit=1)[0] + " killed"] += 1
                next_kill = now + self.random.uniform(0.5, 3)
            time.sleep(0.1)

    def finish(self):
        """Everything that was begun comes to its end."""
        with open(self.enough, "w", encoding="utf-8"):
            pass
        end = time.monotonic() + END_LIMIT
        clients = [other for other in self.others if not other.name.startswith("worker")]
        for client in clients:
            if client.process.wait(max(1.0, end - time.monotonic())) != 0:
                raise Wrong(f"{client.name} ended with {client.process.returncode}")
        while (found := self.server.count())["by_status"].get("running", 0) > 0:
            if time.monotonic() > end:
                raise Wrong(f"these do not end: {found}")
            time.sleep(0.2)
        return found

    def check(self, found):
        accepted = 0
        for name in os.listdir(self.states):
            with open(os.path.join(self.states, name), encoding="utf-8") as file:
                lines = collections.Counter(line.split()[0] for line in file)
            if not lines["intended"] == lines["accepted"] == lines["signaled"]:
                raise Wrong(f"{name} is not at its end: {lines}")
            accepted += lines["accepted"]
        self.counts["accepted"] = accepted
        if found["by_status"] != {"completed": accepted * EXECUTIONS_EACH}:
            raise Wrong(f"{accepted} orders were accepted, and this became of them and their parts: {found}")
        with open(self.effects, encoding="utf-8") as file:
            keys = collections.Counter(line.strip() for line in file)
        self.counts["effects"] = len(keys)
        self.counts["effects again"] = sum(keys.values()) - len(keys)
        if len(keys) != accepted * EFFECTS_EACH:
            raise Wrong(f"{len(keys)} effects of {accepted} orders, not {accepted * EFFECTS_EACH}")
        for what in ("worker killed", "grpc killed", "http killed"):
            if self.counts[what] == 0:
                raise Wrong(f"no {what}: nothing is proven of it; give it more --seconds")

    def check_left(self, files_before):
        """Nothing is left of those that are gone."""
        for other in self.others:
            other.kill()
        end = time.monotonic() + 60
        while (files := self.server.files()) > files_before + FILES_MORE:
            if time.monotonic() > end:
                raise Wrong(f"{files} files are open, {files_before} were in the beginning")
            time.sleep(0.2)

    def check_memory(self):
        quarter = len(self.memory) // 4
        if len(self.memory) < SAMPLES_LEAST:
            raise Wrong("too few samples of memory; give it more --seconds")
        third, last = max(self.memory[2 * quarter:3 * quarter]), max(self.memory[3 * quarter:])
        tenths = max(1, len(self.memory) // 10)
        self.counts["MiB by tenths of the time"] = [max(self.memory[at:at + tenths]) >> 20 for at in range(0, 10 * tenths, tenths)]
        self.counts["MiB in the third quarter"] = third >> 20
        self.counts["MiB in the last quarter"] = last >> 20
        if last > max(third * GROWTH_FACTOR, third + GROWTH_BYTES):
            raise Wrong(f"memory has grown: at most {third >> 20} MiB in the third quarter of the time, {last >> 20} in the last one")

    def run(self):
        self.start_all()
        files_before = self.server.files()
        self.disturb()
        self.check(self.finish())
        self.check_left(files_before)
        self.check_memory()
        self.server.process.send_signal(signal.SIGTERM)
        if self.server.process.wait(60) != 0:
            raise Wrong(f"the server ended with {self.server.process.returncode}")

    def stop(self):
        for process in [each.process for each in self.others] + ([self.server.process] if self.server else []):
            if process.poll() is None:
                process.kill()
            process.wait()


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("program")
    parser.add_argument("protos")
    parser.add_argument("--seconds", type=int, default=3600)
    parser.add_argument("--clients", type=int, default=4, help="every other one over gRPC, the others over HTTP")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--rate", type=float, default=20, help="executions that each client starts a second")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--keep", action="store_true", help="leave the logs where they are")
    options = parser.parse_args()
    folder = tempfile.mkdtemp(prefix="evermill-soak-")
    soak = Soak(options, folder)
    failure = None
    try:
        soak.run()
    except (Wrong, subprocess.TimeoutExpired, urllib.error.URLError) as error:
        failure = str(error)
    finally:
        soak.stop()
    print(dict(soak.counts), flush=True)
    if failure is None and not options.keep:
        shutil.rmtree(folder)
        return 0
    print(f"{failure or 'all is right'}; logs are in {folder}; again with: {' '.join(sys.argv)}")
    return 0 if failure is None else 1


if __name__ == "__main__":
    sys.exit(main())
