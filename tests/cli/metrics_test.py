#!/usr/bin/env python3
"""Metrics and health of a real `evermill server`, over HTTP.

Usage: metrics_test.py PROGRAM
"""
import http.client
import json
import os
import re
import signal
import sys
import unittest

import exposition
from program import ProgramTest

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path.insert(0, os.path.join(ROOT, "tests", "faults"))
import services  # noqa: E402

ONLY_WITH_LISTENERS = ("Workers of a server", "Requests over the network", "Traces")
ROW = re.compile(r"\| `([a-z_]+)` \| (counter|gauge|histogram) \| ([a-z_, ]*)\| ")


def documented():
    """Per section of docs/metrics.md: name → (type, labels)."""
    sections = {}
    with open(os.path.join(ROOT, "docs", "metrics.md"), encoding="utf-8") as file:
        for line in file:
            if line.startswith("## "):
                section = sections.setdefault(line[3:].strip(), {})
            elif row := ROW.match(line):
                labels = {label.strip() for label in row.group(3).split(",") if label.strip()}
                section[row.group(1)] = (row.group(2), labels)
    return sections


class Served(ProgramTest):
    def start_server(self, *arguments, command="server"):
        process = self.start_program(command, "--metrics", "127.0.0.1:0", *arguments)
        line = process.stdout.readline()
        found = re.fullmatch(r"Metrics: http://127\.0\.0\.1:(\d+)/metrics\n", line)
        self.assertTrue(found, line)
        self.port = int(found.group(1))
        return process

    def ask(self, path, method="GET", port=None):
        connection = http.client.HTTPConnection("127.0.0.1", port or self.port, timeout=60)
        try:
            connection.request(method, path)
            answer = connection.getresponse()
            return answer.status, answer.getheader("Content-Type"), answer.read().decode()
        finally:
            connection.close()

    def is_ready(self, port=None):
        return self.ask("/readyz", port=port)[0] == 200

    def scrape(self, port=None):
        status, kind, text = self.ask("/metrics", port=port)
        self.assertEqual((status, kind), (200, "text/plain; version=0.0.4; charset=utf-8"), text)
        return exposition.parse(text)

    @staticmethod
    def total(families, name, **labels):
        return sum(value for (_, has), value in families[name].samples.items() if set(labels.items()) <= set(has))

    def check_documented(self, families, sections):
        listed = {name: what for section in sections for name, what in documented()[section].items()}
        self.assertEqual(set(families), set(listed))
        for name, (kind, labels) in listed.items():
            self.assertEqual(families[name].type, kind, name)
            self.assertTrue(families[name].help, name)
            for _, has in families[name].samples:
                self.assertEqual({label for label, _ in has} - {"le"}, labels, name)


class Embedded(Served):
    def run_shell(self, workflow_id, command, code=0):
        return self.run_program("run", "shell", "--id", workflow_id, "--input", json.dumps(command), "--json", code=code)

    def test_values_move_as_executions_run(self):
        server = self.start_server()
        self.wait_until(self.is_ready)
        before = self.scrape()
        self.assertEqual(self.total(before, "evermill_executions_started_total"), 0)
        for n in range(3):
            self.run_shell(f"good-{n}", {"script": "true"})
        self.run_shell("bad", {"argv": ["/no/such/program"]}, code=1)
        after = self.scrape()
        self.assertEqual(self.total(after, "evermill_executions_started_total"), 4)
        self.assertEqual(self.total(after, "evermill_executions_ended_total", status="completed"), 3)
        self.assertEqual(self.total(after, "evermill_executions_ended_total", status="failed"), 1)
        self.assertEqual(self.total(after, "evermill_activities_scheduled_total", task_queue="default"), 4)
        self.assertEqual(self.total(after, "evermill_activities_ended_total", outcome="completed"), 3)
        self.assertEqual(self.total(after, "evermill_activity_attempts_started_total", task_queue="default"), 4)
        self.assertEqual(self.total(after, "evermill_activity_attempts_ended_total", outcome="failed"), 1)
        self.assertEqual(self.total(after, "evermill_activity_attempts_running"), 0)
        self.assertEqual(self.total(after, "evermill_activity_attempts_waiting"), 0)
        self.assertEqual(self.total(after, "evermill_turns_total"), 8)
        self.assertEqual(self.total(after, "evermill_decision_events_total"), 8)
        self.assertGreater(self.total(after, "evermill_commits_total"), 0)
        count = after["evermill_commit_duration_seconds"].samples["evermill_commit_duration_seconds_count", ()]
        self.assertEqual(count, self.total(after, "evermill_commits_total"))
        self.assertGreaterEqual(self.total(after, "evermill_store_syncs_total"), 1)
        self.assertGreater(self.total(after, "evermill_commit_bytes_total"), 100)
        self.assertGreater(self.total(after, "evermill_store_memtable_bytes"), 0)
        self.assertEqual(self.total(after, "evermill_partition_recovered"), 4)
        self.assertGreater(self.total(after, "process_resident_memory_bytes"), 1 << 20)
        for name, family in before.items():
            for series, value in family.samples.items():
                if family.type != "gauge":
                    self.assertGreaterEqual(after[name].samples[series], value, series)
        self.park(server)

    def test_attempts_that_run_and_wait(self):
        server = self.start_server()
        go = self.path("go")
        processes = [self.start_program("run", "shell", "--id", f"w{n}", "--input",
                                        json.dumps({"script": f"until test -e {go}; do sleep 0.05; done"})) for n in range(12)]

        def all_there():
            now = self.scrape()
            running = self.total(now, "evermill_activity_attempts_running", task_queue="default")
            waiting = self.total(now, "evermill_activity_attempts_waiting", task_queue="default")
            return running > 0 and running + waiting == 12

        self.wait_until(self.is_ready)
        self.wait_until(all_there)
        self.assertEqual(self.total(self.scrape(), "evermill_live_instances"), 12)
        open(go, "w", encoding="utf-8").close()
        for process in processes:
            self.assertEqual(self.end_of(process)[0], 0)
        now = self.scrape()
        self.assertEqual(self.total(now, "evermill_activity_attempts_running"), 0)
        self.assertEqual(self.total(now, "evermill_activity_attempts_waiting"), 0)
        self.park(server)

    def test_the_documentation_lists_what_a_scrape_shows(self):
        server = self.start_server()
        self.wait_until(self.is_ready)
        self.run_shell("one", {"script": "true"})
        self.check_documented(self.scrape(), [name for name in documented() if name not in ("Clusters", *ONLY_WITH_LISTENERS)])
        self.park(server)

    def test_health(self):
        server = self.start_server()
        self.wait_until(self.is_ready)
        self.assertEqual(self.ask("/healthz"), (200, "text/plain; charset=utf-8", "alive\n"))
        self.assertEqual(self.ask("/readyz"), (200, "text/plain; charset=utf-8", "ready\n"))
        self.assertEqual(self.ask("/healthz", "HEAD")[::2], (200, ""))
        self.assertEqual(self.ask("/metrics", "POST")[0], 405)
        self.assertEqual(self.ask("/")[0], 404)
        self.park(server)

    def park(self, process, with_signal=signal.SIGINT):
        process.send_signal(with_signal)
        code, _, err = self.end_of(process)
        self.assertEqual(code, 0, err)

    def test_addresses_that_can_not_be(self):
        self.assertIn('"nowhere" is no HOST:PORT', self.run_program("server", "--metrics", "nowhere", code=2).stderr)
        server = self.start_server()
        err = self.run_program("server", "--metrics", f"127.0.0.1:{self.port}", "--data", self.path("other"), code=2).stderr
        self.assertIn(f"can't listen at 127.0.0.1:{self.port}", err)
        self.park(server)


class Cluster(Served):
    park = Embedded.park

    def setUp(self):
        super().setUp()
        try:
            self.redis = services.Redis(self.folder.name)
        except services.Missing as missing:
            self.skipTest(str(missing))
        self.addCleanup(self.redis.stop)

    def start_node(self, name):
        server = self.start_server("--queue", self.redis.address, "--data", self.path(name), "--session-timeout", "2000",
                                   "--partitions", "4")
        return server, self.port

    def owned(self, port):
        return self.total(self.scrape(port), "evermill_partitions_owned")

    def test_ownership_moves_and_is_shown(self):
        first, at_first = self.start_node("first")
        self.wait_until(lambda: self.is_ready(at_first) and self.owned(at_first) == 4)
        self.assertEqual(self.total(self.scrape(at_first), "evermill_partition_acquisitions_total", how="first"), 4)
        second, at_second = self.start_node("second")
        self.wait_until(lambda: self.is_ready(at_second) and self.owned(at_second) == 2)
        self.wait_until(lambda: self.total(self.scrape(at_second), "evermill_partitions_standby") == 2)
        self.wait_until(lambda: self.total(self.scrape(at_first), "evermill_partitions_standby") == 2)
        self.assertEqual(self.total(self.scrape(at_second), "evermill_partition_acquisitions_total", how="handover"), 2)
        for n in range(8):
            self.run_program("run", "shell", "--id", f"w{n}", "--input", '{"script":"true"}', "--json",
                             "--queue", self.redis.address)
        both = [self.scrape(at_first), self.scrape(at_second)]
        self.assertEqual(sum(self.total(each, "evermill_executions_ended_total", status="completed") for each in both), 8)
        self.assertGreater(self.total(both[0], "evermill_broker_appended_records_total", stream="log"), 0)
        self.assertEqual(self.total(both[0], "evermill_broker_append_failures_total"), 0)
        self.wait_until(lambda: len(self.scrape(at_first)["evermill_commit_log_lag"].samples) == 2)
        self.wait_until(lambda: self.total(self.scrape(at_first), "evermill_commit_log_lag") == 0)
        self.check_documented(self.scrape(at_first), [name for name in documented() if name not in ONLY_WITH_LISTENERS])
        second.kill()
        self.wait_until(lambda: self.is_ready(at_first) and self.owned(at_first) == 4)
        after = self.scrape(at_first)
        self.assertEqual(self.total(after, "evermill_partition_acquisitions_total", how="takeover"), 2)
        self.assertEqual(self.total(after, "evermill_partition_losses_total"), 0)
        self.assertGreaterEqual(max(after["evermill_partition_epoch"].samples.values()), 3)
        self.park(first)

    def test_a_worker_has_metrics_of_its_own(self):
        node = self.start_server("--queue", self.redis.address, "--data", self.path("node"), "--no-activities")
        self.wait_until(self.is_ready)
        worker = self.start_server("--queue", self.redis.address, command="worker")
        self.wait_until(self.is_ready)
        self.run_program("run", "shell", "--input", '{"script":"true"}', "--json", "--queue", self.redis.address)
        now = self.scrape()
        self.assertEqual(self.total(now, "evermill_activity_attempts_started_total", task_queue="default"), 1)
        self.assertEqual(self.total(now, "evermill_build_info"), 1)
        self.assertGreater(self.total(now, "evermill_broker_appended_records_total", stream="inbox"), 0)
        self.assertNotIn("evermill_partitions_owned", now)
        self.park(worker)
        self.park(node)

    def test_is_not_ready_without_its_broker(self):
        server, port = self.start_node("first")
        self.wait_until(lambda: self.is_ready(port))
        self.redis.stop()
        self.wait_until(lambda: not self.is_ready(port))
        self.assertRegex(self.ask("/readyz", port=port)[2], "broker|redis .* can't be reached")
        self.assertEqual(self.ask("/healthz", port=port)[0], 200)
        # A node may notice by its work, before the broker is asked whether it answers.
        self.wait_until(lambda: self.total(self.scrape(port), "evermill_broker_up") == 0)
        self.redis.start()
        self.wait_until(lambda: self.is_ready(port))
        self.assertEqual(self.total(self.scrape(port), "evermill_broker_up"), 1)
        self.park(server)

    def test_says_that_it_starts(self):
        address = self.redis.address
        self.redis.stop()
        server = self.start_server("--queue", address)
        self.assertEqual(self.ask("/healthz")[0], 200)
        for path in ("/readyz", "/metrics"):
            self.assertEqual(self.ask(path), (503, "text/plain; charset=utf-8", "the engine is being started\n"))
        self.redis.start()
        self.wait_until(self.is_ready)
        self.park(server)


class StrictParser(unittest.TestCase):
    def test_takes_what_is_right(self):
        families = exposition.parse('# HELP a b \\\\ \\n\n# TYPE a gauge\na{x="\\\\\\"\\n",y=""} 1.5e3\n'
                                    '# TYPE h histogram\nh_bucket{le="1"} 1\nh_bucket{le="+Inf"} 2\nh_sum 3\nh_count 2\n')
        self.assertEqual(families["a"].samples["a", (("x", '\\"\n'), ("y", ""))], 1500)

    def test_refuses_what_is_not(self):
        for text in ("a 1", "a 1\n", "# TYPE a gauge\na  1\n", "# TYPE a gauge\nb 1\n", '# TYPE a gauge\na{x="1} 1\n',
                     '# TYPE a gauge\na{x="\\t"} 1\n', "# TYPE a gauge\na 1\na 1\n",
                     "# TYPE a gauge\na 1\n# TYPE b gauge\n# TYPE a gauge\n",
                     "# TYPE a what\n", "# TYPE a counter\na -1\n", "# TYPE a gauge\na one\n", "# HELP a \\t\n", "# a\n",
                     '# TYPE h histogram\nh_bucket{le="1"} 1\nh_sum 3\nh_count 1\n',
                     '# TYPE h histogram\nh_bucket{le="1"} 3\nh_bucket{le="+Inf"} 2\nh_sum 3\nh_count 2\n',
                     '# TYPE h histogram\nh_bucket{le="+Inf"} 2\nh_sum 3\nh_count 3\n', "# TYPE h histogram\nh 1\n"):
            with self.assertRaises(exposition.Malformed, msg=text):
                exposition.parse(text)


if __name__ == "__main__":
    unittest.main()
