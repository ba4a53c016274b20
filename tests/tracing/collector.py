"""A collector of traces: takes OTLP over HTTP as JSON, and looks at every message as the specification has it."""
import http.server
import json
import re
import threading

HEX = {"traceId": 32, "spanId": 16, "parentSpanId": 16}
SPAN = {"traceId", "spanId", "parentSpanId", "traceState", "flags", "name", "kind", "startTimeUnixNano", "endTimeUnixNano",
        "attributes", "status"}


def problem_of(request):
    """What is not as OTLP's JSON form has it, or None."""
    def check(condition, what):
        if not condition:
            raise ValueError(what)

    def attributes(of):
        for each in of:
            check(set(each) == {"key", "value"}, each)
            (kind, value), = each["value"].items()
            check((kind == "stringValue" and isinstance(value, str)) or
                  (kind == "intValue" and isinstance(value, str) and re.fullmatch(r"-?\d+", value)), each)

    def span(of):
        check(set(of) <= SPAN, set(of) - SPAN)
        check({"traceId", "spanId", "name", "kind", "startTimeUnixNano", "endTimeUnixNano"} <= set(of), of)
        for name, digits in HEX.items():
            if name in of:
                check(re.fullmatch("[0-9a-f]{%d}" % digits, of[name]) and set(of[name]) != {"0"}, (name, of[name]))
        for name in ("startTimeUnixNano", "endTimeUnixNano"):
            check(isinstance(of[name], str) and re.fullmatch(r"\d{19}", of[name]), (name, of[name]))
        check(int(of["startTimeUnixNano"]) <= int(of["endTimeUnixNano"]), of)
        check(type(of["kind"]) is int and 1 <= of["kind"] <= 5, of["kind"])
        check(type(of.get("flags", 0)) is int, of)
        check(set(of["status"]) <= {"code", "message"} and of["status"].get("code", 0) in (0, 1, 2), of["status"])
        attributes(of["attributes"])

    try:
        check(set(request) == {"resourceSpans"}, set(request))
        for resource in request["resourceSpans"]:
            check(set(resource) == {"resource", "scopeSpans"}, set(resource))
            attributes(resource["resource"]["attributes"])
            for scope in resource["scopeSpans"]:
                check(set(scope) == {"scope", "spans"}, set(scope))
                for each in scope["spans"]:
                    span(each)
    except (ValueError, KeyError, TypeError) as wrong:
        return repr(wrong)
    return None


class Collector:
    """Serves until closed. `answer(n)` gives status and body for the n-th request, counted from 0, and may wait."""

    def __init__(self, answer=lambda n: (200, "{}"), port=0):
        self.spans, self.problems, self.headers, self.services = [], [], [], []
        self.requests = 0
        self.lock = threading.Lock()
        outer = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self):
                body = self.rfile.read(int(self.headers["Content-Length"]))
                with outer.lock:
                    number = outer.requests
                    outer.requests += 1
                status, text = answer(number)
                if status == 200:
                    outer.take(self.path, self.headers, json.loads(body))
                self.send_response(status)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(text)))
                self.end_headers()
                try:
                    self.wfile.write(text.encode())
                except OSError:
                    pass  # whoever asked has gone

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", port), Handler)
        self.server.daemon_threads = True
        self.port = self.server.server_address[1]
        self.thread = threading.Thread(target=self.server.serve_forever, daemon=True)
        self.thread.start()

    def take(self, path, headers, request):
        with self.lock:
            if path != "/v1/traces" or headers["Content-Type"] != "application/json":
                self.problems.append((path, headers["Content-Type"]))
            if wrong := problem_of(request):
                self.problems.append(wrong)
                return
            self.headers.append(dict(headers))
            for resource in request["resourceSpans"]:
                self.services.append({each["key"]: each["value"].get("stringValue") for each in resource["resource"]["attributes"]})
                for scope in resource["scopeSpans"]:
                    self.spans += scope["spans"]

    @property
    def url(self):
        return f"http://127.0.0.1:{self.port}"

    def named(self, name):
        with self.lock:
            return [span for span in self.spans if span["name"] == name]

    def close(self):
        self.server.shutdown()
        self.server.server_close()


def attribute(span, key):
    for each in span["attributes"]:
        if each["key"] == key:
            (_, value), = each["value"].items()
            return value
    return None
