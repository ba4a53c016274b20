#!/usr/bin/env python3
"""Workers in Python decide for the nodes of a cluster on a real Redis, of which one is killed: cluster_test.py PROGRAM PROTOC"""
import json
import os
import subprocess
import sys
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "faults"))
from services import Missing, Redis  # noqa: E402
from decider_case import PROGRAM, Client, DeciderCase, free_port  # noqa: E402

EXECUTIONS = 16  # so that each node has some


class ClusterTest(DeciderCase):
    def start_server(self):
        """Two nodes; clients ask the second one."""
        self.redis = Redis(self.folder.name)
        self.addCleanup(self.redis.stop)
        self.addresses = [f"127.0.0.1:{free_port()}" for _ in range(2)]
        self.nodes = [self.start_node(number) for number in range(2)]
        self.address = self.addresses[1]

    def start_node(self, number):
        node = subprocess.Popen(
            [PROGRAM, "server", "--queue", self.redis.address, "--partitions", "4", "--session-timeout", "1500", "--data",
             os.path.join(self.folder.name, f"node-{number}"), "--listen", self.addresses[number]],
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, env=dict(os.environ, XDG_RUNTIME_DIR=self.folder.name))
        self.addCleanup(self.kill, node)
        return node

    def owners(self):
        """Which node has which partition, as the second one knows it."""
        done = subprocess.run([PROGRAM, "cluster", "--queue", self.redis.address, "--json"], capture_output=True, text=True, check=False,
                              stdin=subprocess.DEVNULL, env=dict(os.environ, XDG_RUNTIME_DIR=self.folder.name))
        return json.loads(done.stdout)["owners"] if done.returncode == 0 else [None]

    def test_runs_go_on_at_the_node_that_takes_over(self):
        self.wait_until(lambda: None not in self.owners() and len(set(self.owners())) == 2, "the cluster is not complete")
        at_each = [self.start_worker("waiting", address=address) for address in self.addresses]
        names = [f"w-{number}" for number in range(EXECUTIONS)]
        for name in names:
            self.client.start(name, "waiting")
            self.client.signal(name, "go", 1)
        self.wait_until(lambda: sum(self.says(worker)["turns"] for worker in at_each) == 2 * EXECUTIONS)
        had = [self.says(worker)["live"] for worker in at_each]
        self.assertTrue(all(had), f"a node has nothing: {had}")
        self.kill(self.nodes[0])
        self.kill(at_each[0])
        for name in names:
            self.client.signal(name, "go", "end")
            self.assertEqual(self.client.result(name), ("COMPLETED", [1]))
        self.wait_until(lambda: self.says(at_each[1])["turns"] == 2 * had[1] + EXECUTIONS)
        self.assertEqual(self.says(at_each[1])["replays"], had[0])

    def test_waits_where_no_worker_is_connected(self):
        self.wait_until(lambda: None not in self.owners() and len(set(self.owners())) == 2, "the cluster is not complete")
        here = self.start_worker("waiting")
        for number in range(EXECUTIONS):
            self.client.start(f"w-{number}", "waiting")
        there = Client(self.api, self.addresses[0])
        self.addCleanup(there.channel.close)
        elsewhere = [number for number in range(EXECUTIONS) if there.describe(f"w-{number}").execution.blocked == "unserved"]
        self.assertTrue(elsewhere)
        self.wait_until(lambda: self.says(here)["turns"] == EXECUTIONS - len(elsewhere))
        self.start_worker("waiting", address=self.addresses[0])
        for number in range(EXECUTIONS):
            self.client.signal(f"w-{number}", "go", "end")
            self.assertEqual(self.client.result(f"w-{number}"), ("COMPLETED", []))


if __name__ == "__main__":
    try:
        Redis.look()
    except Missing as why:
        print(f"skipped: {why}")
        sys.exit(77)
    unittest.main()
