#!/usr/bin/env python3
"""What AWS Lambda's Invoke does, for tests: checks the signature by an implementation of its own, and answers as the function's name says.

usage: lambda_server.py

Prints one line of JSON with its address when it listens, and ends when its standard input does.
"""
import base64
import hashlib
import hmac
import http.server
import json
import re
import socketserver
import sys
import threading
import urllib.parse

KEYS = {"AKIDEXAMPLE": ("wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY", None), "ASIAEXAMPLE": ("temporary/key", "session==token")}
LOG = base64.b64encode(b"START\nlast words\nREPORT Max Memory Used\n").decode()
counts = {}


def signature_of(handler, body, key, date, scope, names):
    """As AWS's documents have it; path and query as a service sees them: decoded, and encoded by its own rules."""
    url = urllib.parse.urlsplit(handler.path)
    path = "/".join(urllib.parse.quote(part, safe="-_.~") for part in url.path.split("/"))  # once more, as for all services but S3
    fields = sorted((urllib.parse.quote(urllib.parse.unquote(name), safe="-_.~"), urllib.parse.quote(urllib.parse.unquote(value), safe="-_.~"))
                    for name, _, value in (field.partition("=") for field in url.query.split("&") if field))
    headers = "".join(f"{name}:{' '.join(handler.headers[name].split())}\n" for name in names)
    canonical = "\n".join((handler.command, path, "&".join("=".join(field) for field in fields), headers, ";".join(names),
                           hashlib.sha256(body).hexdigest()))
    to_sign = "\n".join(("AWS4-HMAC-SHA256", date, "/".join(scope), hashlib.sha256(canonical.encode()).hexdigest()))
    secret = ("AWS4" + key).encode()
    for part in scope:
        secret = hmac.new(secret, part.encode(), hashlib.sha256).digest()
    return hmac.new(secret, to_sign.encode(), hashlib.sha256).hexdigest()


def why_not_signed(handler, body):
    said = re.fullmatch(r"AWS4-HMAC-SHA256 Credential=([^,]+), SignedHeaders=([^,]+), Signature=([0-9a-f]+)", handler.headers.get("Authorization", ""))
    if not said:
        return "MissingAuthenticationTokenException"
    key_id, *scope = said[1].split("/")
    if key_id not in KEYS or scope[1:] != [scope[1], "lambda", "aws4_request"]:
        return "UnrecognizedClientException"
    key, session = KEYS[key_id]
    if handler.headers.get("X-Amz-Security-Token") != session:
        return "UnrecognizedClientException"
    names = said[2].split(";")
    wanted = {"host", "x-amz-date"} | {name.lower() for name in handler.headers if name.lower().startswith("x-amz-")}
    if names != sorted(names) or not wanted <= set(names):
        return "InvalidSignatureException"
    date = handler.headers["X-Amz-Date"]
    if not date.startswith(scope[0]) or said[3] != signature_of(handler, body, key, date, scope, names):
        return "InvalidSignatureException"
    return None


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def answer(self, status, body=b"", headers=()):
        if not isinstance(body, bytes):
            body = json.dumps(body).encode()
        self.send_response(status)
        for name, value in (("X-Amzn-RequestId", "request-1"), *headers):
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def refuse(self, status, kind, message, headers=()):
        self.answer(status, {"Message": message, "Type": "User"}, (("X-Amzn-ErrorType", kind + ":http://internal"), *headers))

    def fail(self, error, message):
        self.answer(200, {"errorType": error, "errorMessage": message, "stackTrace": ["line 1"]},
                    (("X-Amz-Function-Error", "Unhandled"), ("X-Amz-Log-Result", LOG), ("X-Amz-Executed-Version", "$LATEST")))

    def do_POST(self):
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        if why := why_not_signed(self, body):
            return self.refuse(403, why, "The request signature we calculated does not match the signature you provided")
        url = urllib.parse.urlsplit(self.path)
        found = re.fullmatch(r"/2015-03-31/functions/([^/]+)/invocations", url.path)
        if not found:
            return self.refuse(404, "ResourceNotFoundException", "no such path")
        function = urllib.parse.unquote(found[1])
        kind = self.headers["X-Amz-Invocation-Type"]
        if kind != "RequestResponse":
            return self.answer(202 if kind == "Event" else 204)
        name = function.rpartition(":")[2]
        failures = {"throws": ("ValueError", "no such order"),
                    "times-out": ("", "2024-01-01T00:00:00.000Z request-1 Task timed out after 3.00 seconds"),
                    "times-out-by-type": ("Sandbox.Timedout", "RequestId: request-1 Error: Task timed out after 3.00 seconds"),
                    "is-killed": ("Runtime.ExitError", "RequestId: request-1 Error: Runtime exited with error: signal: killed"),
                    "exits": ("Runtime.ExitError", "RequestId: request-1 Error: Runtime exited with error: exit status 1")}
        refusals = {"throttled": (429, "TooManyRequestsException", "Rate Exceeded.", (("Retry-After", "3"),)),
                    "broken": (500, "ServiceException", "An error occurred"),
                    "bad-gateway": (502, "EC2ThrottledException", "throttled"),
                    "changing": (409, "ResourceConflictException", "The function is being updated"),
                    "missing": (404, "ResourceNotFoundException", "Function not found: missing")}
        if name in failures:
            return self.fail(*failures[name])
        if name in refusals:
            return self.refuse(*refusals[name])
        if name == "returns-text":
            return self.answer(200, b"no json")
        headers = [("X-Amz-Executed-Version", "7")]
        if self.headers.get("X-Amz-Log-Type") == "Tail":
            headers.append(("X-Amz-Log-Result", LOG))
        context = base64.b64decode(self.headers.get("X-Amz-Client-Context", "")).decode()
        self.answer(200, {"function": function, "query": url.query, "given": json.loads(body), "context": context,
                          "headers": dict(self.headers.items())}, headers)


class Server(socketserver.ThreadingMixIn, http.server.HTTPServer):
    daemon_threads = True


def main():
    server = Server(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    print(json.dumps({"http": f"http://127.0.0.1:{server.server_port}"}), flush=True)
    sys.stdin.read()


if __name__ == "__main__":
    main()
