"""A server, and workers in Python that decide for it, in the hands of a test."""
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
import unittest

PROGRAM = os.path.abspath(sys.argv.pop(1)) if len(sys.argv) > 1 else ""
PROTOC = sys.argv.pop(1) if len(sys.argv) > 1 else "protoc"
FOLDER = os.path.dirname(os.path.abspath(__file__))
LIMIT = 120  # seconds after which something hangs

try:
    import grpc
    from google.protobuf.duration_pb2 import Duration
except ImportError as missing:
    print(f"python3-grpcio and python3-protobuf are needed: {missing}", file=sys.stderr)
    sys.exit(77)

from decider_api import generate, load


class Client:
    """Calls of the service Workflows."""

    def __init__(self, api, address, namespace=""):
        self.api = api
        self.namespace = namespace
        self.channel = grpc.insecure_channel(address)

    def call(self, name, _limit=LIMIT, **fields):
        messages = self.api.workflows
        request = getattr(messages, name + "Request")(namespace=self.namespace, **fields)
        ask = self.channel.unary_unary("/evermill.v1.Workflows/" + name, type(request).SerializeToString,
                                       getattr(messages, name + "Response").FromString)
        return ask(request, timeout=_limit, wait_for_ready=True)

    def value(self, what):
        return self.api.common.Payload(data=json.dumps(what).encode())

    def start(self, workflow_id, workflow_type, value=None, **more):
        return self.call("StartWorkflow", workflow_id=workflow_id, workflow_type=workflow_type, input=self.value(value), **more)

    def signal(self, workflow_id, name, value=None, request_id=""):
        self.call("SignalWorkflow", workflow_id=workflow_id, signal_name=name, input=self.value(value), request_id=request_id)

    def result(self, workflow_id, limit=LIMIT):
        end = self.call("GetResult", _limit=limit, workflow_id=workflow_id)
        name = self.api.common.ExecutionStatus.Name(end.status).removeprefix("EXECUTION_STATUS_")
        return name, json.loads(end.result.data) if end.result.data else end.cause.message

    def describe(self, workflow_id):
        return self.call("DescribeWorkflow", workflow_id=workflow_id)

    def history(self, workflow_id, run_number=0):
        events = []
        while True:
            page = self.call("GetHistory", workflow_id=workflow_id, run_number=run_number, from_seq=len(events) + 1)
            if not page.events:
                return events
            events.extend(page.events)

    def types(self, workflow_id):
        return [event.type for event in self.history(workflow_id)]


def free_port():
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return one.getsockname()[1]


class DeciderCase(unittest.TestCase):
    CONFIG = ""  # of the server
    OPTIONS = ()

    @classmethod
    def setUpClass(cls):
        cls.generated = tempfile.TemporaryDirectory(prefix="evermill-protos-")
        cls.addClassCleanup(cls.generated.cleanup)
        generate(PROTOC, cls.generated.name)
        cls.api = load(cls.generated.name)

    def setUp(self):
        self.folder = tempfile.TemporaryDirectory(prefix="evermill-deciders-")
        self.addCleanup(self.folder.cleanup)
        self.effects = os.path.join(self.folder.name, "effects")
        self.address = f"127.0.0.1:{free_port()}"
        self.workers = []
        self.start_server()
        self.client = Client(self.api, self.address)
        self.addCleanup(self.client.channel.close)

    def start_server(self):
        more = [*self.OPTIONS]
        if self.CONFIG:
            more += ["--config", os.path.join(self.folder.name, "config.yaml")]
            with open(more[-1], "w", encoding="utf-8") as file:
                file.write(self.CONFIG)
        self.server = subprocess.Popen([PROGRAM, "server", "--data", os.path.join(self.folder.name, "data"), "--listen", self.address, *more],
                                       stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                                       env=dict(os.environ, XDG_RUNTIME_DIR=self.folder.name))
        self.addCleanup(self.kill, self.server)

    def restart_server(self):
        self.kill(self.server)
        self.start_server()
        self.wait_until(self.is_reachable)

    def is_reachable(self):
        try:
            self.client.call("CountWorkflows")
            return True
        except grpc.RpcError as error:
            self.assertEqual(error.code(), grpc.StatusCode.UNAVAILABLE, error)  # that was the connection to the dead one
            return False

    @staticmethod
    def kill(process):
        if process.poll() is None:
            process.send_signal(signal.SIGCONT)
            process.kill()
        process.wait()

    def start_worker(self, *workflows, version="", name="", namespace="", address="", wait=True):
        """A process that decides these; it says so once it is connected, in a file that is named for it."""
        name = name or f"w{len(self.workers)}"
        said = os.path.join(self.folder.name, name)
        if os.path.exists(said):
            os.remove(said)
        process = subprocess.Popen([sys.executable, "-B", os.path.join(FOLDER, "decider_worker.py"), self.generated.name, address or self.address, said,
                                    version, namespace, *workflows], stdin=subprocess.DEVNULL)
        process.said = said
        self.workers.append(process)
        self.addCleanup(self.kill, process)
        if wait:
            self.wait_until(lambda: os.path.exists(said))
        return process

    @staticmethod
    def says(worker):
        """What it has counted: {"replays": …, "turns": …}."""
        with open(worker.said, encoding="utf-8") as file:
            return json.load(file)

    def wait_until(self, condition, what="nothing happened"):
        end = time.monotonic() + LIMIT
        while not condition():
            self.assertLess(time.monotonic(), end, what)
            time.sleep(0.02)

    def wait_blocked(self, workflow_id, reason, client=None):
        client = client or self.client
        self.wait_until(lambda: client.describe(workflow_id).execution.blocked == reason, f"it is not {reason}")
        return client.describe(workflow_id).blocked_message

    def seconds(self, number):
        limit = Duration()
        limit.FromNanoseconds(int(number * 1e9))
        return limit
