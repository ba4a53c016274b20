"""Nodes of a cluster are killed, stopped and woken up, their data is lost, their broker fails: nothing acknowledged is lost, and
nothing is decided twice. Real processes, real brokers.

    faults_test.py PROGRAM redis|kafka|sqlite [--plugin FILE] [--seed N] [--at-once N] [--seconds S] [--workers N] [--keep]
"""
import argparse
import collections
import contextlib
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time

from services import Kafka, Missing, Redis, Sqlite, environment_of

SESSION_TIMEOUT_MS = {"redis": 1500, "kafka": 6000, "sqlite": 1500}
DRIVE_LIMIT = 280  # seconds more than it should take
EFFECTS_EACH = 4  # of an instance and its children
FULL_DISK_LOOKS = 100  # a tenth of a second each
SMALL_DISK_BYTES = 16 << 20  # less than the store would reserve ahead, so that each write needs space


class Process:
    """A node or a worker whose life may end and begin again."""

    def __init__(self, test, name, *arguments, queue=None):
        self.test = test
        self.environment = dict(test.environment, EVERMILL_QUEUE=queue) if queue else test.environment
        self.data = os.path.join(test.folder, name)
        self.arguments = arguments
        self.log = open(os.path.join(test.folder, f"{name}.log"), "ab")
        self.process = None
        self.start()

    def start(self):
        data = ("--data", self.data) if self.arguments[0] == "server" else ()  # a worker has none
        self.process = subprocess.Popen(
            [self.test.program, *self.arguments, *data, "--session-timeout", str(SESSION_TIMEOUT_MS[self.test.kind])],
            env=self.environment, stdout=self.log, stderr=self.log, stdin=subprocess.DEVNULL)

    def refused_to_begin(self):
        """It has ended, by itself, before it ran."""
        with open(self.log.name, encoding="utf-8", errors="replace") as file:
            return self.process.poll() == 2 and f"is running: process {self.process.pid}," not in file.read()

    def end(self, how=signal.SIGKILL):
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGCONT)
            self.process.send_signal(how)
        self.process.wait()


class FaultsTest:
    def __init__(self, options, folder):
        self.program = os.path.abspath(options.program)
        self.kind = options.kind
        self.folder = folder
        self.random = random.Random(options.seed)
        self.at_once = options.at_once
        self.seconds = options.seconds
        self.workers = options.workers
        self.effects = os.path.join(folder, "effects")
        make_broker = {"kafka": Kafka, "redis": Redis, "sqlite": lambda within: Sqlite(within, options.plugin)}[options.kind]
        self.broker = make_broker(folder)
        self.environment = environment_of(self.broker, EFFECTS=self.effects)
        self.environment.pop("EVERMILL_DATA", None)
        self.nodes = []
        self.small_disk = os.path.join(folder, "node-2")
        self.counts = collections.Counter()
        self.enough = os.path.join(folder, "enough")  # each kind of fault has happened
        self.environment["ENOUGH"] = self.enough
        self.over = threading.Event()

    # --- faults

    def kill(self, node):
        node.end()
        time.sleep(self.random.uniform(0, 1))
        node.start()

    def lose_data(self, node):
        node.end()
        shutil.rmtree(node.data, ignore_errors=True)
        node.start()

    def sleep(self, node):
        """Longer than its session: when it wakes up, others have what it had."""
        node.process.send_signal(signal.SIGSTOP)
        time.sleep(SESSION_TIMEOUT_MS[self.kind] / 1000 * self.random.uniform(0.3, 2))
        node.process.send_signal(signal.SIGCONT)

    def stop_in_order(self, node):
        node.end(signal.SIGTERM)
        node.start()

    def fail_broker(self, _):
        self.broker.fault(self.random)

    def stall(self, _):
        """What one node writes and reads stands still, for longer than its session; nobody closes a connection."""
        for proxy in self.broker.proxies:
            proxy.stall()
        time.sleep(SESSION_TIMEOUT_MS[self.kind] / 1000 * self.random.uniform(0.5, 2))
        for proxy in self.broker.proxies:
            proxy.resume()

    def claim_at_once(self, _):
        """All begin together, and nobody knows yet who should have what."""
        nodes = [each for each in self.nodes if each.arguments[0] == "server"]
        for node in nodes:
            node.end()
        for node in nodes:
            node.start()

    def rebalance(self, _):
        """One more node comes, gets partitions, and goes."""
        more = Process(self, f"node-more-{self.counts['rebalance']}", *self.server)
        self.over.wait(self.random.uniform(1, 4))
        more.end(self.random.choice([signal.SIGTERM, signal.SIGKILL]))

    def fill_disk(self, _):
        filler = os.path.join(self.small_disk, "filler")
        with open(filler, "wb") as file:
            with contextlib.suppress(OSError):
                while True:
                    free = os.fstatvfs(file.fileno())
                    os.posix_fallocate(file.fileno(), file.seek(0, os.SEEK_END), max(free.f_bavail * free.f_frsize // 2, 4096))
        self.over.wait(self.random.uniform(1, 4))
        for _ in range(FULL_DISK_LOOKS):  # on a slow machine the node may have had nothing to write yet
            if self.has_met_full_disk() or self.over.wait(0.1):
                break
        os.unlink(filler)
        for node in self.nodes:
            if node.data == self.small_disk and node.refused_to_begin():
                node.start()  # as whoever looks after it would

    def disturb(self):
        faults = {"kill": self.kill, "lose data": self.lose_data, "sleep": self.sleep, "stop": self.stop_in_order,
                  "broker": self.fail_broker, "stall": self.stall, "claim at once": self.claim_at_once,
                  "rebalance": self.rebalance, "full disk": self.fill_disk}
        if not self.broker.proxies:
            del faults["stall"]  # there are no connections
        deck = []
        while not self.over.is_set():
            deck = deck or self.random.sample(sorted(faults), len(faults))
            what = deck.pop()
            node = self.random.choice(self.nodes)
            faults[what](node)
            self.counts[what] += 1
            if all(self.counts[each] for each in faults):
                open(self.enough, "w", encoding="utf-8").close()
            for each in self.nodes:
                if each.process.poll() is not None:
                    raise RuntimeError(f"{each.data} ended with {each.process.returncode}, by itself, after: {what}")
            self.over.wait(self.random.uniform(0, 1.5))
        missing = [what for what in faults if not self.counts[what]]
        if missing:
            raise RuntimeError(f"did not happen, so that nothing is proven of it: {', '.join(missing)}; give it more --seconds")

    # --- the test

    def run(self):
        self.server = ("server", "--partitions", "6", "--stop-grace", "1000", "--snapshot-log-bytes", "30000",
                       *(() if self.workers == 0 else ("--no-activities",)))
        worker = ("worker", "--concurrency", "4", "--stop-grace", "1000")
        os.mkdir(self.small_disk)
        subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={SMALL_DISK_BYTES}", "evermill-faults", self.small_disk], check=True)
        self.nodes = [Process(self, "node-1", *self.server), Process(self, "node-2", *self.server),
                      Process(self, "node-3", *self.server, queue=self.broker.proxied_address)]
        self.nodes += [Process(self, f"worker-{number + 1}", *worker) for number in range(self.workers)]
        driver = self.wait_and_start_driver()
        disturber = threading.Thread(target=self.guarded_disturb, args=(driver,))
        disturber.start()
        try:
            out, _ = driver.communicate(timeout=self.seconds + DRIVE_LIMIT)
        except subprocess.TimeoutExpired:
            driver.kill()
            out = driver.communicate()[0] + "\nit did not end in time"
        self.over.set()
        disturber.join()
        print(out, dict(self.counts), flush=True)
        if self.failure:
            return self.failure
        if driver.returncode != 0:
            return "the driver has found something wrong"
        if not self.has_met_full_disk():
            return "no write met a full disk"
        return self.check_effects(int(out.split()[-1]))

    def has_met_full_disk(self):
        with open(os.path.join(self.folder, "node-2.log"), encoding="utf-8", errors="replace") as file:
            return "the disk is full" in file.read()

    failure = None

    def guarded_disturb(self, driver):
        try:
            self.disturb()
        except Exception as error:  # told by `run`
            self.failure = repr(error)
            driver.kill()

    def wait_and_start_driver(self):
        for _ in range(600):
            done = subprocess.run([self.program, "cluster"], env=self.environment, capture_output=True, text=True, check=False)
            if done.returncode == 0:
                break
            time.sleep(0.1)
        return subprocess.Popen([self.program, "drive", str(self.at_once), str(self.seconds)], env=self.environment, stdout=subprocess.PIPE,
                                text=True, stdin=subprocess.DEVNULL)

    def check_effects(self, instances):
        with open(self.effects, encoding="utf-8") as file:
            keys = collections.Counter(line.strip() for line in file)
        wanted = instances * EFFECTS_EACH
        print(f"{len(keys)} effects, {sum(keys.values()) - len(keys)} of them again", flush=True)
        return None if len(keys) == wanted else f"{len(keys)} effects have an idempotency key, not {wanted}"

    def stop(self):
        for node in self.nodes:
            node.end()
        self.broker.stop()
        if os.path.ismount(self.small_disk):
            subprocess.run(["umount", self.small_disk], check=False)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("program")
    parser.add_argument("kind", choices=["redis", "kafka", "sqlite"])
    parser.add_argument("--plugin", help="of sqlite")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--at-once", type=int, default=60)
    parser.add_argument("--seconds", type=int, default=40, help="how long new instances are started")
    parser.add_argument("--workers", type=int, default=2, help="that run the activities; 0: the nodes do")
    parser.add_argument("--keep", action="store_true", help="leave the logs where they are")
    options = parser.parse_args()
    folder = tempfile.mkdtemp(prefix="evermill-faults-")
    if os.geteuid() != 0:
        print("skipped: filling a disk takes one of its own, which only root can mount")
        return 77
    try:
        test = FaultsTest(options, folder)
    except Missing as why:
        print(f"skipped: {why}")
        return 77
    try:
        failure = test.run()
    finally:
        test.stop()
    if failure is None and not options.keep:
        shutil.rmtree(folder)
        return 0
    print(f"{failure or 'all is right'}; logs are in {folder}; again with: {' '.join(sys.argv)}")
    return 0 if failure is None else 1


if __name__ == "__main__":
    sys.exit(main())
