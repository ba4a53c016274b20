#!/usr/bin/env python3
"""`server --publish` of real processes that are killed: every journaled event is published, in order, whatever happens.

Usage: publishing_test.py PROGRAM
"""
import json
import os
import signal
import threading
import unittest

from program import LIMIT, ProgramTest


class Publishing(ProgramTest):
    def setUp(self):
        super().setUp()
        self.events = self.path("events.jsonl")

    def start_server(self, *arguments, to=None):
        process = self.start_program("server", "--publish", to or "file:" + self.events, *arguments)
        self.wait_until(lambda: process.poll() is not None or self.answers())
        self.assertIsNone(process.poll())
        return process

    def answers(self):
        return os.path.exists(self.socket) and self.run_if_possible("list")

    def run_if_possible(self, *arguments):
        """A command whose server may be killed meanwhile."""
        process = self.start_program(*arguments)
        process.communicate(timeout=LIMIT)
        return process.returncode == 0

    def stop(self, process):
        process.send_signal(signal.SIGTERM)
        code, _, err = self.end_of(process)
        self.assertEqual(code, 0, err)

    def published(self):
        """Whole lines only: what a process that was killed has torn comes again."""
        with open(self.events, encoding="utf-8") as file:
            return [json.loads(line) for line in file if line.endswith("\n")]

    def journaled(self):
        """Event numbers and types by execution."""
        listed = self.run_program("list", "--limit", "10000", "--json").stdout.splitlines()
        ids = [json.loads(line)["workflow_id"] for line in listed]
        return {each: [(event["seq"], event["type"]) for event in self.history(each)] for each in ids}

    def check_published(self, events):
        by_id = {}
        in_order = {}
        for event in events:
            known = by_id.setdefault((event["source"], event["id"]), event)
            self.assertEqual(known, event, "a repeat says the same")
            if known is event:
                of_workflow = in_order.setdefault(event["subject"], [])
                of_workflow.append((int(event["eventnumber"]), event["type"].removeprefix("evermill.")))
        self.assertEqual(in_order, self.journaled())

    def test_brings_all_events_of_a_server_that_is_killed_again_and_again(self):
        killed = 0
        for life in range(6):
            process = self.start_server()
            killer = threading.Timer(0.05 + 0.11 * life, process.kill)
            killer.start()
            for n in range(40):
                self.run_if_possible("run", "greet", "--id", f"g-{life}-{n}", "--input", '"x"')
                if process.poll() is not None:
                    break
            killer.cancel()
            killed += process.poll() is not None
            self.end(process)
        self.assertGreater(killed, 0)
        self.stop(self.start_server())
        self.check_published(self.published())
        self.run_program("verify")

    def test_brings_later_what_was_decided_while_no_server_ran(self):
        process = self.start_server()
        # It is served by the server, and goes on there.
        waiting = self.start_program("run", "needs_signal", "--id", "s")
        self.wait_until(lambda: self.is_listed("s"))
        self.stop(process)
        self.end(waiting)
        self.run_program("signal", "s", "approval", '"Ada"')
        self.assertNotIn("evermill.WorkflowExecutionSignaled", [event["type"] for event in self.published()])
        self.stop(self.start_server())
        self.check_published(self.published())
        ids = [event["id"] for event in self.published()]
        self.assertEqual(len(ids), len(set(ids)), "an orderly stop repeats nothing")

    def test_waits_for_a_place_that_is_away(self):
        self.events = self.path("mounted", "events.jsonl")
        process = self.start_server()
        self.run_program("run", "greet", "--id", "g", "--input", '"x"')
        os.mkdir(self.path("mounted"))
        self.wait_until(lambda: os.path.exists(self.events) and len(self.published()) == 2)
        self.stop(process)
        self.check_published(self.published())

    def test_writes_to_standard_output_and_nothing_else(self):
        process = self.start_server("--publish-types", "WorkflowExecutionCompleted", "--publish-workflows", "greet,echoes",
                                    to="stdout:")
        self.run_program("run", "greet", "--id", "g", "--input", '"x"')
        self.run_program("run", "fails", "--id", "f", code=1)
        process.send_signal(signal.SIGTERM)
        code, out, err = self.end_of(process)
        self.assertEqual(code, 0, err)
        events = [json.loads(line) for line in out.splitlines()]
        self.assertEqual([(event["subject"], event["type"]) for event in events],
                         [("g", "evermill.WorkflowExecutionCompleted")])
        self.assertEqual(events[0]["data"]["result"], "hello x")

    def test_publishes_protobuf(self):
        process = self.start_server("--publish-format", "protobuf")
        self.run_program("run", "greet", "--id", "g", "--input", '"x"')
        self.stop(process)
        for event in self.published():
            self.assertEqual(event["datacontenttype"], "application/protobuf")
            self.assertIn("data_base64", event)

    def check_refused(self, said, *arguments):
        self.assertIn(said, self.run_program("server", *arguments, code=2).stderr)

    def test_says_what_is_wrong_with_its_options(self):
        self.check_refused("--publish", "--publish-types", "WorkflowExecutionStarted")
        self.check_refused("stdout:, file:PATH", "--publish", "somewhere")
        self.check_refused("needs a path", "--publish", "file:")
        self.check_refused("no type of event \"Nothing\"", "--publish", "stdout:", "--publish-types", "Nothing")
        self.check_refused("has none", "--publish", "queue:")
        self.check_refused("limit of 0", "--publish", "stdout:", "--publish-limit", "0")
        self.check_refused("a stream's name", "--publish", "redis://localhost?stream=a/b")
        self.check_refused("choose another name", "--publish", "kafka://localhost?stream=log")
        self.check_refused("json", "--publish", "stdout:", "--publish-format", "xml")
        refused = self.run_program("server", "--publish", "rediss://user:secret@localhost", code=2)
        self.assertNotIn("secret", refused.stderr)


if __name__ == "__main__":
    unittest.main()
