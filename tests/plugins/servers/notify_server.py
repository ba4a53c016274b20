#!/usr/bin/env python3
"""A server for tests of the plugin "notify": it speaks Telegram's Bot API and checks webhooks as standardwebhooks.com has it.

usage: notify_server.py

Prints one line of JSON with its address when it listens, and ends when its standard input does. GET /seen gives what came.
"""
import base64
import hashlib
import hmac
import http.server
import json
import sys
import threading

TOKEN = "123:right"
SECRET = base64.b64decode("c2VjcmV0LW9mLXRoZS10ZXN0cw==")
seen = []


def signed_rightly(headers, body):
    text = f"{headers['webhook-id']}.{headers['webhook-timestamp']}.".encode() + body
    wanted = "v1," + base64.b64encode(hmac.new(SECRET, text, hashlib.sha256).digest()).decode()
    return headers.get("webhook-signature") == wanted


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def answer(self, status, body, headers=()):
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        self.send_response(status)
        for name, value in headers:
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def do_GET(self):
        self.answer(200, seen)

    def do_POST(self):
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        seen.append({"path": self.path, "body": json.loads(body), "type": self.headers["Content-Type"],
                     "id": self.headers.get("webhook-id"), "extra": self.headers.get("X-Extra"),
                     "signed": "webhook-signature" in self.headers and signed_rightly(self.headers, body)})
        if self.path.startswith("/bot"):
            return self.telegram(json.loads(body))
        status = int(self.path.rsplit("/", 1)[1])
        self.answer(status, {"said": status}, [("Retry-After", "9")] if status == 503 else [])

    def telegram(self, message):
        if self.path != f"/bot{TOKEN}/sendMessage":
            return self.answer(401, {"ok": False, "error_code": 401, "description": "Unauthorized"})
        if message["chat_id"] == "nobody":
            return self.answer(400, {"ok": False, "error_code": 400, "description": "Bad Request: chat not found"})
        if message["chat_id"] == "busy":
            return self.answer(429, {"ok": False, "error_code": 429, "description": "Too Many Requests: retry after 7",
                                     "parameters": {"retry_after": 7}})
        if message["chat_id"] == "broken":
            return self.answer(502, b"<html>Bad Gateway</html>")
        self.answer(200, {"ok": True, "result": {"message_id": 42, "text": message["text"]}})


class Server(http.server.ThreadingHTTPServer):
    def handle_error(self, *_):  # a client that has left
        pass


server = Server(("127.0.0.1", 0), Handler)
threading.Thread(target=server.serve_forever, daemon=True).start()
print(json.dumps({"http": f"http://127.0.0.1:{server.server_port}"}), flush=True)
sys.stdin.read()
