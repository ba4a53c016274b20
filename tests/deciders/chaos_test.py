#!/usr/bin/env python3
"""Orders go on through the deaths of workers and of the server, at random: chaos_test.py PROGRAM PROTOC

Each order has three runs (continue-as-new), with activities, a timer, a signal, a child and a side effect. What came out, and that
each activity was asked for once, does not depend on who died when.
"""
import collections
import os
import random
import threading
import unittest

import grpc

from decider_case import DeciderCase, LIMIT

ORDERS = 12
ROUNDS = 3
DEATHS = 10
SEED = int(os.environ.get("EVERMILL_TEST_SEED", random.randrange(1 << 30)))


class ChaosTest(DeciderCase):
    def effects_done(self):
        if not os.path.exists(self.effects):
            return []
        with open(self.effects, encoding="utf-8") as file:
            return [line.split() for line in file.read().splitlines()]

    def patiently(self, call):
        """Again until the server answers; all of these calls may be repeated."""
        def answered():
            try:
                call()
                return True
            except grpc.RpcError as error:
                retried = (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.CANCELLED, grpc.StatusCode.UNKNOWN, grpc.StatusCode.INTERNAL)
                self.assertIn(error.code(), retried, error)
                return False
        self.wait_until(answered)

    def test_orders_survive(self):
        chance = random.Random(SEED)
        print("SEED", SEED)
        workers = [self.start_worker("order", "part") for _ in range(3)]
        names = [f"o{number}" for number in range(ORDERS)]

        def requests():
            for name in names:
                self.patiently(lambda: self.client.start(name, "order"))
            for told in range(ROUNDS):
                for name in names:
                    self.patiently(lambda: self.client.signal(name, "go", told, request_id=f"{name}.{told}"))

        client = threading.Thread(target=requests)
        client.start()
        for death in range(DEATHS):
            done = len(self.effects_done())
            step = chance.randrange(1, 8)
            self.wait_until(lambda: len(self.effects_done()) >= min(done + step, 3 * ROUNDS * ORDERS))
            if chance.random() < 0.3:
                self.restart_server()
            else:
                dead = chance.randrange(len(workers))
                self.kill(workers[dead])
                workers[dead] = self.start_worker("order", "part", name=f"again{death}", wait=False)
        client.join(LIMIT)
        self.assertFalse(client.is_alive(), "the requests are not answered")
        expected = {"sum": sum(number * number + 7 for number in range(1, ROUNDS + 1)), "told": list(range(ROUNDS))}
        for name in names:
            results = []
            self.patiently(lambda: results.append(self.client.result(name)))
            self.assertEqual(results[-1], ("COMPLETED", expected), name)
        asked_for = collections.defaultdict(set)
        for key, once in self.effects_done():
            asked_for[key].add(once)
        self.assertEqual(len(asked_for), 3 * ROUNDS * ORDERS)
        for key, once in asked_for.items():
            self.assertEqual(len(once), 1, f"{key} was asked for more than once")


if __name__ == "__main__":
    unittest.main()
