#!/usr/bin/env python3
"""The API over HTTP as a client sees it.

Usage: api_test.py PROGRAM, the one that docs/http.md shows.
"""
import hashlib
import hmac
import http.client
import json
import socket
import threading
import time
import unittest

from api_case import BASE, LIMIT, SECRET, ApiTest, encoded, quote

JSON = {"Content-Type": "application/json"}


class Starts(ApiTest):
    def test_the_same_start_finds_what_is_there(self):
        first = self.start("starts-1")
        self.assertEqual((first.status, first.json["existed"]), (201, False))
        self.assertEqual(first.headers["Location"], BASE + "/workflows/starts-1")
        again = self.start("starts-1")
        self.assertEqual((again.status, again.json), (200, {**first.json, "existed": True}))
        self.assert_problem(self.post("/workflows", {"workflow_id": "starts-1", "workflow_type": "fulfil_order", "input": ["pen"]}), 409,
                            "already-exists")

    def test_an_id_is_made_where_none_is_given(self):
        answer = self.post("/workflows", {"workflow_type": "fulfil_order", "input": ["cup"]})
        self.assertEqual(answer.status, 201)
        self.assertEqual(len(answer.json["workflow_id"]), 36)

    def test_a_key_makes_a_request_happen_once(self):
        body = {"workflow_id": "keyed", "workflow_type": "fulfil_order", "input": ["cup"], "reuse": "terminate_existing"}
        first = self.post("/workflows", body, {"Idempotency-Key": "\"k-1\""})
        again = self.post("/workflows", body, {"Idempotency-Key": "k-1"})
        self.assertEqual((first.status, again.status), (201, 200))
        self.assertEqual(first.json["run_id"], again.json["run_id"])
        other = self.post("/workflows", dict(body, request_id="k-2"))
        self.assertNotEqual(first.json["run_id"], other.json["run_id"])
        self.assert_problem(self.post("/workflows", dict(body, request_id="k-3"), {"Idempotency-Key": "k-4"}), 400, "invalid-argument",
                            "differ")

    def test_policies_and_timeouts(self):
        self.start("timed", execution_timeout="150ms", run_timeout="1h30m")
        end = self.get("/workflows/timed/result?wait=30s")
        self.assertEqual((end.status, end.json["status"]), (200, "timed_out"))
        self.assertEqual(end.json["failure"]["kind"], "timed_out")
        self.assert_problem(self.post("/workflows", {"workflow_id": "timed", "workflow_type": "fulfil_order", "input": ["cup"],
                                                     "reuse": "reject_duplicate"}), 409, "already-exists")
        self.assertEqual(self.start("timed", reuse="allow").json["existed"], False)

    def test_what_is_wrong_is_named(self):
        cases = [({"workflow_type": "fulfil_order", "workflow_ID": "x"}, '"workflow_ID" is unknown here; did you mean "workflow_id"?'),
                 ({"workflow_id": "x"}, '"workflow_type" is missing'),
                 ({"workflow_type": 7}, '"workflow_type" is no string'),
                 ({"workflow_type": "fulfil_order", "run_timeout": "soon"}, '"run_timeout" is no duration: "soon"'),
                 ({"workflow_type": "fulfil_order", "reuse": "never"}, '"reuse" is none of allow, '),
                 ({"workflow_type": "fulfil_order", "with_signal": {"name": "approval", "inputs": 1}}, '"with_signal.inputs" is unknown'),
                 ({"workflow_type": "fulfil_order", "input": 1, "input_payload": {}}, '"input_payload" stands beside "input"'),
                 ({"workflow_type": "fulfil_order", "input_payload": {"content_type": "a/b", "data": "?"}}, "is no base64")]
        for body, detail in cases:
            self.assert_problem(self.post("/workflows", body), 400, "invalid-body", detail)
        self.assert_problem(self.post("/workflows", {"workflow_type": "none"}), 404, "unknown-workflow")
        self.assert_problem(self.post("/workflows", {"workflow_type": "fulfil_order", "workflow_id": "x" * 600}), 400, "invalid-argument")

    def test_json_that_is_none(self):
        cases = [(b"", "there is no body"), (b"{", "line 1, column 2"), (b'{"a":\n 1,}', "line 2, column 4"), (b"[]", "no JSON object"),
                 (b'{"workflow_type": "a\xff"}', "UTF-8"), (b'{"workflow_type": "a", "workflow_type": "b"}', "stands twice"),
                 (b'{"input": ' + b"[" * 1100 + b"]" * 1100 + b"}", "deeper than 1000"), (b"\xef\xbb\xbf{}", "byte order mark"),
                 (b'{"input": {"a": 1, "a": 2}}', "stands twice"), (b'{"input": 1e999}', ""), (b'{"input": NaN}', ""), (b"{} {}", "")]
        for body, detail in cases:
            self.assert_problem(self.request("POST", BASE + "/workflows", body, JSON), 400, "invalid-body", detail)

    def test_a_batch_has_an_outcome_for_each(self):
        starts = [{"workflow_id": f"batch-{i}", "workflow_type": "fulfil_order", "input": ["cup"]} for i in range(200)]
        starts[7]["workflow_type"] = "none"
        starts[8]["typo"] = 1
        outcomes = self.post("/workflows:batch", {"starts": starts}).json["outcomes"]
        self.assertEqual(len(outcomes), 200)
        self.assertEqual(outcomes[7]["error"]["type"], "/problems/unknown-workflow")
        self.assertIn('"starts[8].typo" is unknown', outcomes[8]["error"]["detail"])
        self.assertEqual([o["started"]["workflow_id"] for i, o in enumerate(outcomes) if i not in (7, 8)],
                         [s["workflow_id"] for i, s in enumerate(starts) if i not in (7, 8)])
        self.assertEqual(self.post("/workflows:batch", {"starts": []}).json, {"outcomes": []})
        self.assert_problem(self.post("/workflows:batch", {"starts": [{}] * 10_001}), 400, "invalid-body", "10,000")

    def test_many_clients_at_once(self):
        failures = []

        def client(number):
            connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=LIMIT)
            for i in range(50):
                body = json.dumps({"workflow_id": f"many-{number}-{i}", "workflow_type": "fulfil_order", "input": ["cup"]})
                connection.request("POST", BASE + "/workflows", body, JSON)
                answer = connection.getresponse()
                if answer.status != 201 or f"many-{number}-{i}" not in answer.read().decode():
                    failures.append((number, i, answer.status))
            connection.close()

        threads = [threading.Thread(target=client, args=(n,)) for n in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.assertEqual(failures, [])


class Executions(ApiTest):
    def test_ids_of_all_kinds(self):
        for workflow_id in ("a/b", "%2F", "..", ".", "a:cancel", "ä ö+ü", "q?x=1#y", "%", "x" * 512, "//", "{id}"):
            self.start(workflow_id)
            self.assertEqual(self.get("/workflows/" + quote(workflow_id).replace(".", "%2E")).json["workflow_id"], workflow_id)

    def test_paths_that_are_tricks(self):
        for path in ("/api/v1/namespaces/default/workflows/..", "/api/v1//status", "/api/v1/status/", "/./openapi.json",
                     BASE + "/workflows/%", BASE + "/workflows/%zz", BASE + "/workflows/%00", BASE + "/workflows/%ff",
                     BASE + "/workflows/a%00b"):
            self.assert_problem(self.request("GET", path), 400, "malformed-request")
        for path in ("/", "/api", "/API/v1/status", "/api/v1/namespaces/default", BASE + "/workflows/a/b/c"):
            self.assert_problem(self.request("GET", path), 404, "no-such-path")
        self.assert_problem(self.request("GET", BASE + "/workflows/x:look"), 404, "no-such-path", "%3A")
        self.assert_problem(self.request("GET", "/api/v1/namespaces/other/workflows/x"), 404, "not-found", "namespace")
        self.assertIn("200 OK", self.raw(f"GET http://127.0.0.1:{self.port}/healthz HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n"))

    def test_queries_of_paths(self):
        self.assert_problem(self.get("/workflows?page_sise=1"), 400, "malformed-request", 'did you mean "page_size"?')
        self.assert_problem(self.get("/workflows?page_size=1&page_size=2"), 400, "malformed-request", "twice")
        self.assert_problem(self.get("/workflows?page_size=1001"), 400, "malformed-request")
        self.assert_problem(self.get("/workflows?status=runing"), 400, "malformed-request", 'did you mean "running"?')
        self.assert_problem(self.get("/workflows?started_from=today"), 400, "malformed-request", "2026-05-01")
        self.assert_problem(self.get("/workflows/x/result?wait=61s"), 400, "malformed-request", "60s")

    def test_methods(self):
        answer = self.assert_problem(self.request("DELETE", BASE + "/workflows"), 405, "method-not-allowed")
        self.assertEqual(answer.headers["Allow"], "GET, HEAD, OPTIONS, POST")
        self.assertEqual(self.request("GET", BASE + "/workflows/x:cancel").headers["Allow"], "OPTIONS, POST")
        options = self.request("OPTIONS", BASE + "/workflows")
        self.assertEqual((options.status, options.headers["Allow"]), (204, "GET, HEAD, OPTIONS, POST"))
        head = self.request("HEAD", "/api/v1/status")
        self.assertEqual((head.status, head.text), (200, ""))
        self.assertGreater(int(head.headers["Content-Length"]), 100)

    def test_a_life(self):
        self.start("life", ["book"])
        one = "/workflows/life"
        self.assertEqual(self.post(one + "/queries/items").json, {"answer": ["book"]})
        self.assert_problem(self.post(one + "/queries/none"), 422, "refused")
        self.assertEqual(self.post(one + "/updates/add_item", "lamp", {"Idempotency-Key": "u"}).json, {"accepted": True, "result": 2})
        self.assertEqual(self.post(one + "/updates/add_item", "lamp", {"Idempotency-Key": "u"}).json, {"accepted": True, "result": 2})
        refused = self.post(one + "/updates/add_item", "").json
        self.assertEqual((refused["accepted"], refused["failure"]["type"], refused["failure"]["kind"]), (False, "NoItem", "application"))
        for _ in range(2):
            self.assertEqual(self.post(one + "/signals/approval", "ann", {"Idempotency-Key": "s"}).status, 204)
        token = self.wait_until(lambda: (self.get(one).json["activities"] or [{}])[0].get("token"))
        activity = "/activities/" + quote(token)
        self.assertEqual(self.post(activity + ":heartbeat", {"percent": 5}).json, {"cancel_requested": False})
        self.assertEqual(self.get(one + "/result").json, {"workflow_id": "life", "status": "running"})
        self.assertEqual(self.post(activity + ":complete", "done").status, 204)
        self.assertEqual(self.get(one + "/result?wait=30s").json,
                         {"workflow_id": "life", "status": "completed", "result": "done, approved by ann"})
        self.assert_problem(self.post(activity + ":complete", "done"), 404, "not-found")
        self.assert_problem(self.post(one + "/signals/approval", "ann"), 409, "closed")
        self.assertEqual(self.post(one + "/queries/items").json, {"answer": ["book", "lamp"]})
        types = [event["type"] for event in self.history("life")]
        self.assertEqual(types.count("WorkflowExecutionSignaled"), 1)
        self.assertEqual(types[-1], "WorkflowExecutionCompleted")

    def history(self, workflow_id):
        events, seq = [], 1
        while True:
            page = self.get(f"/workflows/{workflow_id}/history?page_size=2&from_seq={seq}").json
            if not page["events"]:
                self.assertTrue(page["ended"])
                return events
            events += page["events"]
            self.assertEqual(page["next_seq"], page["events"][-1]["seq"] + 1)
            seq = page["next_seq"]

    def test_an_attempt_that_fails(self):
        self.start("fails", with_signal={"name": "approval", "input": "ann"})
        token = self.wait_until(lambda: (self.get("/workflows/fails").json["activities"] or [{}])[0].get("token"))
        cause = {"kind": "lost", "message": "gone", "details": {"n": 12345678901234567890123}}
        body = {"type": "OutOfStock", "message": "no cup", "non_retryable": True, "cause": cause}
        self.assert_problem(self.post(f"/activities/{quote(token)}:fail", {"typ": "x"}), 400, "invalid-body", 'did you mean "type"?')
        self.assertEqual(self.post(f"/activities/{quote(token)}:fail", body).status, 204)
        end = self.get("/workflows/fails/result?wait=30s")
        self.assertEqual(end.json["status"], "failed")
        self.assertIn("12345678901234567890123", end.text)

    def test_ends_from_outside(self):
        for action, status in (("cancel", "canceled"), ("terminate", "terminated")):
            self.start(action)
            self.assertEqual(self.post(f"/workflows/{action}:taint").status, 204)
            self.assertEqual(self.post(f"/workflows/{action}:{action}", {"reason": "why not"}).status, 204)
            end = self.get(f"/workflows/{action}/result?wait=30s").json
            self.assertEqual((end["status"], end["failure"]["kind"]), (status, status))
            self.assertIn("why not", json.dumps(end))
        self.assert_problem(self.post("/workflows/none:cancel"), 404, "not-found")
        self.assert_problem(self.get("/workflows/none/result"), 404, "not-found")
        self.assert_problem(self.get("/workflows/none"), 404, "not-found")

    def test_numbers_keep_their_digits(self):
        body = (b'{"workflow_id": "digits", "workflow_type": "fulfil_order", "input": ["cup"], "with_signal": '
                b'{"name": "unread", "input": { "b": 12345678901234567890123,\n "a": 1.10, "s": " x\\u00e4 " }}}')
        self.assertEqual(self.request("POST", BASE + "/workflows", body, JSON).status, 201)
        self.start("bytes")
        for kind, data in (("application/octet-stream", b"\0\xff"), ("image/png", b"png"), ("application/protobuf; messageType=a.B", b"x")):
            self.assertEqual(self.request("POST", BASE + "/workflows/bytes/signals/unread", data, {"Content-Type": kind}).status, 204)
        shown = self.get("/workflows/bytes/history").text
        for part in (encoded(b"\0\xff"), encoded(b"png"), "image/png"):
            self.assertIn(part, shown)

    def test_content_types(self):
        path = BASE + "/workflows"
        for kind in ("text/plain", "application/x-www-form-urlencoded", "application/json; charset=latin1", "json"):
            self.assert_problem(self.request("POST", path, b"{}", {"Content-Type": kind}), 415, "unsupported-media-type")
        self.assert_problem(self.request("POST", path, b"{}"), 415, "unsupported-media-type", "no Content-Type")
        self.assert_problem(self.request("POST", path, b"{}", dict(JSON, **{"Content-Encoding": "gzip"})), 415, "unsupported-media-type")
        self.assert_problem(self.request("POST", path + "/x/signals/approval", b"a=b",
                                         {"Content-Type": "application/x-www-form-urlencoded"}), 415, "unsupported-media-type")
        self.assertEqual(self.request("POST", path, b'{"workflow_type": "fulfil_order", "input": ["x"]}',
                                      {"Content-Type": "Application/JSON; Charset=\"UTF-8\"", "Accept": "text/html"}).status, 201)
        self.assert_problem(self.post("/workflows/x:taint", {}), 400, "invalid-body", "nothing is expected")

    def test_lists(self):
        ids = {f"list-{i}" for i in range(7)}
        for workflow_id in ids:
            self.start(workflow_id)
        found, token = set(), ""
        while True:
            page = self.get("/workflows?page_size=3&page_token=" + quote(token)).json
            found |= {row["workflow_id"] for row in page["workflows"]}
            token = page.get("next_page_token", "")
            if not token:
                break
        self.assertLessEqual(ids, found)
        self.post("/workflows/list-3:terminate")
        rows = self.get("/workflows?prefix=list-&status=terminated&status=canceled&type=fulfil_order&blocked=false").json["workflows"]
        self.assertEqual([row["workflow_id"] for row in rows], ["list-3"])
        started = quote(rows[0]["started_at"])
        self.assertEqual(self.get(f"/workflows?prefix=list-3&started_from={started}").json["workflows"][0]["workflow_id"], "list-3")
        self.assertEqual(self.get(f"/workflows?prefix=list-3&started_before={started}").json["workflows"], [])
        self.assertEqual(self.get("/workflows:count?prefix=list-").json,
                         {"count": 7, "blocked": 0, "by_status": {"running": 6, "terminated": 1}})
        self.assert_problem(self.get("/workflows?page_token=none"), 400, "invalid-argument")

    def test_human_tasks(self):
        self.post("/workflows", {"workflow_id": "asks", "workflow_type": "check_address", "input": "1 Long Street"})
        tasks = self.wait_until(lambda: self.get("/human-tasks?name=check").json["human_tasks"])
        one = "/human-tasks/" + quote(tasks[0]["task_id"])
        self.assertEqual(self.get(one).json["question"], "1 Long Street")
        self.assertEqual(self.post(one + ":claim", {"by": "ann"}).status, 204)
        self.assert_problem(self.post(one + ":claim", {"by": "bob"}), 409, "conflict")
        self.assert_problem(self.post(one + ":delegate", {"by": "ann"}), 400, "invalid-body", '"assignee" is missing')
        self.assertEqual(self.post(one + ":delegate", {"by": "ann", "assignee": "bob"}).status, 204)
        self.assertEqual(self.get("/human-tasks?assignee=bob").json["human_tasks"][0]["task_id"], tasks[0]["task_id"])
        self.assertEqual(self.post(one + ":release", {"by": "bob"}).status, 204)
        self.assertEqual(self.post(one + ":complete", {"by": "ann", "answer": False}).status, 204)
        self.assertEqual(self.get("/workflows/asks/result?wait=30s").json["result"], False)
        self.assert_problem(self.post(one + ":complete", {"by": "ann", "answer": False}), 409, "closed")
        self.assert_problem(self.get("/human-tasks?unassigned=perhaps"), 400, "malformed-request")

    def test_the_engine(self):
        status = self.request("GET", "/api/v1/status").json
        self.assertEqual((status["process_id"], status["ready"]), (self.server.pid, True))
        self.assertEqual(self.get("/locks").json, {"locks": []})
        self.assert_problem(self.request("GET", "/api/v1/cluster"), 400, "invalid-argument")
        self.assertEqual(self.request("GET", "/healthz").text, "alive\n")
        self.assertEqual(self.request("GET", "/readyz").status, 200)
        self.assertIn("evermill_turns_total", self.request("GET", "/metrics").text)


class Waits(ApiTest):
    def test_a_result_is_waited_for(self):
        self.start("waits")
        answers = []
        waiting = [threading.Thread(target=lambda: answers.append(self.get("/workflows/waits/result?wait=60s"))) for _ in range(20)]
        for thread in waiting:
            thread.start()
        self.post("/workflows/waits:terminate")
        for thread in waiting:
            thread.join()
        self.assertEqual([(a.status, a.json["status"]) for a in answers], [(200, "terminated")] * 20)

    def test_a_wait_has_an_end(self):
        self.start("waits-on")
        answer = self.get("/workflows/waits-on/result?wait=50ms")
        self.assertEqual((answer.status, answer.json), (202, {"workflow_id": "waits-on", "status": "running"}))

    def test_who_goes_is_forgotten(self):
        self.start("left")
        for _ in range(50):
            with socket.create_connection(("127.0.0.1", self.port)) as connection:
                connection.sendall(f"GET {BASE}/workflows/left/result?wait=60s HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
        self.assertEqual(self.get("/workflows/left/result").status, 202)


class Events(ApiTest):
    def stream(self, path, **headers):
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=LIMIT)
        self.addCleanup(connection.close)
        connection.request("GET", BASE + path, headers=headers)
        answer = connection.getresponse()
        self.assertEqual(answer.status, 200)
        self.assertEqual(answer.headers["Content-Type"], "text/event-stream; charset=utf-8")
        return answer

    @staticmethod
    def event(answer):
        """The next one; {} at the end."""
        fields = {}
        while line := answer.readline().decode():
            if line == "\n" and fields:
                return fields
            if line[0] not in ":\n":
                name, value = line.rstrip("\n").split(": ", 1)
                fields[name] = value
        return {}

    def test_an_execution_is_followed_to_its_end(self):
        self.start("followed")
        answer = self.stream("/workflows/followed/events")
        first = self.event(answer)
        self.assertEqual(first["event"], "WorkflowExecutionStarted")
        self.assertEqual(json.loads(first["data"])["seq"], 1)
        self.assertTrue(first["id"].endswith(":1"))
        self.post("/workflows/followed/signals/unread", 1)
        self.assertEqual(self.event(answer)["event"], "WorkflowExecutionSignaled")
        self.post("/workflows/followed:terminate")
        last = self.event(answer)
        self.assertEqual(last["event"], "WorkflowExecutionTerminated")
        self.assertEqual(self.event(answer)["event"], "end")
        self.assertEqual(self.event(answer), {})
        again = self.stream("/workflows/followed/events", **{"Last-Event-ID": first["id"]})
        self.assertEqual(json.loads(self.event(again)["data"])["seq"], 2)
        over = self.get("/workflows/followed/events", **{"Last-Event-ID": last["id"]})
        self.assertEqual((over.status, over.text), (204, ""))

    def test_no_event_is_left_out_for_a_slow_reader(self):
        self.start("slow")
        answer = self.stream("/workflows/slow/events")
        text = "x" * 20_000
        for i in range(300):
            self.post("/workflows/slow/signals/unread", [i, text])
        self.post("/workflows/slow:terminate")
        seqs = []
        while (event := self.event(answer)).get("event") != "end":
            seqs.append(json.loads(event["data"])["seq"])
        self.assertEqual(seqs, list(range(1, len(seqs) + 1)))
        self.assertGreater(len(seqs), 300)

    def test_all_are_watched(self):
        answer = self.stream("/events")
        self.start("watched")
        found = self.wait_until(lambda: (e := self.event(answer)) and json.loads(e["data"])["workflow_id"] == "watched" and e)
        self.assertEqual(found["event"], "WorkflowExecutionStarted")

    def test_what_is_wrong_is_told_at_first(self):
        self.assert_problem(self.get("/workflows/none/events"), 404, "not-found")
        self.start("places")
        for place in ("x", "1", "1:", "1:x", "99999999999999999999:1"):
            self.assert_problem(self.get("/workflows/places/events", **{"Last-Event-ID": place}), 400, "malformed-request")
        self.assertEqual(self.request("HEAD", BASE + "/workflows/places/events").status, 200)

    def test_http_1_0_gets_a_stream_without_chunks(self):
        self.start("old")
        self.post("/workflows/old:terminate")
        answer = self.raw(f"GET {BASE}/workflows/old/events HTTP/1.0\r\n\r\n")
        self.assertNotIn("chunked", answer)
        self.assertTrue(answer.endswith("event: end\ndata: {\"ended\":true}\n\n"), answer)

    def test_streams_leave_nothing_behind(self):
        self.start("crowd")
        for _ in range(3):
            crowd = [self.stream("/workflows/crowd/events") for _ in range(100)]
            for answer in crowd:
                self.assertEqual(self.event(answer)["event"], "WorkflowExecutionStarted")
                answer.close()


class Hooks(ApiTest):
    @staticmethod
    def sign(text, secret=SECRET):
        return hmac.new(secret.encode(), text, hashlib.sha256).hexdigest()

    def push(self, delivery, body=b'["cup"]', signature=None):
        signature = signature if signature is not None else "sha256=" + self.sign(body)
        return self.request("POST", "/hooks/pushed", body,
                            {**JSON, "X-Delivery": delivery, **({"X-Hub-Signature-256": signature} if signature else {})})

    def approve(self, body, at=None, signature=None, path="/hooks/approved"):
        body = json.dumps(body).encode()
        at = int(at if at is not None else time.time())
        signature = signature or self.sign(str(at).encode() + b"." + body)
        return self.request("POST", path, body, {**JSON, "Stripe-Signature": f"t={at},v1={'0' * 64},v1={signature},v0=x"})

    def test_a_repeated_delivery_does_nothing(self):
        first, again = self.push("d-1"), self.push("d-1")
        self.assertEqual((first.status, again.status), (200, 200))
        self.assertEqual((first.json["workflow_id"], first.json["existed"]), ("push-d-1", False))
        self.assertEqual(again.json, {**first.json, "existed": True})
        self.assertEqual(self.post("/workflows/push-d-1/queries/items").json, {"answer": ["cup"]})

    def test_signatures(self):
        for signature in ("", "sha256=", "sha256=" + self.sign(b"other"), "sha256=" + self.sign(b'["cup"]', "other secret"),
                          self.sign(b'["cup"]'), "sha1=" + "0" * 40):
            answer = self.assert_problem(self.push("d-2", signature=signature), 401, "invalid-signature")
            self.assertNotIn(SECRET, answer.text)
        self.assertEqual(self.push("d-3", signature="sha256=" + self.sign(b'["cup"]').upper()).status, 200)
        self.assertEqual(self.get("/workflows/push-d-2").status, 404)

    def test_a_signal_by_pointers(self):
        self.start("approved-1")
        body = {"id": "evt-1", "data": {"order": "approved-1"}}
        for _ in range(2):
            self.assertEqual(self.approve(body).json, {"workflow_id": "approved-1"})
        events = self.get("/workflows/approved-1/history").json["events"]
        self.assertEqual([e["type"] for e in events].count("WorkflowExecutionSignaled"), 1)
        self.assert_problem(self.approve(body, at=time.time() - 400), 401, "invalid-signature", "time")
        self.assert_problem(self.approve(body, signature="0" * 64), 401, "invalid-signature")
        self.assert_problem(self.approve({"id": "evt-2"}), 400, "invalid-body", "/data/order")
        self.assert_problem(self.approve({"id": "evt-3", "data": {"order": "none"}}), 404, "not-found")
        self.assert_problem(self.approve({"id": "x" * 1000, "data": {"order": "approved-1"}}), 413, "too-large")

    def test_a_start_with_a_signal(self):
        answer = self.request("POST", "/hooks/open", {"id": "opened"})
        self.assertEqual((answer.status, answer.json["existed"]), (200, False))
        self.assert_problem(self.request("POST", "/hooks/none", {}), 404, "no-such-path")
        self.assert_problem(self.request("GET", "/hooks/open"), 405, "method-not-allowed")


class Neighbours(ApiTest):
    """Other machines, and pages of other origins."""
    arguments = ("--http-cors", "https://app.example.org")

    def test_origins(self):
        allowed = self.request("GET", "/api/v1/status", headers={"Origin": "https://app.example.org"})
        self.assertEqual((allowed.status, allowed.headers["Access-Control-Allow-Origin"]), (200, "https://app.example.org"))
        self.assertEqual(allowed.headers["Vary"], "Origin")
        problem = self.get("/workflows/none", Origin="https://app.example.org")
        self.assertEqual((problem.status, problem.headers["Access-Control-Allow-Origin"]), (404, "https://app.example.org"))
        self.assert_problem(self.request("GET", "/api/v1/status", headers={"Origin": "https://evil.example"}), 403, "foreign-origin")
        own = self.request("GET", "/api/v1/status", headers={"Origin": f"http://127.0.0.1:{self.port}"})
        self.assertEqual((own.status, own.headers["Access-Control-Allow-Origin"]), (200, None))

    def test_preflights(self):
        headers = {"Origin": "https://app.example.org", "Access-Control-Request-Method": "POST"}
        answer = self.request("OPTIONS", BASE + "/workflows", headers=headers)
        self.assertEqual(answer.status, 204)
        self.assertIn("POST", answer.headers["Access-Control-Allow-Methods"])
        self.assertIn("Idempotency-Key", answer.headers["Access-Control-Allow-Headers"])
        self.assert_problem(self.request("OPTIONS", BASE + "/workflows", headers=dict(headers, Origin="https://evil.example")), 403,
                            "foreign-origin")

    def test_hosts(self):
        for host in ("localhost", f"localhost:{self.port}", "127.0.0.1", "[::1]:80"):
            self.assertEqual(self.request("GET", "/healthz", headers={"Host": host}).status, 200, host)
        for host in ("evil.example", "localhost.evil.example", "127.0.0.1.evil.example", "10.0.0.1", ""):
            self.assert_problem(self.request("GET", "/healthz", headers={"Host": host}), 421, "foreign-host")


class Limits(ApiTest):
    def test_bodies_and_headers(self):
        large = {"workflow_type": "fulfil_order", "workflow_id": "large", "input": ["x" * 3_000_000]}
        self.assertEqual(self.post("/workflows", large).status, 201)
        for path, size in (("/workflows", 33 << 20), ("/workflows/large:cancel", 2 << 20)):
            answer = self.raw(f"POST {BASE}{path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: {size}\r\n\r\n")
            self.assertTrue(answer.startswith("HTTP/1.1 413 "), answer)
            self.assertIn("/problems/too-large", answer)
        self.assert_problem(self.request("GET", "/healthz", headers={"X": "x" * 20_000}), 431, "headers-too-large")
        self.assert_problem(self.get("/workflows?prefix=" + "x" * 20_000), 431, "headers-too-large")

    def test_what_is_no_http(self):
        self.assertIn("application/problem+json", self.raw("BREW\r\n\r\n"))
        self.assertIn("400 Bad Request", self.raw(b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n"))
        self.assertIn("400 Bad Request", self.raw("GET / HTTP/1.1\r\nHost: localhost\r\nHost: localhost\r\n\r\n"))
        self.assertIn("417 ", self.raw(f"POST {BASE}/workflows HTTP/1.1\r\nHost: localhost\r\nExpect: more\r\nContent-Length: 1\r\n"
                                       "Content-Type: application/json\r\n\r\n"))

    def test_a_body_is_asked_for(self):
        body = b'{"workflow_id": "expected", "workflow_type": "fulfil_order", "input": []}'
        head = f"POST {BASE}/workflows HTTP/1.1\r\nHost: localhost\r\nExpect: 100-continue\r\nConnection: close\r\n"
        with socket.create_connection(("127.0.0.1", self.port), timeout=LIMIT) as connection:
            connection.sendall(f"{head}Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n".encode())
            self.assertEqual(connection.recv(1000), b"HTTP/1.1 100 Continue\r\n\r\n")
            connection.sendall(body)
            self.assertIn(b"201 Created", connection.recv(1000))
        refused = self.raw(f"{head}Content-Type: text/plain\r\nContent-Length: {len(body)}\r\n\r\n")
        self.assertTrue(refused.startswith("HTTP/1.1 415 "), refused)

    def test_requests_ahead_are_answered_in_order(self):
        self.start("ahead")
        asked = "".join(f"GET {BASE}/workflows/ahead/result?wait={wait}ms HTTP/1.1\r\nHost: localhost\r\n\r\n" for wait in (100, 1, 50))
        answers = self.raw(asked + "GET /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
        self.assertEqual(answers.count("202 Accepted"), 3)
        self.assertTrue(answers.endswith("alive\n"))


class Ends(ApiTest):
    def test_a_stop_answers_who_waits(self):
        self.start("stopped")
        waiting, following = [], []
        threads = [threading.Thread(target=lambda: waiting.append(self.get("/workflows/stopped/result?wait=60s"))),
                   threading.Thread(target=lambda: following.append(self.get("/workflows/stopped/events")))]
        for thread in threads:
            thread.start()
        self.wait_until(lambda: "evermill" in self.request("GET", "/metrics").text)
        time.sleep(0.3)  # both are there, most likely; whatever comes first must end well
        self.server.terminate()
        for thread in threads:
            thread.join(LIMIT)
        self.assertEqual(self.server.wait(LIMIT), 0)
        self.assert_problem(waiting[0], 503, "stopped")
        self.assertEqual(waiting[0].headers["Retry-After"], "1")
        self.assertIn("the server stops", following[0].text)


if __name__ == "__main__":
    unittest.main()
