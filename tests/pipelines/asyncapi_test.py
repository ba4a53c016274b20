"""call: asyncapi on a real Kafka: a subscription sees each message once and in order, also when evermill is killed within it.

    asyncapi_test.py PROGRAM
"""
import http.server
import json
import os
import subprocess
import tempfile
import threading
import time

from pipeline_case import LIMIT, ROOT, Missing, PipelineCase, main

KAFKA = os.path.join(ROOT, "scripts", "services", "kafka.sh")
HEAD = "document: { dsl: '1.0.3', namespace: tests, name: %s, version: 1.0.0 }\n"
SEND = HEAD % "send" + """
do:
  - all:
      for: { each: n, in: '${ [range(.from; .from + .count)] }' }
      do:
        - one:
            call: asyncapi
            with:
              document: { endpoint: ADDRESS/asyncapi.json }
              operation: measure
              message: { payload: { n: '${ $n }' }, headers: { unit: K } }
"""
SUBSCRIBE = HEAD % "subscribe" + """
do:
  - all:
      call: asyncapi
      with:
        document: { endpoint: ADDRESS/asyncapi.json }
        operation: measure
        subscription:
          filter: .headers.unit == "K"
          consume: { amount: 20, for: { hours: 1 } }
          foreach:
            item: reading
            do:
              - tell: { call: http, with: { method: post, endpoint: ADDRESS/seen, body: '${ $reading.payload }' } }
              - keep: { set: '${ $reading.payload.n }' }
"""


class Site:
    """Has the description, and sees what the workflow tells. `at` is called when a number is told for the first time."""

    def __init__(self, kafka):
        self.seen = []
        self.at = {}
        self.changed = threading.Condition()
        site = self
        document = json.dumps({
            "asyncapi": "3.0.0", "servers": {"main": {"host": kafka, "protocol": "kafka"}},
            "channels": {"readings": {"address": "house.readings", "servers": [{"$ref": "#/servers/main"}]}},
            "operations": {"measure": {"action": "send", "channel": {"$ref": "#/channels/readings"}}}}).encode()

        class Handler(http.server.BaseHTTPRequestHandler):
            def reply(self, body):
                self.send_response(200)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def do_GET(self):
                self.reply(document)

            def do_POST(self):
                number = json.loads(self.rfile.read(int(self.headers["Content-Length"])))["n"]
                with site.changed:
                    is_new = number not in site.seen
                    site.seen.append(number)
                    site.changed.notify_all()
                if is_new and number in site.at:
                    site.at[number]()
                self.reply(b"{}")

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.address = f"http://127.0.0.1:{self.server.server_address[1]}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def wait_for(self, number):
        with self.changed:
            if not self.changed.wait_for(lambda: number in self.seen, LIMIT):
                raise AssertionError(f"{number} is not told; there are {self.seen}")


class AsyncApi(PipelineCase):
    def write(self, name, text, address):
        path = os.path.join(self.folder, name)
        with open(path, "w", encoding="utf-8") as file:
            file.write(text.replace("ADDRESS", address))
        return path

    def start(self, file):
        command = self.command("readings", "run", file, "--id", "readings", "--json", "--input", "{}")
        return subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)

    def wait_until_subscribed(self):
        deadline = time.monotonic() + LIMIT
        while self.call("readings", "history", "readings", "--json").stdout.count('"kafka.receive"') < 2:
            self.assertLess(time.monotonic(), deadline, "it never subscribes")
            time.sleep(0.1)

    def send(self, file, first):
        code, placed, error, _ = self.run_to_end("send", file, f"send-{first}", {"from": first, "count": 10})
        self.assertEqual(code, 0, error)
        self.assertEqual(placed, {"partition": 0, "offset": first + 10}, "behind the one that was there before")

    def test_each_message_comes_once_and_in_order(self):
        site = Site(self.kafka())
        send = self.write("send.yaml", SEND, site.address)
        subscribe = self.write("subscribe.yaml", SUBSCRIBE, site.address)
        self.assert_valid(send, subscribe)

        process = self.start(subscribe)
        self.wait_until_subscribed()
        site.at[4] = process.kill  # while it is told of
        self.send(send, 0)
        process.communicate(timeout=LIMIT)
        self.assertEqual(process.returncode, -9)

        process = self.start(subscribe)
        site.wait_for(9)
        process.kill()  # it waits for more, or is about to
        process.communicate(timeout=LIMIT)
        self.send(send, 10)  # and nobody is there

        process = self.start(subscribe)
        out, err = process.communicate(timeout=LIMIT)
        self.assertEqual(process.returncode, 0, err)
        self.assertEqual(json.loads(out), list(range(20)))
        self.assertEqual(sorted(set(site.seen)), list(range(20)))
        self.assertLessEqual(len(site.seen), 22, "only what was being told of when it was killed is told again")

    def kafka(self):
        """A server with the topic, in which there is a message that nobody is to see."""
        folder = tempfile.TemporaryDirectory(prefix="evermill-asyncapi-")
        self.addCleanup(folder.cleanup)
        self.addCleanup(subprocess.run, [KAFKA, "stop", folder.name], check=False, capture_output=True)
        started = subprocess.run([KAFKA, "start", folder.name], check=False, capture_output=True, text=True)
        self.assertEqual(started.returncode, 0, started.stderr)
        with open(os.path.join(folder.name, "address"), encoding="utf-8") as file:
            address = file.read().strip()
        early = '{"n": -1}\n'
        produce = ["kcat", "-b", address, "-t", "house.readings", "-H", "unit=K", "-P"]
        subprocess.run(produce, input=early, text=True, check=True, timeout=LIMIT)
        return address


def look():
    """Whether Kafka can be had here."""
    fetched = subprocess.run([KAFKA, "fetch"], capture_output=True, text=True, check=False)
    if fetched.returncode == 77:
        raise Missing(fetched.stderr.strip())


if __name__ == "__main__":
    main(look)
