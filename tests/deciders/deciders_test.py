#!/usr/bin/env python3
"""Workers in Python decide for a server: deciders_test.py PROGRAM PROTOC"""
import os
import unittest

import grpc

from decider_case import LIMIT, Client, DeciderCase


class DecidersTest(DeciderCase):
    def sum_of_rounds(self):
        return sum(number * number + 7 for number in (1, 2, 3))

    def test_runs_workflows_with_all_that_they_ask_for(self):
        self.start_worker("order", "part")
        self.client.start("o", "order")
        for number in range(3):
            self.client.signal("o", "go", number)
        self.assertEqual(self.client.result("o"), ("COMPLETED", {"sum": self.sum_of_rounds(), "told": [0, 1, 2]}))
        types = self.client.types("o")
        self.assertEqual(types[0], "WorkflowExecutionStarted")
        self.assertEqual(types[-1], "WorkflowExecutionCompleted")
        with open(self.effects, encoding="utf-8") as file:
            self.assertEqual(len(file.read().splitlines()), 9)

    def test_failures_are_told(self):
        self.start_worker("broken")
        self.client.start("b", "broken")
        self.assertEqual(self.client.result("b"), ("COMPLETED", "ActivityTaskFailed"))

    def test_a_run_stays_with_its_worker_and_moves_by_replay_when_that_goes(self):
        first = self.start_worker("waiting")
        self.client.start("w", "waiting")
        self.client.signal("w", "go", 1)
        second = self.start_worker("waiting")
        self.client.signal("w", "go", 2)
        self.client.signal("w", "go", 3)
        self.wait_until(lambda: self.says(first)["turns"] == 4)
        self.assertEqual(self.says(first), {"replays": 0, "turns": 4, "live": 1, "turn_timeout": 10000})
        self.assertEqual(self.says(second), {"replays": 0, "turns": 0, "live": 0, "turn_timeout": 10000})
        self.kill(first)
        self.client.signal("w", "go", "end")
        self.assertEqual(self.client.result("w"), ("COMPLETED", [1, 2, 3]))
        self.wait_until(lambda: self.says(second)["turns"] == 1)
        self.assertEqual(self.says(second), {"replays": 1, "turns": 1, "live": 0, "turn_timeout": 10000})

    def test_events_wait_durably_while_no_worker_is_there(self):
        worker = self.start_worker("waiting")
        self.client.start("w", "waiting")
        self.client.signal("w", "go", 1)
        self.kill(worker)
        self.client.signal("w", "go", 2)  # answered: it is durable
        self.assertIn("no worker is connected", self.wait_blocked("w", "unserved"))
        self.client.start("later", "waiting")  # of a type that was seen
        with self.assertRaises(grpc.RpcError) as refused:
            self.client.start("x", "nobody_knows")
        self.assertEqual(refused.exception.code(), grpc.StatusCode.NOT_FOUND)
        self.restart_server()
        self.client.signal("w", "go", "end")
        self.client.signal("later", "go", "end")
        self.start_worker("waiting")
        self.assertEqual(self.client.result("w"), ("COMPLETED", [1, 2]))
        self.assertEqual(self.client.result("later"), ("COMPLETED", []))

    def test_goes_on_after_the_death_of_the_server(self):
        self.start_worker("waiting")
        self.client.start("w", "waiting")
        self.client.signal("w", "go", 1)
        self.restart_server()
        self.client.signal("w", "go", 2)
        self.client.signal("w", "go", "end")
        self.assertEqual(self.client.result("w"), ("COMPLETED", [1, 2]))

    def test_code_that_differs_from_the_journal_is_blocked_until_fitting_code_is_back(self):
        first = self.start_worker("changed")
        self.client.start("c", "changed")
        self.wait_until(lambda: "TimerFired" in self.client.types("c"))
        self.kill(first)
        other = os.path.join(self.folder.name, "other")
        open(other + ".other", "w", encoding="utf-8").close()
        second = self.start_worker("changed", name="other")
        self.client.signal("c", "go")
        message = self.wait_blocked("c", "stuck")
        self.assertIn("the journal has TimerStarted, the code asked for StartChildWorkflowExecutionInitiated part", message)
        self.kill(second)
        self.start_worker("changed")
        self.assertEqual(self.client.result("c"), ("COMPLETED", "done"))

    def test_commands_that_cant_be_block_their_run_and_no_other(self):
        worker = self.start_worker("wild", "waiting")
        self.client.start("fine", "waiting")
        for how, why in (("unknown", "no command of that kind"), ("closed", "event 2 is no open timer"), ("name", "name is empty")):
            self.client.start(how, "wild", how)
            message = self.wait_blocked(how, "stuck")
            self.assertIn("command 1 of its worker's answer to TimerFired", message)
            self.assertIn(why, message)
            self.assertEqual(self.client.types(how)[-1], "TimerStarted")  # nothing of the turn is journaled
        self.client.signal("fine", "go", "end")
        self.assertEqual(self.client.result("fine"), ("COMPLETED", []))
        self.assertIsNone(worker.poll())
        self.client.call("TerminateWorkflow", workflow_id="closed")
        self.assertEqual(self.client.result("closed")[0], "TERMINATED")

    def test_queries_updates_and_cancellation(self):
        self.start_worker("waiting")
        self.client.start("w", "waiting")
        self.client.signal("w", "go", "a")
        ask = lambda: self.client.call("QueryWorkflow", workflow_id="w", query_name="heard").answer.data
        self.assertEqual(ask(), b'["a"]')
        added = self.client.call("UpdateWorkflow", workflow_id="w", update_name="add", input=self.client.value("b"), update_id="u")
        self.assertEqual((added.accepted, added.result.data), (True, b"2"))
        refused = self.client.call("UpdateWorkflow", workflow_id="w", update_name="nothing")
        self.assertEqual((refused.accepted, refused.failure.message), (False, "there is no update nothing"))
        with self.assertRaises(grpc.RpcError) as unknown:
            self.client.call("QueryWorkflow", workflow_id="w", query_name="nothing")
        self.assertIn("there is no query nothing", unknown.exception.details())
        self.restart_server()
        self.wait_until(lambda: self.is_answered(ask))
        self.assertEqual(ask(), b'["a", "b"]')
        self.client.call("CancelWorkflow", workflow_id="w", reason="enough")
        self.assertEqual(self.client.result("w")[0], "CANCELED")

    def is_answered(self, ask):
        try:
            ask()
            return True
        except grpc.RpcError as error:
            self.assertEqual(error.code(), grpc.StatusCode.FAILED_PRECONDITION, error.details())  # no worker yet
            return False

    def test_an_execution_stays_with_its_version(self):
        first = self.start_worker("waiting", version="1")
        self.client.start("old", "waiting")
        second = self.start_worker("waiting", version="2")
        self.client.start("new", "waiting")
        for each in ("old", "new"):
            self.client.signal(each, "go", "end")
            self.assertEqual(self.client.result(each), ("COMPLETED", []))
        self.wait_until(lambda: self.says(first)["turns"] == 2 and self.says(second)["turns"] == 2)


class TurnTimeoutTest(DeciderCase):
    OPTIONS = ("--turn-timeout", "5000")

    def test_a_worker_that_does_not_answer_loses_the_run(self):
        open(os.path.join(self.folder.name, "hang"), "w", encoding="utf-8").close()
        workers = [self.start_worker("hanging"), self.start_worker("hanging")]
        self.client.start("h", "hanging")
        self.assertEqual(self.client.result("h"), ("COMPLETED", "done"))
        self.assertEqual(sorted(self.says(each)["replays"] for each in workers), [0, 1])
        self.assertEqual(self.says(workers[0])["turn_timeout"], 5000)


class NamespacesTest(DeciderCase):
    CONFIG = "namespaces: { shop: {}, bank: {} }\n"

    def client_of(self, namespace):
        client = Client(self.api, self.address, namespace)
        self.addCleanup(client.channel.close)
        return client

    def test_a_worker_decides_for_its_namespace_and_no_other(self):
        shop, bank = self.client_of("shop"), self.client_of("bank")
        worker = self.start_worker("waiting", "parent", namespace="shop")
        with self.assertRaises(grpc.RpcError) as refused:
            bank.start("w", "waiting")
        self.assertEqual(refused.exception.code(), grpc.StatusCode.NOT_FOUND)
        other = self.start_worker("waiting", namespace="bank")
        for client in (shop, bank):
            client.start("sibling", "waiting")
        shop.start("p", "parent")
        self.wait_until(lambda: shop.types("sibling").count("WorkflowExecutionSignaled") == 1)
        for name in ("child", "sibling"):
            shop.signal(name, "go", "end")
        bank.signal("sibling", "go", "end")
        self.assertEqual(shop.result("sibling"), ("COMPLETED", ["from p"]))
        self.assertEqual(shop.result("p"), ("COMPLETED", []))
        self.assertEqual(bank.result("sibling"), ("COMPLETED", []))
        self.assertEqual(shop.history("p")[0].type, "WorkflowExecutionStarted")
        self.kill(worker)
        shop.start("later", "waiting")  # of a type that has executions there
        self.assertIn("no worker is connected", self.wait_blocked("later", "unserved", shop))
        shop.signal("later", "go", "end")
        self.start_worker("waiting", namespace="shop")
        self.assertEqual(shop.result("later"), ("COMPLETED", []))
        self.wait_until(lambda: self.says(other)["turns"] == 2)

    def test_a_namespace_that_is_not_there_is_refused(self):
        worker = self.start_worker("waiting", namespace="moon", wait=False)
        self.assertNotEqual(worker.wait(LIMIT), 0)


if __name__ == "__main__":
    unittest.main()
