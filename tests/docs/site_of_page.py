"""Where the commands of a page are run: a folder and an environment of its own, the ports and services that the page names, and processes
that end with it."""
import http.server
import json
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path.insert(0, os.path.join(ROOT, "tests", "faults"))
from services import Missing, Redis, free_port  # noqa: E402

LIMIT = 120  # seconds after which something hangs
PORTS = ("7466", "7467", "9464", "4318", "8123", "8124")  # that pages name, behind ":" or a blank
SECURED = """
security:
  tokens: { file: tokens.json }
  tls: { certificate: server.pem, key: server.key }
namespaces: { default: {}, shop: {} }
"""


class Failed(Exception):
    """A command did not do what its page says."""


class Site:
    def __init__(self, folder, program, **libraries_and_services):
        self.folder = folder
        self.program = program
        vars(self).update(libraries_and_services)
        self.processes = []  # (command, process, code with which it ends by itself; None: it is told to end)
        self.started = 0
        self.closers = []
        self.ports = {port: str(free_port()) for port in PORTS}
        self.replaced = {f"{sign}{old}": f"{sign}{new}" for old, new in self.ports.items() for sign in ": "}
        os.mkdir(self.path("bin"))
        os.symlink(program, self.path("bin", "evermill"))
        os.symlink(os.path.join(ROOT, "examples"), self.path("examples"))
        self.write(".curlrc", "fail-with-body\n")  # what the server refuses is no success
        kept = {name: value for name, value in os.environ.items()
                if not name.startswith(("EVERMILL_", "XDG_", "OTEL_")) and name not in ("TRACEPARENT", "TRACESTATE")}
        self.environment = dict(kept, HOME=folder, CURL_HOME=folder, TMPDIR=folder, XDG_RUNTIME_DIR=folder, no_proxy="*",
                                PATH=self.path("bin") + os.pathsep + os.environ["PATH"])

    def path(self, *names):
        return os.path.join(self.folder, *names)

    def write(self, name, text, mode=0o644):
        os.makedirs(os.path.dirname(self.path(name)), exist_ok=True)
        with open(self.path(name), "w", encoding="utf-8") as file:
            file.write(text)
        os.chmod(self.path(name), mode)

    def read(self, name):
        with open(self.path(name), encoding="utf-8") as file:
            return file.read()

    def link(self, name, target):
        os.symlink(target, self.path(name))

    def text_of(self, command, replace):
        """The command with this place's names in it. What a plan replaces has to be there."""
        for old, new in replace:
            if old not in command:
                raise Failed(f"there is no `{old}` in it, for which its plan has `{new}`")
            command = command.replace(old, new)
        names = "|".join(re.escape(name) + r"(?!\d)" for name in sorted(self.replaced, key=len, reverse=True))
        return re.sub(names, lambda found: self.replaced[found.group()], command)

    # Commands

    def run(self, command, code=0):
        done = subprocess.run(["bash", "-eu", "-o", "pipefail", "-c", command], cwd=self.folder, env=self.environment, capture_output=True,
                              text=True, timeout=LIMIT, check=False, stdin=subprocess.DEVNULL)
        if done.returncode != code:
            raise Failed(f"`{command}` ended with {done.returncode}, not {code}\n{done.stdout}{done.stderr}")
        return done.stdout + done.stderr

    def assign(self, command):
        """For all that follow it."""
        shown = subprocess.run(["bash", "-eu", "-c", f"set -a; {command}; env -0"], cwd=self.folder, env=self.environment,
                               capture_output=True, text=True, timeout=LIMIT, check=True).stdout
        self.environment = dict(each.split("=", 1) for each in shown.split("\0") if each)

    def start(self, command, ends=None):
        """A process beside the others."""
        self.started += 1
        name = f"log-{self.started}"
        bare = re.sub(r"(?:\s*&)?(?:\s\s+# .*)?$", "", command)
        assignments, simple = re.fullmatch(r"((?:[A-Z_]+=\S* +)*)(.*)", bare, re.DOTALL).groups()
        with open(self.path(name + ".out"), "wb") as out, open(self.path(name + ".err"), "wb") as err:
            process = subprocess.Popen(["bash", "-eu", "-c", f"{assignments}exec {simple}"], cwd=self.folder, env=self.environment,
                                       stdin=subprocess.DEVNULL, stdout=out, stderr=err)
        self.processes.append((command, process, ends))
        process.printed = lambda: self.read(name + ".out")
        process.said = lambda: process.printed() + self.read(name + ".err")
        return process

    def serve(self, command):
        """A server or worker: there once it says so."""
        process = self.start(command)
        self.wait_until(lambda: "running" in process.printed() or process.poll() is not None, f"`{command}` does not say that it runs")
        if process.poll() is not None:
            raise Failed(f"`{command}` ended with {process.returncode}\n{process.said()}")
        return process

    def serve_at(self, command, port):
        """Any other program, which answers at a port."""
        process = self.start(command)

        def answers():
            if process.poll() is not None:
                raise Failed(f"`{command}` ended with {process.returncode}\n{process.said()}")
            with socket.socket() as one:
                return one.connect_ex(("127.0.0.1", int(port))) == 0

        self.wait_until(answers, f"`{command}` does not answer")

    def stop_last(self, how=signal.SIGTERM, code=0):
        """Tells it to end, unless it does so by itself. evermill's own processes end well then."""
        command, process, ends = self.processes.pop()
        if ends is None or how != signal.SIGTERM:
            process.send_signal(how)
        try:
            ended = process.wait(LIMIT)
        except subprocess.TimeoutExpired as late:
            process.kill()
            process.wait()
            raise Failed(f"`{command}` does not end\n{process.said()}") from late
        if ended != code and (ends is not None or "evermill" in command.split()):
            raise Failed(f"`{command}` ended with {ended}, not {code}\n{process.said()}")

    def stop_all(self):
        while self.processes:
            self.stop_last()

    def close(self):
        """Whatever has become of it."""
        for _, process, _ in self.processes:
            if process.poll() is None:
                process.kill()
            process.wait()
        for closer in reversed(self.closers):
            closer()

    @staticmethod
    def wait_until(condition, otherwise):
        end = time.monotonic() + LIMIT
        while not condition():
            if time.monotonic() > end:
                raise Failed(otherwise)
            time.sleep(0.02)

    def succeeds(self, command):
        done = subprocess.run(["bash", "-c", command], cwd=self.folder, env=self.environment, capture_output=True, timeout=LIMIT,
                              check=False)
        return done.returncode == 0

    # Services

    def have_redis(self):
        """In place of each broker that the page names."""
        redis = Redis(self.folder)
        self.closers.append(redis.stop)
        self.replaced.update({"kafka://localhost:9092": redis.address, "redis://localhost:6379": redis.address,
                              "redis-cli ": f"redis-cli -p {redis.port} "})

    def have_kafka(self):
        """Which all pages share: it takes long to start."""
        self.replaced["localhost:9092"] = self.kafka.hosts
        self.replaced.pop("kafka://localhost:9092", None)

    def have_http(self):
        """One server that takes all requests for good: a shop's stock, a collector of traces. Gives the paths that were asked for."""
        asked = []

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self):
                self.rfile.read(int(self.headers.get("Content-Length", 0)))
                asked.append(self.path)
                answer = json.dumps({"available": 3}).encode()
                self.send_response(200)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(answer)))
                self.end_headers()
                self.wfile.write(answer)

            def log_message(self, *_):
                pass

        server = http.server.ThreadingHTTPServer(("127.0.0.1", int(self.ports["4318"])), Handler)
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        self.closers.extend([server.server_close, thread.join, server.shutdown])
        return asked

    def have_secured_server(self):
        """evermill.example, with TLS and tokens. Gives a token that may operate."""
        subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-keyout",
                        "server.key", "-out", "server.pem", "-days", "2", "-subj", "/CN=localhost", "-addext",
                        "subjectAltName=DNS:localhost"], cwd=self.folder, check=True, capture_output=True, timeout=LIMIT)
        os.chmod(self.path("server.key"), 0o600)
        self.write("server.yaml", SECURED)
        token = self.run("evermill token create --name reader --scope operate --namespace '*' --file tokens.json")
        port = free_port()
        self.serve(f"evermill server --data secured --listen localhost:{port} --config server.yaml")
        self.replaced["evermill.example:7466"] = f"localhost:{port}"
        self.environment["GRPC_DEFAULT_SSL_ROOTS_FILE_PATH"] = self.path("server.pem")  # a certificate that everybody knows
        return next(word for word in token.split() if word.startswith("evm_"))
