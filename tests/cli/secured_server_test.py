"""A server that asks who calls, as commands and workers meet it: tokens, TLS, and what is written down."""
import json
import os
import re
import signal
import ssl
import subprocess
import sys
import tempfile
import time
import unittest
import urllib.error
import urllib.request

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
PROGRAM = sys.argv.pop(1)
LIMIT = 120

CONFIG = """
security:
  tokens: { file: tokens.json }
  tls: { certificate: server.pem, key: server.key }
  audit: { file: audit.jsonl }
"""


class SecuredServer(unittest.TestCase):
    def make_certificate(self):
        subprocess.run(
            ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-keyout", "server.key",
             "-out", "server.pem", "-days", "2", "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost"],
            cwd=self.folder.name, check=True, capture_output=True, timeout=LIMIT)
        os.chmod(os.path.join(self.folder.name, "server.key"), 0o600)

    def setUp(self):
        self.folder = tempfile.TemporaryDirectory()
        self.make_certificate()
        with open(os.path.join(self.folder.name, "server.yaml"), "w") as file:
            file.write(CONFIG)
        self.operator = self.token("operator", "operate", "default")
        self.reader = self.token("reader", "read", "default")
        self.worker = self.token("worker", "worker", "default", "--queue", "build")
        self.server = subprocess.Popen(
            [PROGRAM, "server", "--data", "data", "--listen", "localhost:0", "--http", "localhost:0", "--config", "server.yaml", "--metrics", "127.0.0.1:0"], cwd=self.folder.name,
            stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        self.address = None
        for line in self.server.stdout:
            if line.startswith("Metrics: "):
                self.metrics = line.split()[1]
            if line.startswith("Programs reach it at "):
                self.address = line.split()[4]
            if line.startswith("API: "):
                self.api = line.split()[1].removesuffix("/api/v1/status")
                break
        self.assertIsNotNone(self.address)

    def tearDown(self):
        self.server.send_signal(signal.SIGTERM)
        self.assertEqual(self.server.wait(LIMIT), 0)
        self.server.stdout.close()
        self.folder.cleanup()

    def run_program(self, *arguments, token=None, **more):
        environment = {key: value for key, value in os.environ.items() if not key.startswith("EVERMILL_")}
        if token:
            environment["EVERMILL_TOKEN"] = token
        return subprocess.run([PROGRAM, *arguments], cwd=self.folder.name, env=environment, capture_output=True, text=True,
                              timeout=LIMIT, **more)

    def token(self, name, scope, namespace, *more):
        made = self.run_program("token", "create", "--name", name, "--scope", scope, "--namespace", namespace, "--file", "tokens.json", *more)
        self.assertEqual(made.returncode, 0, made.stderr)
        return next(word for word in made.stdout.split() if word.startswith("evm_"))

    def ask(self, *arguments, token=None):
        return self.run_program(*arguments, "--server", self.address, "--tls-ca", "server.pem", token=token)

    def audit(self):
        with open(os.path.join(self.folder.name, "audit.jsonl")) as file:
            return [json.loads(line) for line in file]

    def test_each_may_do_what_its_token_allows(self):
        nobody = self.ask("list")
        self.assertNotEqual(nobody.returncode, 0)
        self.assertIn("credentials are missing", nobody.stderr)
        forged = self.ask("list", token=self.operator[:-1] + ("a" if self.operator[-1] != "a" else "b"))
        self.assertNotEqual(forged.returncode, 0)
        for none in ("evm_…", "evm_ a", "evm_\n"):
            refused = self.ask("list", token=none)
            self.assertEqual(refused.returncode, 2, refused.stderr)
            self.assertIn("the token that is to be shown is none", refused.stderr)
            self.assertEqual(self.ask("worker", token=none).returncode, 2)
        started = self.ask("start", "shell", "--id", "w", "--input", '{"script": "true"}', token=self.operator)
        self.assertEqual(started.returncode, 0, started.stderr)
        refused = self.ask("start", "shell", "--id", "v", token=self.reader)
        self.assertNotEqual(refused.returncode, 0)
        self.assertIn("operate", refused.stderr)
        listed = self.ask("list", "--json", token=self.reader)
        self.assertEqual(listed.returncode, 0, listed.stderr)
        self.assertEqual([json.loads(line)["workflow_id"] for line in listed.stdout.splitlines()], ["w"])
        self.assertNotEqual(self.ask("list", token=self.worker).returncode, 0)
        outcomes = [(entry["action"], entry["outcome"], entry.get("name")) for entry in self.audit()]
        self.assertIn(("start_workflow", "ok", "operator"), outcomes)
        self.assertIn(("start_workflow", "forbidden", "reader"), outcomes)
        self.assertNotIn("evm_", json.dumps(self.audit()))
        with urllib.request.urlopen(self.metrics, timeout=LIMIT) as answer:
            shown = answer.read().decode()
        with open(os.path.join(ROOT, "docs", "metrics.md"), encoding="utf-8") as file:
            page = file.read()
        documented = {name for section in ("Workers of a server", "Requests over the network")
                      for name in re.findall(r"^\| `(evermill_[a-z_]+)`", page.split(f"## {section}\n")[1].split("\n## ")[0], re.MULTILINE)}
        self.assertGreater(len(documented), 12)
        for name in documented:
            self.assertIn(f"# TYPE {name} ", shown)

    def over_http(self, method, path, body=None, token=None):
        """Status and an open answer."""
        headers = {"Content-Type": "application/json"} if body is not None else {}
        if token:
            headers["Authorization"] = "Bearer " + token
        request = urllib.request.Request(self.api + path, None if body is None else json.dumps(body).encode(), headers, method=method)
        context = ssl.create_default_context(cafile=os.path.join(self.folder.name, "server.pem"))
        try:
            answer = urllib.request.urlopen(request, timeout=LIMIT, context=context)
            return answer.status, answer
        except urllib.error.HTTPError as error:
            return error.code, error

    def test_http_speaks_tls_and_the_audit_log_tells_how_each_call_went(self):
        self.assertTrue(self.api.startswith("https://localhost:"), self.api)
        start = {"workflow_type": "shell", "workflow_id": "h", "input": {"script": "true"}}
        starts = "/api/v1/namespaces/default/workflows"
        self.assertEqual(self.over_http("POST", starts, start)[0], 401)
        self.assertEqual(self.over_http("POST", starts, start, self.reader)[0], 403)
        self.assertIn(self.over_http("POST", starts, start, self.operator)[0], (200, 201))
        self.assertEqual(self.over_http("POST", starts, dict(start, input={"script": "false"}), self.operator)[0], 409)
        self.assertEqual(self.over_http("POST", starts, dict(start, workflow_type="unheard_of"), self.operator)[0], 404)
        outcomes = [(entry["outcome"], entry.get("name")) for entry in self.audit() if entry["action"] == "start_workflow"]
        self.assertEqual(outcomes[:4], [("unauthenticated", None), ("forbidden", "reader"), ("ok", "operator"), ("already-exists", "operator")])
        self.assertEqual(len(outcomes), 5)
        self.assertNotEqual(outcomes[4][0], "ok")

    def revoke(self, name):
        listed = self.run_program("token", "list", "--file", "tokens.json", "--json")
        ids = {token["name"]: token["id"] for token in map(json.loads, listed.stdout.splitlines())}
        self.assertEqual(self.run_program("token", "revoke", ids[name], "--file", "tokens.json").returncode, 0)

    def test_streams_end_when_their_token_is_revoked(self):
        started = self.ask("start", "shell", "--id", "w", "--input", '{"script": "sleep 1000"}', token=self.operator)
        self.assertEqual(started.returncode, 0, started.stderr)
        follower = self.token("follower", "read", "default")
        for _ in range(600):  # the file is read again soon after it has changed
            status, stream = self.over_http("GET", "/api/v1/namespaces/default/workflows/w/events", token=follower)
            if status != 401:
                break
            time.sleep(0.05)
        self.assertEqual(status, 200)
        self.assertTrue(stream.readline())
        status, waiting = self.over_http("GET", "/api/v1/namespaces/default/events", token=follower)
        self.assertEqual(status, 200)
        self.revoke("follower")
        for each in (stream, waiting):
            rest = each.read().decode()  # it would not end otherwise
            self.assertIn("event: problem", rest)
            self.assertIn("unauthenticated", rest)

    def test_sighup_opens_the_audit_log_again_and_reads_certificates(self):
        self.assertEqual(self.ask("start", "shell", "--id", "a", "--input", '{"script": "true"}', token=self.operator).returncode, 0)
        os.rename(os.path.join(self.folder.name, "audit.jsonl"), os.path.join(self.folder.name, "audit.1"))
        self.make_certificate()
        self.server.send_signal(signal.SIGHUP)
        for _ in range(600):  # whoever trusts the new certificate alone gets through as soon as it is used
            if self.ask("start", "shell", "--id", "b", "--input", '{"script": "true"}', token=self.operator).returncode == 0:
                break
        else:
            self.fail("the old certificate is used")
        for _ in range(600):
            self.ask("cancel", "b", token=self.operator)
            if os.path.exists(os.path.join(self.folder.name, "audit.jsonl")) and self.audit():
                break
        else:
            self.fail("the audit log was not opened again")

    def test_a_token_that_is_revoked_is_no_good_any_more(self):
        self.assertEqual(self.ask("list", token=self.reader).returncode, 0)
        listed = self.run_program("token", "list", "--file", "tokens.json", "--json")
        ids = {token["name"]: token["id"] for token in map(json.loads, listed.stdout.splitlines())}
        self.assertEqual(self.run_program("token", "revoke", ids["reader"], "--file", "tokens.json").returncode, 0)
        for _ in range(600):
            if self.ask("list", token=self.reader).returncode != 0:
                return
        self.fail("it still counts")

    def test_without_tls_nothing_is_told(self):
        plain = self.run_program("list", "--server", self.address, token=self.reader)
        self.assertNotEqual(plain.returncode, 0)
        self.assertIn("without TLS", plain.stderr)

    def test_workers_take_what_their_token_names(self):
        worker = subprocess.Popen(
            [PROGRAM, "worker", "--server", self.address, "--tls-ca", "server.pem", "--task-queues", "build"], cwd=self.folder.name,
            env={**os.environ, "EVERMILL_TOKEN": self.worker}, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
        self.assertIn("connected", worker.stderr.readline())
        worker.send_signal(signal.SIGTERM)
        worker.communicate(timeout=LIMIT)
        other = subprocess.Popen(
            [PROGRAM, "worker", "--server", self.address, "--tls-ca", "server.pem", "--task-queues", "gpu"], cwd=self.folder.name,
            env={**os.environ, "EVERMILL_TOKEN": self.worker}, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
        self.assertIn('task queue "gpu"', other.stderr.readline())
        other.send_signal(signal.SIGTERM)
        other.communicate(timeout=LIMIT)


class Refusals(unittest.TestCase):
    def refuse(self, *arguments):
        with tempfile.TemporaryDirectory() as folder:
            with open(os.path.join(folder, "wrong.yaml"), "w") as file:
                file.write("security:\n  tokns: { file: tokens.json }\nmore: 1\n")
            done = subprocess.run([PROGRAM, "server", "--data", "data", *arguments], cwd=folder, capture_output=True, text=True, timeout=LIMIT)
            self.assertEqual(done.returncode, 2, done.stderr)
            self.assertFalse(os.path.exists(os.path.join(folder, "data")), "something happened")
            return done.stderr

    def test_listeners_beyond_this_machine_without_authentication(self):
        self.assertIn("--insecure-listen", self.refuse("--listen", "0.0.0.0:0"))
        self.assertIn("--insecure-listen", self.refuse("--listen", "[::]:0"))

    def test_addresses_that_are_none(self):
        self.assertIn("HOST:PORT", self.refuse("--listen", "7466"))

    def test_configurations_that_are_wrong(self):
        errors = self.refuse("--listen", "localhost:0", "--config", "wrong.yaml")
        self.assertIn("wrong.yaml:2:", errors)
        self.assertIn("tokns", errors)
        self.assertIn("wrong.yaml:3:", errors)
        self.assertIn("can't be read", self.refuse("--listen", "localhost:0", "--config", "nowhere.yaml"))


if __name__ == "__main__":
    unittest.main()
