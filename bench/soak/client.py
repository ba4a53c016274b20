"""A client of the soak: it starts executions, talks to them, looks at them, and follows some, until it has been enough; it may be
killed at any time, and goes on then where it was by what it has written down.

    client.py grpc|http ADDRESS NAME FOLDER ENOUGH RATE

FOLDER/NAME has a line for each step: "intended N", "accepted N", "signaled N". ENOUGH is a file; once it is there, what was begun is
brought to its end. RATE is how many executions it starts a second.
"""
import http.client
import json
import os
import random
import sys
import time
import urllib.parse

BATCH = 10
OPEN_FOLLOWERS = 5
LIMIT = 60  # seconds after which a request hangs
PATIENCE = 0.2  # seconds before a request is made again


class Again(Exception):
    """The server can't answer just now."""


class Wrong(Exception):
    pass


def expected(number):
    return (number + 1) * 2 + (number + 1000 + 1)


class HttpTransport:
    BASE = "/api/v1/namespaces/default"

    def __init__(self, address):
        self.host, port = address.rsplit(":", 1)
        self.port = int(port)
        self.connection = None

    def request(self, method, path, body=None, key=None):
        headers = {"Content-Type": "application/json"} if body is not None else {}
        if key:
            headers["Idempotency-Key"] = key
        try:
            if self.connection is None:
                self.connection = http.client.HTTPConnection(self.host, self.port, timeout=LIMIT)
            self.connection.request(method, self.BASE + path, None if body is None else json.dumps(body), headers)
            answer = self.connection.getresponse()
            text = answer.read()
        except (OSError, http.client.HTTPException) as error:
            self.connection = None
            raise Again(repr(error)) from error
        if answer.status in (429, 503):
            raise Again(text)
        if answer.status >= 400:
            raise Wrong(f"{method} {path}: {answer.status} {text}")
        return json.loads(text) if text else None

    def start(self, numbers, id_of):
        starts = [{"workflow_id": id_of(n), "workflow_type": "order", "input": n, "request_id": id_of(n)} for n in numbers]
        outcomes = self.request("POST", "/workflows:batch", {"starts": starts})["outcomes"]
        for outcome in outcomes:
            if "error" in outcome:
                if outcome["error"]["status"] in (429, 503):
                    raise Again(outcome)
                raise Wrong(outcome)

    def signal(self, workflow_id, value):
        self.request("POST", f"/workflows/{workflow_id}/signals/go", value, f"go-{workflow_id}")

    def result(self, workflow_id):
        while True:
            answer = self.request("GET", f"/workflows/{workflow_id}/result?wait=10s")
            if answer["status"] != "running":
                return answer.get("result") if answer["status"] == "completed" else answer

    def describe(self, workflow_id):
        self.request("GET", f"/workflows/{workflow_id}")

    def look_around(self, workflow_id):
        self.request("GET", f"/workflows/{workflow_id}/history?page_size=5")
        self.request("GET", "/workflows?status=running&page_size=20")
        self.request("GET", "/workflows:count?" + urllib.parse.urlencode({"status": "running"}))

    def follow(self, workflow_id):
        """What it gives closes the stream."""
        connection = http.client.HTTPConnection(self.host, self.port, timeout=LIMIT)
        try:
            connection.request("GET", f"{self.BASE}/workflows/{workflow_id}/events", headers={"Accept": "text/event-stream"})
            connection.sock.settimeout(LIMIT)
        except OSError as error:
            raise Again(repr(error)) from error
        return connection.close  # it is never read: a slow reader


class GrpcTransport:
    def __init__(self, address):
        import grpc  # pylint: disable=import-outside-toplevel
        from evermill.v1 import workflows_pb2  # pylint: disable=import-outside-toplevel

        self.grpc, self.messages = grpc, workflows_pb2
        self.channel = grpc.insecure_channel(address)

    def call(self, name, request):
        method = self.channel.unary_unary(
            f"/evermill.v1.Workflows/{name}", request_serializer=type(request).SerializeToString,
            response_deserializer=getattr(self.messages, name + "Response").FromString)
        try:
            return method(request, timeout=LIMIT)
        except self.grpc.RpcError as error:
            if error.code() in (self.grpc.StatusCode.UNAVAILABLE, self.grpc.StatusCode.RESOURCE_EXHAUSTED):
                raise Again(error.details()) from error
            raise Wrong(f"{name}: {error.code()} {error.details()}") from error

    def start(self, numbers, id_of):
        request = self.messages.StartWorkflowsRequest()
        for number in numbers:
            each = request.starts.add(workflow_id=id_of(number), workflow_type="order", request_id=id_of(number))
            each.input.data = str(number).encode()
        for outcome in self.call("StartWorkflows", request).outcomes:
            if outcome.HasField("error"):
                if outcome.error.code in (8, 14):  # RESOURCE_EXHAUSTED, UNAVAILABLE
                    raise Again(outcome.error.message)
                raise Wrong(outcome.error.message)

    def signal(self, workflow_id, value):
        request = self.messages.SignalWorkflowRequest(workflow_id=workflow_id, signal_name="go", request_id=f"go-{workflow_id}")
        request.input.data = str(value).encode()
        self.call("SignalWorkflow", request)

    def result(self, workflow_id):
        answer = self.call("GetResult", self.messages.GetResultRequest(workflow_id=workflow_id))
        return json.loads(answer.result.data) if answer.HasField("result") else str(answer)

    def describe(self, workflow_id):
        self.call("DescribeWorkflow", self.messages.DescribeWorkflowRequest(workflow_id=workflow_id))

    def look_around(self, workflow_id):
        self.call("GetHistory", self.messages.GetHistoryRequest(workflow_id=workflow_id, page_size=5))
        self.call("ListWorkflows", self.messages.ListWorkflowsRequest(page_size=20))
        self.call("CountWorkflows", self.messages.CountWorkflowsRequest())

    def follow(self, workflow_id):
        method = self.channel.unary_stream(
            "/evermill.v1.Workflows/FollowHistory", request_serializer=self.messages.FollowHistoryRequest.SerializeToString,
            response_deserializer=self.messages.FollowHistoryResponse.FromString)
        return method(self.messages.FollowHistoryRequest(workflow_id=workflow_id)).cancel


class Client:
    def __init__(self, transport, name, folder, enough, rate):
        self.transport, self.name, self.enough, self.rate = transport, name, enough, rate
        self.random = random.Random()
        steps = {"intended": set(), "accepted": set(), "signaled": set()}
        path = os.path.join(folder, name)
        if os.path.exists(path):
            with open(path, "rb+") as file:
                file.truncate(file.read().rfind(b"\n") + 1)  # the last line may be torn
            with open(path, encoding="utf-8") as file:
                for line in file:
                    step, number = line.split()
                    steps[step].add(int(number))
        self.next = len(steps["intended"])
        self.unaccepted = sorted(steps["intended"] - steps["accepted"])
        self.unsignaled = sorted(steps["accepted"] - steps["signaled"])
        self.file = open(path, "a", encoding="utf-8", buffering=1)  # pylint: disable=consider-using-with
        self.followers = []

    def id_of(self, number):
        return f"{self.name}-{number}"

    def note(self, step, numbers):
        self.file.write("".join(f"{step} {number}\n" for number in numbers))

    def persistently(self, ask):
        while True:
            try:
                return ask()
            except Again:
                time.sleep(PATIENCE)

    def start_more(self):
        numbers = list(range(self.next, self.next + BATCH))
        self.note("intended", numbers)
        self.next += BATCH
        self.unaccepted += numbers

    def finish(self):
        """What was begun."""
        while self.unaccepted:
            numbers = self.unaccepted[:BATCH]
            self.persistently(lambda n=numbers: self.transport.start(n, self.id_of))
            self.note("accepted", numbers)
            self.unsignaled += numbers
            del self.unaccepted[:BATCH]
        for number in self.unsignaled:
            self.persistently(lambda n=number: self.transport.signal(self.id_of(n), n + 1000))
            self.note("signaled", [number])
        self.unsignaled = []

    def look(self):
        number = self.random.randrange(self.next)
        what = self.random.choice(["result", "describe", "look around", "follow"])
        if what == "result":
            result = self.persistently(lambda: self.transport.result(self.id_of(number)))
            if result != expected(number):
                raise Wrong(f"{self.id_of(number)} gave {result}, not {expected(number)}")
        elif what == "describe":
            self.persistently(lambda: self.transport.describe(self.id_of(number)))
        elif what == "look around":
            self.persistently(lambda: self.transport.look_around(self.id_of(number)))
        else:
            if len(self.followers) >= OPEN_FOLLOWERS:
                self.followers.pop(0)()
            self.followers.append(self.persistently(lambda: self.transport.follow(self.id_of(number))))

    def run(self):
        self.finish()
        while not os.path.exists(self.enough):
            began = time.monotonic()
            self.start_more()
            self.finish()
            self.look()
            time.sleep(max(0.0, BATCH / self.rate - (time.monotonic() - began)))
        for close in self.followers:
            close()


def main():
    kind, address, name, folder, enough, rate = sys.argv[1:]
    transport = {"grpc": GrpcTransport, "http": HttpTransport}[kind](address)
    client = Client(transport, name, folder, enough, float(rate))
    client.run()
    return 0


if __name__ == "__main__":
    sys.exit(main())
