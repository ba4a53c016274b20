"""A server of the program of docs/http.md, and requests to it."""
import base64
import http.client
import json
import os
import re
import signal
import socket
import subprocess
import sys
import tempfile
import time
import unittest
import urllib.parse

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__)))))
PROGRAM = os.path.abspath(sys.argv.pop(1)) if len(sys.argv) > 1 else ""
LIMIT = 120  # seconds after which something hangs
BASE = "/api/v1/namespaces/default"
SECRET = "a secret of the test"
HOOKS = """
hooks:
  pushed:
    start: fulfil_order
    workflow_id: {header: X-Delivery, prefix: push-}
    request_id: {header: X-Delivery}
    signature: {kind: github, secret_file: secret}
  approved:
    signal: approval
    workflow_id: {pointer: /data/order}
    request_id: {pointer: /id}
    signature: {kind: stripe, secret_file: secret, tolerance: 5m}
    max_body_bytes: 1000
  open:
    start: fulfil_order
    signal: approval
    workflow_id: {pointer: /id}
    signature: {kind: none}
"""


class Answer:
    def __init__(self, answer):
        self.status, self.headers, self.text = answer.status, answer.headers, answer.read().decode()

    @property
    def json(self):
        return json.loads(self.text)


class ApiTest(unittest.TestCase):
    arguments = ()

    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.TemporaryDirectory(prefix="evermill-http-")
        cls.addClassCleanup(cls.folder.cleanup)
        cls.write("secret", SECRET + "\n")
        cls.write("hooks.yaml", HOOKS)
        cls.start_server()

    @classmethod
    def write(cls, name, text):
        with open(os.path.join(cls.folder.name, name), "w", encoding="utf-8") as file:
            file.write(text)

    @classmethod
    def start_server(cls):
        environment = dict(os.environ, XDG_RUNTIME_DIR=cls.folder.name)
        cls.server = subprocess.Popen(
            [PROGRAM, "server", "--data", os.path.join(cls.folder.name, "data"), "--http", "127.0.0.1:0", "--http-hooks",
             os.path.join(cls.folder.name, "hooks.yaml"), *cls.arguments],
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True, env=environment, cwd=cls.folder.name)
        cls.addClassCleanup(cls.stop_server)
        told = ""
        for line in cls.server.stdout:
            told += line
            if found := re.match(r"API: http://127\.0\.0\.1:(\d+)/", line):
                cls.port = int(found.group(1))
                return
        raise AssertionError("no server: " + told)

    @classmethod
    def stop_server(cls):
        if cls.server.poll() is None:
            cls.server.send_signal(signal.SIGTERM)
            try:
                cls.server.wait(LIMIT)
            except subprocess.TimeoutExpired:
                cls.server.kill()
                cls.server.wait()
                raise
        cls.server.stdout.close()
        if cls.server.returncode != 0:
            raise AssertionError(f"the server ended with {cls.server.returncode}")

    def request(self, method, path, body=None, headers=None, port=None):
        connection = http.client.HTTPConnection("127.0.0.1", port or self.port, timeout=LIMIT)
        try:
            headers = dict(headers or {})
            if body is not None and not isinstance(body, bytes):
                body = json.dumps(body).encode()
                headers.setdefault("Content-Type", "application/json")
            connection.request(method, path, body, headers)
            return Answer(connection.getresponse())
        finally:
            connection.close()

    def get(self, path, **headers):
        return self.request("GET", BASE + path, headers=headers)

    def post(self, path, body=None, headers=None):
        return self.request("POST", BASE + path, body, headers)

    def start(self, workflow_id, items=("cup",), **more):
        answer = self.post("/workflows", {"workflow_id": workflow_id, "workflow_type": "fulfil_order", "input": list(items), **more})
        self.assertIn(answer.status, (200, 201), answer.text)
        return answer

    def assert_problem(self, answer, status, kind, detail=""):
        self.assertEqual(answer.status, status, answer.text)
        self.assertEqual(answer.headers["Content-Type"], "application/problem+json")
        self.assertEqual(answer.json["type"], "/problems/" + kind, answer.text)
        self.assertEqual(answer.json["status"], status)
        self.assertIn(detail, answer.json["detail"])
        return answer

    def raw(self, text, port=None):
        """What comes back for bytes as they are, until the server closes."""
        with socket.create_connection(("127.0.0.1", port or self.port), timeout=LIMIT) as connection:
            connection.sendall(text if isinstance(text, bytes) else text.encode())
            parts = []
            while part := connection.recv(65536):
                parts.append(part)
            return b"".join(parts).decode(errors="replace")

    def wait_until(self, condition):
        """Looks until it is so; the deadline is for what never comes."""
        end = time.monotonic() + LIMIT
        while not (found := condition()):
            self.assertLess(time.monotonic(), end, "nothing happened")
            time.sleep(0.02)
        return found


def quote(text):
    return urllib.parse.quote(text, safe="")


def encoded(data):
    return base64.b64encode(data).decode()
