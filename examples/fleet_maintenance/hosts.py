#!/usr/bin/env python3
"""Stands for the hosts of a fleet, and for who is told of them: one server, http://…/NAME/STEP, for any names.

    hosts.py [--port N] [--broken NAME]     prints its address; ends with Ctrl-C

PUT NAME/drain, upgrade, restore and rejoin do something, once for each Idempotency-Key; GET NAME/check tells whether the host
works (a broken one does not once it is upgraded). POST summaries keeps a summary. GET log lists what was done. Of requests that
do something each third is refused, and the answer of each fourth is lost after it was done, as in a network on a bad day.
"""
import argparse
import http.server
import json
import threading


class Fleet:
    def __init__(self, broken=(), stubborn=()):
        self.broken = set(broken)      # these don't work when they are upgraded
        self.stubborn = set(stubborn)  # these can't be restored
        self.lock = threading.Lock()
        self.keys = {}                 # what was answered
        self.done = []                 # [host, step], in order
        self.summaries = []
        self.releases = {}
        self.out_of_service = set()
        self.requests = 0

    def act(self, path, key, body):
        """Status and answer, once for each key."""
        if key in self.keys:
            return self.keys[key]
        if path == ["summaries"]:
            self.summaries.append(body)
            answer = 201, {}
        elif len(path) != 2 or path[1] not in ("drain", "upgrade", "restore", "rejoin"):
            return 404, {}
        elif path[1] == "restore" and path[0] in self.stubborn:
            return 409, {}
        else:
            self.step(*path, body)
            answer = 200, {}
        if key:
            self.keys[key] = answer
        return answer

    def step(self, host, name, body):
        self.done.append([host, name])
        if name == "drain":
            self.out_of_service.add(host)
        elif name == "rejoin":
            self.out_of_service.discard(host)
        elif name == "upgrade":
            self.releases[host] = body.get("release")
        else:
            self.releases.pop(host, None)

    def check(self, host):
        return {"healthy": not (host in self.broken and host in self.releases)}


class Handler(http.server.BaseHTTPRequestHandler):
    fleet = None

    def answer(self, status, body):
        text = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    def do_GET(self):
        path = self.path.strip("/").split("/")
        with self.fleet.lock:
            if path == ["log"]:
                self.answer(200, {"done": self.fleet.done, "summaries": self.fleet.summaries})
            else:
                self.answer(200, self.fleet.check(path[0]))

    def do_PUT(self):
        body = json.loads(self.rfile.read(int(self.headers.get("Content-Length", 0))) or "{}")
        with self.fleet.lock:
            self.fleet.requests += 1
            number = self.fleet.requests
            if number % 3 == 0:
                return self.answer(503, {})
            status, answer = self.fleet.act(self.path.strip("/").split("/"), self.headers.get("Idempotency-Key"), body)
            if number % 4 == 0:
                self.close_connection = True  # without a word
                return None
            return self.answer(status, answer)

    do_POST = do_PUT

    def log_message(self, *_):
        pass


def make(fleet, port=0):
    return http.server.ThreadingHTTPServer(("127.0.0.1", port), type("Handler", (Handler,), {"fleet": fleet}))


if __name__ == "__main__":
    options = argparse.ArgumentParser(description="Stands for a fleet of hosts.")
    options.add_argument("--port", type=int, default=0)
    options.add_argument("--broken", action="append", default=[], metavar="NAME")
    chosen = options.parse_args()
    server = make(Fleet(chosen.broken), chosen.port)
    print(f"http://127.0.0.1:{server.server_address[1]}", flush=True)
    try:
        server.serve_forever()
    except KeyboardInterrupt:
        pass
