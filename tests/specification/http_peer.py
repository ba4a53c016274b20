"""An HTTP server on loopback that answers as a test says, and remembers what it was asked."""
import http.server
import json
import threading
import urllib.parse
from collections import namedtuple

Request = namedtuple("Request", "method path query headers body")


def json_or_text(data):
    text = data.decode("utf-8", "replace")
    try:
        return json.loads(text)
    except ValueError:
        return text


class HttpPeer:
    """Answers are (status, body), (status, body, headers), or a function of the request that gives one of these. A body that is
    no text is JSON."""

    def __init__(self):
        self.seen = []
        self.routes = {}
        self.lock = threading.Lock()
        peer = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def answer(self):
                url = urllib.parse.urlsplit(self.path)
                data = self.rfile.read(int(self.headers.get("Content-Length", 0)))
                headers = {name.lower(): value for name, value in self.headers.items()}
                query = urllib.parse.parse_qs(url.query, keep_blank_values=True)
                asked = Request(self.command, url.path, query, headers, json_or_text(data) if data else None)
                status, body, *more = peer.answer_to(asked)
                kind = "text/plain" if isinstance(body, str) else "application/json"
                data = body.encode() if isinstance(body, str) else b"" if body is None else json.dumps(body).encode()
                self.send_response(status)
                for name, value in {"Content-Type": kind, "Content-Length": len(data), **(more[0] if more else {})}.items():
                    self.send_header(name, str(value))
                self.end_headers()
                self.wfile.write(data)

            do_GET = do_POST = do_PUT = do_DELETE = do_PATCH = answer

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.server.handle_error = lambda *_: None  # a client that has gone
        self.thread = threading.Thread(target=self.server.serve_forever)
        self.thread.start()

    @property
    def address(self):
        return f"127.0.0.1:{self.server.server_address[1]}"

    def on(self, method, path, *answers):
        """One answer after the other; the last one from then on."""
        self.routes[method, path] = list(answers)

    def answer_to(self, asked):
        with self.lock:
            self.seen.append(asked)
            answers = self.routes.get((asked.method, asked.path))
            if not answers:
                return 404, {"error": f"nothing is at {asked.method} {asked.path}"}
            answer = answers.pop(0) if len(answers) > 1 else answers[0]
        return answer(asked) if callable(answer) else answer

    def asked(self, method=None, path=None):
        """What came, of that method and path."""
        with self.lock:
            return [each for each in self.seen if method in (None, each.method) and path in (None, each.path)]

    def stop(self):
        self.server.shutdown()
        self.thread.join()
        self.server.server_close()
