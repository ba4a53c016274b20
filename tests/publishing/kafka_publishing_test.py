"""`server --publish` to a real Kafka, read by a consumer that is not ours (kcat): what docs/publishing.md says of events holds,
whoever is killed.

    kafka_publishing_test.py PROGRAM
"""
import collections
import json
import os
import re
import signal
import subprocess
import sys
import tempfile
import threading
import time
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "faults"))
from services import Kafka, Missing  # noqa: E402

PROGRAM = os.path.abspath(sys.argv.pop(1)) if len(sys.argv) > 1 else ""
LIMIT = 120  # seconds after which something hangs
PARTITIONS = 4
SESSION_TIMEOUT_MS = 2000

Record = collections.namedtuple("Record", "partition key headers value")


class Server:
    """A process of `evermill server`, which may be killed and started again."""

    def __init__(self, test, name, *arguments, **environment):
        self.test = test
        self.data = os.path.join(test.folder.name, name)
        self.command = [PROGRAM, "server", "--data", self.data, "--partitions", str(PARTITIONS), *arguments]
        self.environment = dict(test.environment, **environment)
        self.process = None
        test.addCleanup(self.end)
        self.start()

    def start(self):
        """Waits for those who have the directory meanwhile: a `run` whose server was killed goes on by itself."""
        end = time.monotonic() + LIMIT
        while not self.is_started():
            if "is open in another" not in self.said() or time.monotonic() > end:
                raise AssertionError(f"{self.command} ended with {self.process.returncode}: {self.said()}")

    def is_started(self):
        with open(self.data + ".log", "wb") as log:
            self.process = subprocess.Popen(self.command, env=self.environment, stdout=subprocess.PIPE, stderr=log, text=True,
                                            stdin=subprocess.DEVNULL)
        if any("running" in line for line in iter(self.process.stdout.readline, "")):
            return True
        self.end()
        return False

    def said(self):
        with open(self.data + ".log", encoding="utf-8") as log:
            return log.read()

    def end(self, how=signal.SIGKILL):
        if self.process.poll() is None:
            self.process.send_signal(how)
        self.process.wait()
        self.process.stdout.close()
        return self.process.returncode


class KafkaPublishing(unittest.TestCase):
    kafka = None

    def setUp(self):
        self.folder = tempfile.TemporaryDirectory(prefix="evermill-publishing-")
        self.addCleanup(self.folder.cleanup)
        self.environment = {name: value for name, value in os.environ.items() if not name.startswith("EVERMILL_")}
        self.environment["XDG_RUNTIME_DIR"] = self.folder.name
        self.prefix = self.id().rpartition(".")[2][:40]
        self.address = f"{self.kafka.address}?prefix={self.prefix}"
        self.place = ["--data", os.path.join(self.folder.name, "data")]

    # --- evermill

    def run_program(self, *arguments, code=0):
        done = subprocess.run([PROGRAM, *arguments, *self.place], env=self.environment, capture_output=True, text=True,
                              timeout=LIMIT, stdin=subprocess.DEVNULL, check=False)
        if code is not None:
            self.assertEqual(done.returncode, code, f"{arguments}\n{done.stdout}{done.stderr}")
        return done

    def run_shell(self, workflow_id, script="true", **options):
        given = json.dumps({"script": script})
        return self.run_program("run", "shell", "--json", "--id", workflow_id, "--input", given, **options)

    def histories(self):
        """What is journaled: each execution's events, as `history` shows them."""
        ids = [each["workflow_id"] for each in self.lines("list", "--limit", "100000", "--json")]
        return {each: self.lines("history", each, "--json") for each in ids}

    def lines(self, *arguments):
        return [json.loads(line) for line in self.run_program(*arguments).stdout.splitlines()]

    # --- Kafka, without a line of ours

    def consume(self):
        """The topic's records, each partition's in the order of its offsets."""
        command = ["kcat", "-C", "-q", "-J", "-e", "-o", "beginning", "-b", self.kafka.hosts, "-t", f"{self.prefix}.events",
                   "-X", "topic.metadata.refresh.interval.ms=500"]
        done = subprocess.run(command, capture_output=True, timeout=LIMIT, stdin=subprocess.DEVNULL, check=True)
        records, last = [], {}
        for line in done.stdout.splitlines():
            read = json.loads(line)
            self.assertEqual(read["offset"], last.get(read["partition"], -1) + 1, "kcat has left something out")
            last[read["partition"]] = read["offset"]
            names, values = read["headers"][::2], read["headers"][1::2]
            self.assertEqual(len(names), len(set(names)), "a header is there twice")
            records.append(Record(read["partition"], read["key"], dict(zip(names, values)), read["payload"]))
        return records

    def distinct(self, records):
        """Those that a reader sees for the first time. A repeat says the same."""
        first = {}
        for each in records:
            known = first.setdefault((each.headers["ce_source"], each.headers["ce_id"]), each)
            self.assertEqual(known, each)
        return list(first.values())

    def wait_until_published(self, histories):
        """All of it, at least once; the records."""
        wanted = sum(map(len, histories.values()))
        records = []

        def is_all_there():
            records[:] = self.consume()
            return len(self.distinct(records)) >= wanted
        self.wait_until(is_all_there, "not all events were published")
        return records

    # --- what must hold

    def check_event(self, record, event):
        """As the CloudEvents Kafka binding's binary mode has it, of what `history` shows."""
        headers = dict(record.headers)
        partition, run, number = headers["ce_id"].split(".")
        self.assertTrue(partition.isdigit() and int(partition) < PARTITIONS)
        self.assertEqual(headers, {
            "ce_specversion": "1.0",
            "ce_id": f"{partition}.{run}.{event['seq']}",
            "ce_source": headers["ce_source"],
            "ce_type": "evermill." + event["type"],
            "ce_subject": record.key,
            "ce_time": event["time"],
            "ce_workflowtype": "shell",
            "ce_runnumber": run,
            "ce_eventnumber": number,
            "content-type": "application/json"})
        self.assertRegex(headers["ce_source"], r"^/evermill/[0-9a-f-]{36}$")
        self.assertEqual(json.loads(record.value), event)

    def check_published(self, records, histories):
        """Every journaled event, keyed by its execution and in the journal's order, repeats dropped; and nothing else."""
        by_key = collections.defaultdict(list)
        topic_partitions = collections.defaultdict(set)
        for each in self.distinct(records):
            by_key[each.key].append(each)
            topic_partitions[each.headers["ce_id"].split(".")[0]].add(each.partition)
        self.assertEqual({key: [int(each.headers["ce_eventnumber"]) for each in of] for key, of in by_key.items()},
                         {key: [event["seq"] for event in events] for key, events in histories.items()})
        for key, events in histories.items():
            for record, event in zip(by_key[key], events):
                self.check_event(record, event)
        for partition, of in topic_partitions.items():
            self.assertEqual(len(of), 1, f"partition {partition} is in several of the topic's: {of}")
        self.assertEqual(len({each.headers["ce_source"] for each in records}), 1)

    # --- tests

    def test_events_are_cloud_events_in_the_binary_mode_of_kafkas_binding(self):
        server = Server(self, "data", "--publish", self.address)
        for number in range(12):
            self.run_shell(f"orders/{number} ü", f"echo {number}")
        self.run_shell("fails", "exit 3", code=1)
        histories = self.histories()
        self.wait_until_published(histories)
        self.assertEqual(server.end(signal.SIGTERM), 0, server.said())
        records = self.consume()
        self.check_published(records, histories)
        self.assertEqual(len(records), len(self.distinct(records)), "nothing failed, so nothing is repeated")
        # One execution was over when the next one began: so it is in each partition.
        order = collections.defaultdict(list)
        for each in records:
            order[each.partition].append(int(re.sub(r"\D", "", each.key) or 12))
        for numbers in order.values():
            self.assertEqual(numbers, sorted(numbers))

    def test_nothing_is_missing_when_servers_and_the_broker_are_killed(self):
        server = Server(self, "data", "--publish", self.address)
        over, serves = threading.Event(), threading.Event()
        serves.set()

        def start_more(which):
            for number in range(100000):
                serves.wait()
                if over.is_set():
                    return
                self.run_shell(f"w-{which}-{number}", code=None)  # whoever serves it may be killed meanwhile

        def kill_and_start():
            serves.clear()
            server.end()
            server.start()
            serves.set()

        starters = [threading.Thread(target=start_more, args=(which,)) for which in range(3)]
        for each in starters:
            each.start()
        try:
            for _ in range(2):
                self.wait_for_more_records()
                kill_and_start()
                self.kafka.run("kill", self.kafka.folder, "1")
                self.wait_for_more_executions()
                kill_and_start()
                self.kafka.run("up", self.kafka.folder, "1")
        finally:
            over.set()
            serves.set()
            for each in starters:
                each.join()
        histories = self.histories()
        records = self.wait_until_published(histories)
        self.assertEqual(server.end(signal.SIGTERM), 0, server.said())
        self.check_published(records, histories)
        print(f"{len(records)} records, {len(records) - len(self.distinct(records))} of them repeats", flush=True)

    def wait_until(self, condition, what):
        end = time.monotonic() + LIMIT
        while not condition():
            self.assertLess(time.monotonic(), end, what)
            time.sleep(0.05)

    def wait_for_more_records(self, count=100):
        seen = len(self.consume_if_there())
        self.wait_until(lambda: len(self.consume_if_there()) > seen + count, "nothing was published")

    def wait_for_more_executions(self, count=20):
        def listed():
            return len(self.run_program("list", "--limit", "100000", "--json", code=None).stdout.splitlines())
        seen = listed()
        self.wait_until(lambda: listed() > seen + count, "nothing was started while the broker was away")

    def consume_if_there(self):
        try:
            return self.consume()
        except subprocess.CalledProcessError:  # the topic is not there yet
            return []

    def test_the_node_that_takes_over_publishes_what_the_dead_one_did_not(self):
        self.place = ["--queue", self.address]
        arguments = ("--queue", self.address, "--publish", "queue:", "--session-timeout", str(SESSION_TIMEOUT_MS))
        first = Server(self, "node-1", *arguments)
        Server(self, "node-2", *arguments)
        self.wait_for_owners(2)
        running = [threading.Thread(target=self.run_shell, args=(f"t-{number}", "sleep 0.5")) for number in range(24)]
        for each in running:
            each.start()
        self.wait_until(lambda: len(self.consume_if_there()) > 40, "nothing was published")
        first.end()
        for each in running:
            each.join()
        histories = self.histories()
        self.assertEqual(len(histories), len(running))
        self.check_published(self.wait_until_published(histories), histories)

    def wait_for_owners(self, count):
        def is_complete():
            done = self.run_program("cluster", "--json", code=None)
            owners = json.loads(done.stdout)["owners"] if done.returncode == 0 else [None]
            return None not in owners and len(set(owners)) == count
        self.wait_until(is_complete, "the cluster is not complete")


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("told to end"))  # what runs is ended first
    with tempfile.TemporaryDirectory(prefix="evermill-kafka-") as place:
        try:
            KafkaPublishing.kafka = Kafka(place, brokers=1)
        except Missing as why:
            print(f"skipped: {why}")
            sys.exit(77)
        try:
            passed = unittest.main(exit=False).result.wasSuccessful()
        finally:
            KafkaPublishing.kafka.stop()
    sys.exit(0 if passed else 1)
