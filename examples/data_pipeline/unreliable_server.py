#!/usr/bin/env python3
"""Serves a folder, and answers 503 to two requests of three: what a pipeline meets in a network.

    unreliable_server.py FOLDER [PORT]     prints its address; ends with Ctrl-C
"""
import functools
import http.server
import itertools
import sys


class Unreliable(http.server.SimpleHTTPRequestHandler):
    turns = itertools.count(1)

    def do_GET(self):
        if next(self.turns) % 3 != 0:
            self.send_error(503, "try again")
        else:
            super().do_GET()

    def log_message(self, *_):
        pass


def make(folder, port=0):
    """The first two requests fail."""
    handler = type("Served", (Unreliable,), {"turns": itertools.count(1)})
    return http.server.ThreadingHTTPServer(("127.0.0.1", port), functools.partial(handler, directory=folder))


if __name__ == "__main__":
    server = make(sys.argv[1], int(sys.argv[2]) if len(sys.argv) > 2 else 0)
    print(f"http://127.0.0.1:{server.server_address[1]}", flush=True)
    try:
        server.serve_forever()
    except KeyboardInterrupt:
        pass
