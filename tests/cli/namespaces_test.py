"""Namespaces of a server, as the command line and HTTP meet them: the same id twice, tokens, limits, retention through a kill."""
import json
import os
import signal
import unittest
import urllib.error
import urllib.parse
import urllib.request

from program import LIMIT, ProgramTest

CONFIG = """
namespaces:
  shop: {}
  bank: {}
  few: { max_open_executions: 1 }
  short: { retention: 1s }
"""
SECURITY = """
security:
  tokens: { file: tokens.json }
"""


class NamespacesTest(ProgramTest):
    def serve(self, config=CONFIG):
        with open(self.path("server.yaml"), "w", encoding="utf-8") as file:
            file.write(config)
        self.server = self.start_program("server", "--listen", "127.0.0.1:0", "--http", "127.0.0.1:0", "--config", self.path("server.yaml"))
        for line in self.server.stdout:
            if line.startswith("Programs reach it at "):
                self.address = line.split()[4]
            if line.startswith("API: "):
                self.http = line.split()[1].rsplit("/api", 1)[0]
                return
        self.fail(self.server.stderr.read())

    def stop(self, how=signal.SIGTERM):
        self.server.send_signal(how)
        self.server.wait(LIMIT)

    def ask(self, namespace, *arguments, code=0, **environment):
        return self.run_program(*arguments, "--server", self.address, "--namespace", namespace, code=code, **environment)

    def get(self, namespace, path, method="GET", body=None, token=None):
        headers = {"Content-Type": "application/json"} if body is not None else {}
        if token:
            headers["Authorization"] = "Bearer " + token
        request = urllib.request.Request(f"{self.http}/api/v1/namespaces/{namespace}{path}", method=method, headers=headers,
                                         data=None if body is None else json.dumps(body).encode())
        try:
            with urllib.request.urlopen(request, timeout=LIMIT) as answer:
                return answer.status, json.loads(answer.read() or b"null"), answer.headers
        except urllib.error.HTTPError as error:
            with error:
                return error.code, json.loads(error.read()), error.headers

    def listed(self, namespace):
        return {json.loads(line)["workflow_id"] for line in self.ask(namespace, "list", "--json").stdout.splitlines()}

    def test_the_same_id_is_two_executions(self):
        self.serve()
        for namespace in ("shop", "bank", "default"):
            self.ask(namespace, "start", "needs_signal", "--id", "w")
        self.ask("shop", "signal", "w", "approval", '"alice"')
        self.wait_until(lambda: json.loads(self.ask("shop", "describe", "w", "--json").stdout)["status"] == "completed")
        for namespace in ("bank", "default"):
            self.assertEqual(json.loads(self.ask(namespace, "describe", "w", "--json").stdout)["status"], "running")
            self.assertEqual(self.get(namespace, "/workflows/w")[1]["status"], "running")
        self.assertEqual(self.get("shop", "/workflows/w/result?wait=1s")[1]["result"], "approved by alice")
        self.ask("shop", "start", "needs_signal", "--id", "only-in-shop")
        self.assertEqual(self.listed("shop"), {"w", "only-in-shop"})
        self.assertEqual(self.listed("bank"), {"w"})
        self.assertEqual(self.get("shop", "/workflows:count")[1]["count"], 2)
        by_environment = self.run_program("list", "--json", EVERMILL_NAMESPACE="bank", EVERMILL_SERVER=self.address)
        self.assertEqual([json.loads(line)["workflow_id"] for line in by_environment.stdout.splitlines()], ["w"])
        by_socket = self.run_program("list", "--json", "--namespace", "shop")
        self.assertEqual({json.loads(line)["workflow_id"] for line in by_socket.stdout.splitlines()}, {"w", "only-in-shop"})
        self.stop()
        # Who has the directory has all of it.
        here = self.run_program("list", "--json", "--namespace", "bank")
        self.assertEqual([json.loads(line)["workflow_id"] for line in here.stdout.splitlines()], ["w"])
        exported = self.run_program("export", "only-in-shop", "--namespace", "shop").stdout
        self.assertIn("only-in-shop", exported)
        self.assertIn("executions", self.run_program("verify").stdout + self.run_program("verify").stderr)

    def test_http_finds_nothing_of_another_one(self):
        self.serve()
        self.ask("shop", "start", "waits_elsewhere", "--id", "w")
        self.ask("shop", "start", "asks", "--id", "a", "--input", '"what"')
        task = urllib.parse.quote(self.get("shop", "/human-tasks")[1]["human_tasks"][0]["task_id"], safe="")
        token = self.get("shop", "/workflows/w")[1]["activities"][0]["token"]
        paths = [("GET", "/workflows/w", None), ("GET", "/workflows/w/history", None), ("GET", "/workflows/w/result?wait=1s", None),
                 ("GET", "/workflows/w/events", None), ("POST", "/workflows/w/signals/approval", "x"), ("POST", "/workflows/w/queries/sum", None),
                 ("POST", "/workflows/w/updates/add", 1), ("POST", "/workflows/w:cancel", None), ("POST", "/workflows/w:terminate", None),
                 ("POST", "/workflows/w:taint", None), ("GET", f"/human-tasks/{task}", None),
                 ("POST", f"/human-tasks/{task}:claim", {"by": "me"}), ("POST", f"/human-tasks/{task}:complete", {"by": "me", "answer": {"ok": 1}}),
                 ("POST", f"/activities/{token}:complete", "x"), ("POST", f"/activities/{token}:heartbeat", None)]
        for method, path, body in paths:
            for namespace in ("bank", "default", "casino"):
                status, problem, _ = self.get(namespace, path, method, body)
                self.assertEqual(status, 404, f"{namespace}{path}: {problem}")
                self.assertNotIn("\\u001f", json.dumps(problem))
        forged = urllib.parse.quote("\x1fshop\x1fw", safe="")
        for method, path in (("GET", f"/workflows/{forged}"), ("POST", f"/workflows/{forged}:terminate"), ("GET", f"/workflows/{forged}/events")):
            self.assertEqual(self.get("bank", path, method)[0], 400, path)
        self.assertEqual(self.get("shop", "/workflows/w")[1]["status"], "running")
        self.assertIn("configuration file", json.dumps(self.get("casino", "/workflows")[1]))
        refused = self.ask("casino", "list", code=2)
        self.assertIn("configuration file", refused.stderr)

    def test_quotas(self):
        self.serve()
        self.ask("few", "start", "needs_signal", "--id", "a")
        self.assertIn("limit", self.ask("few", "start", "needs_signal", "--id", "b", code=2).stderr)
        status, problem, headers = self.get("few", "/workflows", "POST", {"workflow_type": "needs_signal", "workflow_id": "c"})
        self.assertEqual(status, 429, problem)
        self.assertGreaterEqual(int(headers["Retry-After"]), 1)
        self.ask("few", "terminate", "a")
        self.ask("few", "start", "needs_signal", "--id", "b")

    def test_tokens_of_a_namespace(self):
        made = self.run_program("token", "create", "--name", "ci", "--scope", "operate", "--namespace", "shop", "--file", self.path("tokens.json"))
        token = next(word for word in made.stdout.split() if word.startswith("evm_"))
        self.serve(CONFIG + SECURITY)
        self.ask("shop", "start", "needs_signal", "--id", "w", EVERMILL_TOKEN=token)
        refusals = [self.ask(name, "describe", "w", code=2, EVERMILL_TOKEN=token).stderr.replace(name, "NAME") for name in ("bank", "casino")]
        self.assertEqual(refusals[0], refusals[1], "one answer for what is closed and what is not there")
        problems = [self.get(name, "/workflows/w", token=token) for name in ("bank", "casino")]
        self.assertEqual([each[0] for each in problems], [404, 404])
        self.assertEqual(json.dumps(problems[0][1]).replace("bank", "NAME"), json.dumps(problems[1][1]).replace("casino", "NAME"))
        self.assertEqual(self.get("shop", "/workflows/w", token=token)[0], 200)

    def test_workers_are_given_what_is_of_their_namespace(self):
        self.serve()
        workers = [self.start_program("worker", "--server", self.address, "--namespace", name, "--task-queues", "build")
                   for name in ("bank", "shop")]
        for each in workers:
            self.assertIn("running", each.stdout.readline())
        # The server has no such queue: only a worker can run it, and that of the other namespace is idle.
        self.ask("shop", "start", "builds", "--id", "w")
        self.wait_until(lambda: json.loads(self.ask("shop", "describe", "w", "--json").stdout)["status"] != "running")
        self.assertEqual(self.get("shop", "/workflows/w/result?wait=1s")[1]["result"], workers[1].pid)

    def test_retention_goes_on_after_a_kill(self):
        self.serve(CONFIG.replace("retention: 1s", "retention: 1h"))
        for number in range(40):
            self.ask("short", "start", "greet", "--id", f"g-{number}", "--input", '"x"')
        self.ask("short", "start", "needs_signal", "--id", "runs")
        self.wait_until(lambda: self.get("short", "/workflows:count?status=completed")[1]["count"] == 40)
        self.stop(signal.SIGKILL)
        self.serve()
        self.wait_until(lambda: self.get("short", "/workflows:count?status=completed")[1]["count"] < 40)
        self.stop(signal.SIGKILL)
        self.run_program("verify")
        self.serve()
        self.wait_until(lambda: self.get("short", "/workflows:count")[1]["count"] == 1)
        self.assertEqual(self.listed("short"), {"runs"})
        self.stop()
        self.run_program("verify")


class Refusals(ProgramTest):
    def test_wrong_declarations(self):
        with open(self.path("wrong.yaml"), "w", encoding="utf-8") as file:
            file.write("namespaces:\n  a b: {}\n  shop: { retntion: 1d }\n  bank: { starts_burst: 3 }\n  few: 7\n")
        done = self.run_program("server", "--config", self.path("wrong.yaml"), code=2)
        for line in (2, 3, 4, 5):
            self.assertIn(f"wrong.yaml:{line}:", done.stderr)
        self.assertIn("retntion", done.stderr)
        self.assertFalse(os.path.exists(self.data), "something happened")
        self.assertIn("namespace", self.run_program("list", "--namespace", "a/b", code=2).stderr)
        self.assertIn("--server", self.run_program("worker", "--queue", "redis://localhost:1", "--namespace", "shop", code=2).stderr)


if __name__ == "__main__":
    unittest.main()
