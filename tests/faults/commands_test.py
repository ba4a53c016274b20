"""The commands of a cluster, as docs/cluster.md and the README show them: real processes on a real Redis, or on the queue of
examples/sqlite_queue.

    commands_test.py PROGRAM [PLUGIN]
"""
import json
import os
import signal
import subprocess
import sys
import tempfile
import unittest

from cluster_case import LIMIT, PROGRAM, ClusterCase
from services import Missing, Redis, Sqlite

PLUGIN = sys.argv.pop(1) if len(sys.argv) > 1 and sys.argv[1].endswith(".so") else None


def start_broker(folder):
    return Sqlite(folder, PLUGIN) if PLUGIN else Redis(folder)


class ClusterCommands(ClusterCase):
    start_broker = staticmethod(start_broker)

    def test_nothing_is_there_yet(self):
        done = self.run_program("list", code=2)
        self.assertIn(f"there is no cluster at {self.broker.address}", done.stderr)
        self.assertIn("start a node", done.stderr)

    def test_any_process_works_for_the_cluster(self):
        self.start_node("node-1", "--partitions", "6")
        self.start_node("node-2")
        self.wait_until(lambda: self.all_owned_by(2))
        result = json.loads(self.run_shell("echo hi", "--id", "one").stdout)
        self.assertEqual(result["stdout_text"], "hi\n")
        self.assertEqual(json.loads(self.run_program("describe", "one", "--json").stdout)["status"], "completed")
        self.assertEqual(len(self.run_program("history", "one", "--json").stdout.splitlines()), 4)
        for number in range(12):
            self.run_shell("true", "--id", f"more-{number}")
        self.assertEqual(len(self.run_program("list", "--json").stdout.splitlines()), 13)
        self.run_shell("exit 3", "--id", "bad", code=1)
        self.assertIn("no execution", self.run_program("describe", "nobody", code=2).stderr)
        table = self.run_program("cluster").stdout
        self.assertIn("node *", table)
        self.assertIn(f"6 partitions at {self.broker.address}", table)
        self.assertIn("durable: ", table)
        self.assertIn(" in memory, 0 running", table)
        self.wait_until(lambda: sum((each["load"] or {}).get("ended_attempts", 0) for each in self.cluster()["members"]) == 14)

    def test_the_load_of_a_worker_is_shown(self):
        self.start_node("node-1", "--no-activities")
        self.start("worker", "--task-queues", "default", "--concurrency", "2")
        self.wait_until(lambda: self.all_owned_by(1))
        marker = os.path.join(self.folder.name, "begun")
        running = subprocess.Popen([PROGRAM, "run", "shell", "--json", "--id", "busy", "--input",
                                    json.dumps({"script": f"touch {marker}; while [ -e {marker} ]; do sleep 0.1; done"})],
                                   env=self.environment, stdout=subprocess.PIPE, text=True)
        self.wait_until(lambda: os.path.exists(marker))

        def loads():
            return {each["role"]: each["load"] or {} for each in self.cluster()["members"]}

        self.wait_until(lambda: loads().get("worker", {}).get("running_attempts") == 1)
        self.assertEqual(loads()["node"]["running_attempts"], 0, "the worker has it")
        os.unlink(marker)
        running.communicate(timeout=LIMIT)
        self.wait_until(lambda: loads().get("worker", {}).get("ended_attempts") == 1)

    def test_work_goes_on_when_a_node_is_killed(self):
        first = self.start_node("node-1", "--partitions", "4", "--no-activities")
        self.start_node("node-2", "--no-activities")
        self.start("worker", "--task-queues", "default", "--concurrency", "8")
        self.wait_until(lambda: self.all_owned_by(2))
        running = [subprocess.Popen([PROGRAM, "run", "shell", "--json", "--id", f"slow-{number}", "--input",
                                     json.dumps({"script": f"sleep 2; echo {number}"})],
                                    env=self.environment, stdout=subprocess.PIPE, text=True) for number in range(8)]
        self.wait_until(lambda: len(self.run_program("list", "--json").stdout.splitlines()) == 8)
        first.kill()
        for number, process in enumerate(running):
            out, _ = process.communicate(timeout=LIMIT)
            self.assertEqual(json.loads(out)["stdout_text"], f"{number}\n")
        self.wait_until(lambda: self.all_owned_by(1))
        for number in range(8):
            events = [json.loads(line) for line in self.run_program("history", f"slow-{number}", "--json").stdout.splitlines()]
            completed = [each for each in events if each["type"] == "ActivityTaskCompleted"]
            self.assertEqual(completed[0]["attempt"]["number"], 1, "the worker's attempt goes on under the new owner")

    def test_a_node_that_is_stopped_gives_away_what_it_has(self):
        first = self.start_node("node-1", "--partitions", "4")
        self.start_node("node-2")
        self.wait_until(lambda: self.all_owned_by(2))
        self.run_shell("echo kept", "--id", "kept")
        first.send_signal(signal.SIGTERM)
        self.assertEqual(first.wait(timeout=LIMIT), 0)
        self.wait_until(lambda: self.all_owned_by(1))
        self.assertEqual(json.loads(self.run_program("describe", "kept", "--json").stdout)["status"], "completed")

    def test_a_worker_that_is_stopped_finishes_what_it_runs(self):
        self.start_node("node-1", "--no-activities")
        worker = self.start("worker")
        self.wait_until(lambda: self.all_owned_by(1))
        marker = os.path.join(self.folder.name, "begun")
        running = subprocess.Popen([PROGRAM, "run", "shell", "--json", "--id", "last", "--input",
                                    json.dumps({"script": f"touch {marker}; sleep 1; echo done"})],
                                   env=self.environment, stdout=subprocess.PIPE, text=True)
        self.wait_until(lambda: os.path.exists(marker))
        worker.send_signal(signal.SIGTERM)
        self.assertEqual(worker.wait(timeout=LIMIT), 0)
        self.assertEqual(json.loads(running.communicate(timeout=LIMIT)[0])["stdout_text"], "done\n")

    def test_the_figures_of_a_cluster(self):
        done = json.loads(self.run_program("bench", "--workload", "children", "--instances", "4", "--nodes", "2", "--json", "--queue",
                                           self.broker.other_address("bench")).stdout)
        self.assertEqual(done["steps"], 280)
        self.assertEqual(done["nodes"], 2)
        self.assertTrue(done["durability"].startswith("durable: "))

    def test_the_figures_of_takeovers(self):
        for workload, figure in (("takeover", "all_progress_ms"), ("takeover-cold", "all_progress_ms"), ("move", "pause_max_ms")):
            done = json.loads(self.run_program("bench", "--workload", workload, "--instances", "20", "--json", "--queue",
                                               self.broker.other_address(workload)).stdout)
            self.assertEqual((done["live_instances"], done["partitions_moved"]), (20, 2))
            self.assertGreater(done[figure], 0)


if __name__ == "__main__":
    try:
        with tempfile.TemporaryDirectory() as tried:
            start_broker(tried).stop()
    except Missing as why:
        print(f"skipped: {why}")
        sys.exit(77)
    unittest.main()
