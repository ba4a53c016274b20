#!/usr/bin/env python3
"""Traces of a real server, as a collector gets them.

Usage: traces_test.py PROGRAM
"""
import json
import os
import sys
import threading
import unittest
import urllib.request

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path.insert(0, os.path.join(ROOT, "tests", "cli"))
from program import LIMIT, ProgramTest  # noqa: E402
from collector import Collector, attribute  # noqa: E402

TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
CALLER = "00f067aa0ba902b7"
PARENT = f"00-{TRACE}-{CALLER}-01"
UNSAMPLED = f"00-{TRACE}-{CALLER}-00"

FLOW = """
document: { dsl: 1.0.0, namespace: tests, name: NAME, version: 1.0.0 }
do:
"""


class Traces(ProgramTest):
    def collect(self, **how):
        collector = Collector(**how)
        self.addCleanup(collector.close)
        return collector

    def serve(self, collector, *more, **environment):
        """A server that sends its traces there."""
        endpoint = collector if isinstance(collector, str) else collector.url
        return self.serve_http("--otlp-endpoint", endpoint, *more, **environment)

    def run_shell(self, workflow_id, command, code=0, **environment):
        return self.run_program("run", "shell", "--id", workflow_id, "--input", json.dumps({"script": command}), "--json", code=code,
                                **environment)

    def metric(self, name):
        with urllib.request.urlopen(self.api + "/metrics", timeout=LIMIT) as answer:
            return {line.rsplit(" ", 1)[0]: float(line.rsplit(" ", 1)[1]) for line in answer.read().decode().splitlines()
                    if line.startswith(name)}

    def flow(self, name, tasks):
        path = self.path(name + ".yaml")
        with open(path, "w", encoding="utf-8") as file:
            file.write(FLOW.replace("NAME", name) + tasks)
        return path

    def test_the_callers_trace_goes_through_runs_attempts_and_children(self):
        collector = self.collect()
        seen = self.collect()  # a service that is called

        class Service(Collector):
            def take(self, path, headers, request):
                self.headers.append(dict(headers))

        seen = Service()
        self.addCleanup(seen.close)
        self.flow("child", "  - says: { run: { shell: { command: 'printf \"%s\" \"$TRACEPARENT\"' } } }\n")
        parent = self.flow("parent", "  - it: { run: { workflow: { namespace: tests, name: child, version: latest } } }\n"
                           f"  - calls: {{ call: http, with: {{ method: post, endpoint: '{seen.url}/', body: {{ a: 1 }} }} }}\n")
        server = self.serve(collector, OTEL_SERVICE_NAME="shop", OTEL_EXPORTER_OTLP_HEADERS="x-key=secret%20one,x-other=2")
        self.run_program("run", parent, "--id", "p", TRACEPARENT=PARENT, TRACESTATE="vendor=1")
        err = self.stop(server)

        self.assertEqual(collector.problems, [])
        self.assertNotIn("secret", err)
        self.assertEqual({headers.get("x-key") for headers in collector.headers}, {"secret one"})
        self.assertEqual({of["service.name"] for of in collector.services}, {"shop"})
        self.assertEqual({span["traceId"] for span in collector.spans}, {TRACE})
        self.assertEqual({span["traceState"] for span in collector.spans}, {"vendor=1"})
        runs = collector.named("workflow evermill.dsl")
        self.assertEqual(len(runs), 2)
        of_parent = next(run for run in runs if attribute(run, "evermill.workflow.id") == "p")
        of_child = next(run for run in runs if run is not of_parent)
        self.assertEqual(of_parent["parentSpanId"], CALLER)
        self.assertEqual(of_child["parentSpanId"], of_parent["spanId"])
        self.assertEqual({run["status"].get("code") for run in runs}, {1})
        by_id = {span["spanId"]: span for span in collector.spans}
        self.assertEqual(len(by_id), len(collector.spans))
        # What is called finds the attempt that calls it.
        (_, trace, span, flags), = [headers["traceparent"].split("-") for headers in seen.headers]
        self.assertEqual((trace, flags), (TRACE, "01"))
        self.assertEqual(seen.headers[0]["tracestate"], "vendor=1")
        self.assertEqual(by_id[span]["name"], "activity http")
        self.assertEqual(by_id[span]["parentSpanId"], of_parent["spanId"])
        (said,) = collector.named("activity shell")
        self.assertEqual(said["parentSpanId"], of_child["spanId"])
        self.assertEqual(said["status"]["code"], 1)
        self.assertEqual(attribute(said, "evermill.attempt"), "1")
        turns = collector.named("turn")
        self.assertGreater(len(turns), 3)
        self.assertEqual({turn["parentSpanId"] for turn in turns}, {of_parent["spanId"], of_child["spanId"]})
        self.assertEqual(attribute(turns[0], "evermill.event.type"), "workflow_execution_started")
        # It is in the journal, where a restart finds it.
        started = self.run_program("history", "p", "--json").stdout.splitlines()[0]
        self.assertIn(PARENT, started)

    def test_a_shell_command_is_told_its_own_span(self):
        collector = self.collect()
        server = self.serve(collector)
        told = json.loads(self.run_shell("w", "printf %s $TRACEPARENT,$TRACESTATE", TRACEPARENT=PARENT, TRACESTATE="a=b").stdout)
        self.stop(server)
        (attempt,) = collector.named("activity shell")
        self.assertIn(f"00-{TRACE}-{attempt['spanId']}-01,a=b", json.dumps(told))

    def test_a_header_of_a_request_is_the_caller(self):
        collector = self.collect()
        server = self.serve(collector)
        body = json.dumps({"workflow_type": "shell", "workflow_id": "h", "input": {"script": "exit 3", "check": True}}).encode()
        request = urllib.request.Request(self.api + "/api/v1/namespaces/default/workflows", body,
                                         {"Content-Type": "application/json", "traceparent": PARENT})
        with urllib.request.urlopen(request, timeout=LIMIT):
            pass
        self.run_program("run", "shell", "--id", "h", code=1)
        self.stop(server)
        (run,) = collector.named("workflow shell")
        self.assertEqual((run["traceId"], run["parentSpanId"]), (TRACE, CALLER))
        self.assertEqual(run["status"]["code"], 2)
        self.assertEqual(attribute(run, "error.type"), "NonZeroExit")
        self.assertEqual(attribute(run, "evermill.status"), "failed")

    def test_without_a_caller_a_run_begins_a_trace(self):
        collector = self.collect()
        server = self.serve(collector)
        self.run_shell("w", "true", TRACEPARENT="no traceparent")
        self.stop(server)
        (run,) = collector.named("workflow shell")
        self.assertNotIn("parentSpanId", run)
        self.assertEqual({span["traceId"] for span in collector.spans}, {run["traceId"]})
        self.assertNotEqual(run["traceId"], TRACE)
        self.assertEqual(collector.problems, [])

    def test_what_is_not_sampled_is_not_sent(self):
        collector = self.collect()
        server = self.serve(collector)
        told = self.run_shell("w", "printf %s $TRACEPARENT", TRACEPARENT=UNSAMPLED).stdout
        self.run_shell("v", "true", TRACEPARENT=PARENT)
        self.stop(server)
        self.assertEqual({attribute(span, "evermill.workflow.id") for span in collector.spans}, {"v"})
        self.assertRegex(told, f"00-{TRACE}-[0-9a-f]{{16}}-00")  # what is called knows that, too

    def test_sampling_is_of_traces_that_begin_here(self):
        collector = self.collect()
        server = self.serve(collector, "--otlp-sample", "0")
        self.run_shell("w", "true")
        self.run_shell("v", "true", TRACEPARENT=PARENT)
        self.stop(server)
        self.assertEqual({attribute(span, "evermill.workflow.id") for span in collector.spans}, {"v"})

    def test_a_server_that_is_killed_goes_on_with_the_same_run(self):
        collector = self.collect()
        server = self.serve(collector)
        go = self.path("go")
        self.run_program("start", "shell", "--id", "w", "--input",
                         json.dumps({"script": f"until [ -e {go} ]; do sleep 0.05; done"}), TRACEPARENT=PARENT)
        self.wait_until(lambda: self.metric('evermill_activity_attempts_running{task_queue="default"}') == {
            'evermill_activity_attempts_running{task_queue="default"}': 1.0})
        server.kill()
        server.wait()
        server = self.serve(collector)
        with open(go, "w"):
            pass
        self.run_program("run", "shell", "--id", "w")
        self.stop(server)
        (run,) = collector.named("workflow shell")
        self.assertEqual((run["traceId"], run["parentSpanId"]), (TRACE, CALLER))
        attempts = collector.named("activity shell")
        self.assertEqual(sorted((attribute(each, "evermill.attempt"), each["status"]["code"]) for each in attempts), [("1", 2), ("2", 1)])
        self.assertEqual({each["parentSpanId"] for each in attempts}, {run["spanId"]})
        lost = next(each for each in attempts if attribute(each, "evermill.attempt") == "1")
        self.assertEqual(attribute(lost, "error.type"), "Lost")
        self.assertEqual(len({span["spanId"] for span in collector.spans}), len(collector.spans))

    def test_a_collector_that_is_away_holds_nothing_up(self):
        collector = self.collect()
        port = collector.port
        collector.close()
        server = self.serve(f"http://127.0.0.1:{port}")
        self.run_shell("w", "true")
        self.wait_until(lambda: self.metric("evermill_trace_export_failures_total").get("evermill_trace_export_failures_total", 0) > 0)
        self.run_shell("v", "true")
        again = self.collect(port=port)  # what was kept comes when it is back
        self.wait_until(lambda: len(again.named("workflow shell")) == 2)
        self.assertEqual(self.metric("evermill_trace_spans_dropped_total{"),
                         {f'evermill_trace_spans_dropped_total{{reason="{why}"}}': 0.0 for why in ("queue_full", "rejected", "stopping")})
        self.stop(server)

    def test_a_collector_that_does_not_answer_holds_nothing_up(self):
        answers = threading.Event()
        self.addCleanup(answers.set)

        def hang(_):
            answers.wait(LIMIT)
            return 200, "{}"
        collector = self.collect(answer=hang)
        server = self.serve(collector, "--stop-grace", "100")
        self.run_shell("w", "true")
        self.wait_until(lambda: collector.requests > 0)
        self.run_shell("v", "true")
        self.stop(server)  # it would not end otherwise

    def test_what_the_collector_refuses_is_counted(self):
        collector = self.collect(answer=lambda n: (400, "{}") if n == 0 else (200, '{"partialSuccess":{"rejectedSpans":"1"}}'))
        server = self.serve(collector)
        self.run_shell("w", "true")
        rejected = 'evermill_trace_spans_dropped_total{reason="rejected"}'
        self.wait_until(lambda: self.metric(rejected)[rejected] > 0)
        before = self.metric(rejected)[rejected]
        self.run_shell("v", "true")
        self.wait_until(lambda: self.metric(rejected)[rejected] > before)
        self.assertIn("refuses", self.stop(server))

    def test_what_is_busy_is_asked_again(self):
        collector = self.collect(answer=lambda n: (503, "") if n < 1 else (200, "{}"))
        server = self.serve(collector)
        self.run_shell("w", "true")
        self.wait_until(lambda: collector.named("workflow shell"))
        self.stop(server)
        self.assertGreater(collector.requests, 1)

    def test_without_an_endpoint_the_callers_trace_is_passed_on(self):
        told = self.run_shell("w", "printf %s $TRACEPARENT", TRACEPARENT=PARENT).stdout
        self.assertIn(PARENT, told)

    def test_what_is_no_endpoint_is_refused(self):
        done = self.run_program("server", "--otlp-endpoint", "collector:4318", code=2)
        self.assertIn("http://localhost:4318", done.stderr)
        for headers in ("s3cr3t", "x-key=s3cr3t%2"):
            done = self.run_program("server", "--otlp-endpoint", "http://localhost:1", code=2, OTEL_EXPORTER_OTLP_HEADERS=headers)
            self.assertIn("OTEL_EXPORTER_OTLP_HEADERS", done.stderr)
            self.assertNotIn("s3cr3t", done.stderr)


if __name__ == "__main__":
    unittest.main()
