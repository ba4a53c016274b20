#!/usr/bin/env python3
"""An HTTP server for tests: it echoes, answers with any status, asks for logins, is slow, breaks off, and talks garbage.

usage: http_server.py DIRECTORY

Prints one line of JSON with its addresses when it listens, and ends when its standard input does. DIRECTORY is for its certificate
and its unix socket.
"""
import base64
import hashlib
import http.server
import json
import os
import socket
import socketserver
import ssl
import subprocess
import sys
import threading
import time
import urllib.parse
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
import logins  # noqa: E402

REALM = "tests"
lock = threading.Lock()
changed = threading.Condition(lock)
requests = []  # what came: method and path
gone = []  # paths of requests whose client left before it was answered
counts = {}  # of requests by path


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def read_body(self):
        if self.headers.get("Transfer-Encoding", "") == "chunked":
            body = b""
            while size := int(self.rfile.readline().split(b";")[0], 16):
                body += self.rfile.read(size)
                self.rfile.readline()
            self.rfile.readline()
            return body
        return self.rfile.read(int(self.headers.get("Content-Length", 0)))

    def answer(self, status=200, body=b"", headers=(), content_type="application/json"):
        if not isinstance(body, bytes):
            body = json.dumps(body).encode()
        self.send_response(status)
        for name, value in headers:
            self.send_header(name, value)
        if body:
            self.send_header("Content-Type", content_type)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def dispatch(self):
        url = urllib.parse.urlsplit(self.path)
        query = dict(urllib.parse.parse_qsl(url.query, keep_blank_values=True))
        body = self.read_body()
        with changed:
            requests.append(f"{self.command} {self.path}")
            counts[url.path] = counts.get(url.path, 0) + 1
            changed.notify_all()
        name, _, rest = url.path.lstrip("/").partition("/")
        method = getattr(self, "at_" + name.replace("-", "_").replace(".", "_"), None)
        if method is None:
            return self.answer(404, {"error": "no such path"})
        method(rest, query, body)

    do_GET = do_HEAD = do_POST = do_PUT = do_PATCH = do_DELETE = do_OPTIONS = do_PROPFIND = dispatch

    def at_echo(self, _, query, body):
        self.answer(200, {"method": self.command, "path": self.path, "query": query, "headers": dict(self.headers.items()),
                          "body": body.decode("utf-8", "replace"), "count": counts["/echo"]},
                    [("X-Repeat", "1"), ("X-Repeat", "2")])

    def at_text(self, rest, query, _):
        self.answer(200, base64.b64decode(query.get("base64", "")) or rest.encode(), content_type=query.get("type", "text/plain"))

    def at_status(self, rest, query, _):
        headers = [(name, value) for name, value in query.items() if name not in ("body", "once")]
        if "once" in query and counts[f"/status/{rest}"] > 1:
            return self.answer(200, {"count": counts[f"/status/{rest}"]})
        self.answer(int(rest), query.get("body", "").encode(), headers, "text/plain")

    def at_redirect(self, rest, query, _):
        self.answer(int(query.get("status", 302)), b"", [("Location", query.get("to", "/echo") if rest == "1" else f"/redirect/{int(rest) - 1}")])

    def at_basic(self, _, __, ___):
        wanted = "Basic " + base64.b64encode("user:päss:word".encode()).decode()
        if self.headers.get("Authorization") != wanted:
            return self.answer(401, {"error": "who?"}, [("WWW-Authenticate", f'Basic realm="{REALM}"')])
        self.answer(200, {"authorization": self.headers["Authorization"]})

    def at_digest(self, _, __, ___):
        said = logins.parse_digest(self.headers.get("Authorization", ""))
        if not said or said["response"] != logins.digest_response(said, self.command, "user", "secret-word", REALM):
            nonce = hashlib.sha256(os.urandom(8)).hexdigest()
            return self.answer(401, {"error": "who?"},
                               [("WWW-Authenticate", f'Digest realm="{REALM}", qop="auth", nonce="{nonce}", algorithm=SHA-256')])
        self.answer(200, {"user": said["username"]})

    def at_slow(self, rest, __, ___):
        """Answers when /release asks for it, or never."""
        with changed:
            while f"POST /release/{rest}" not in requests:
                changed.wait(0.02)
                self.connection.setblocking(False)
                try:
                    ended = self.connection.recv(1, socket.MSG_PEEK) == b""
                except (BlockingIOError, ssl.SSLWantReadError):
                    ended = False
                except OSError:
                    ended = True
                self.connection.setblocking(True)
                if ended:
                    gone.append(self.path)
                    changed.notify_all()
                    self.close_connection = True
                    return
        self.answer(200, {"slow": True})

    def at_release(self, *_):
        self.answer()

    def at_requests(self, *_):
        with lock:
            self.answer(200, {"requests": requests, "gone": gone})

    def at_wait_for(self, _, query, __):
        """Answers when so many requests of a path have come, or have gone."""
        with changed:
            if "gone" in query:
                changed.wait_for(lambda: query["gone"] in gone)
            else:
                changed.wait_for(lambda: counts.get(query["path"], 0) >= int(query.get("count", 1)))
        self.answer(200, {})

    def at_stream(self, rest, _, __):
        self.send_response(200)
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        for n in range(int(rest)):
            piece = f"piece {n}\n".encode()
            self.wfile.write(b"%x\r\n%s\r\n" % (len(piece), piece))
        self.wfile.write(b"0\r\n\r\n")

    def at_large(self, rest, _, __):
        self.send_response(200)
        self.send_header("Content-Type", "application/octet-stream")
        self.send_header("Content-Length", rest)
        self.end_headers()
        left = int(rest)
        try:
            while left > 0:
                left -= self.wfile.write(b"x" * min(left, 65536))
        except OSError:  # the client has had enough
            self.close_connection = True

    def at_headers(self, rest, _, __):
        """So many kilobytes of them."""
        self.answer(200, b"x", [("X-Long", "x" * 1000)] * int(rest))

    def at_broken(self, *_):
        """Promises more than it sends."""
        self.send_response(200)
        self.send_header("Content-Length", "100")
        self.end_headers()
        self.wfile.write(b"only this")
        self.close_connection = True

    def at_garbage(self, *_):
        self.wfile.write(b"\x00\xff\x01 this is no HTTP\r\n\r\n")
        self.close_connection = True

    def at_nothing(self, *_):
        self.close_connection = True

    # OAuth 2: the tests' authorization server.
    def at_oauth2(self, rest, _, body):
        logins.token_endpoint(self, rest, body, counts)

    def at_guarded(self, _, __, ___):
        token = self.headers.get("Authorization", "").removeprefix("Bearer ")
        if not logins.accepts(token):
            return self.answer(401, {"error": "no such token"}, [("WWW-Authenticate", "Bearer")])
        self.answer(200, {"token": token, "path": self.path, "grant": token.partition("-by-")[2].partition("-for-")[0]})

    def at_revoke(self, rest, _, __):
        logins.revoke_all(rest == "refresh-tokens")
        self.answer()

    def at__well_known(self, _, __, ___):
        logins.discovery(self)


class Server(socketserver.ThreadingMixIn, http.server.HTTPServer):
    daemon_threads = True
    request_queue_size = 1024

    def handle_error(self, *_):
        pass


class UnixServer(Server):
    address_family = socket.AF_UNIX

    def server_bind(self):
        socketserver.TCPServer.server_bind(self)
        self.server_name, self.server_port = "localhost", 80

    def get_request(self):
        connection, _ = self.socket.accept()
        return connection, ("unix", 0)


def make_certificate(directory, name):
    """Signed by itself, for this machine's loopback."""
    certificate, key = directory / f"{name}.pem", directory / f"{name}.key"
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2",
                    "-subj", f"/CN={name}", "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1", "-keyout", key, "-out", certificate],
                   check=True, capture_output=True)
    return certificate, key


def main():
    directory = Path(sys.argv[1])
    plain = Server(("127.0.0.1", 0), Handler)
    unix = UnixServer(str(directory / "http.sock"), Handler)
    servers = [plain, unix]
    said = {"http": f"http://127.0.0.1:{plain.server_port}", "unix": str(directory / "http.sock")}
    logins.issuer = said["http"]
    try:
        certificate, key = make_certificate(directory, "server")
        client, client_key = make_certificate(directory, "client")
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate, key)
        mutual = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        mutual.load_cert_chain(certificate, key)
        mutual.load_verify_locations(client)
        mutual.verify_mode = ssl.CERT_REQUIRED
        for name, wrapped in (("https", context), ("mutual", mutual)):
            server = Server(("127.0.0.1", 0), Handler)
            server.socket = wrapped.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
            servers.append(server)
            said[name] = f"https://127.0.0.1:{server.server_port}"
        said |= {"ca": str(certificate), "certificate": str(client), "key": str(client_key), "server-key": str(key)}
    except FileNotFoundError:
        said["no_tls"] = "there is no openssl command to make a certificate with"
    for server in servers:
        threading.Thread(target=server.serve_forever, daemon=True).start()
    print(json.dumps(said), flush=True)
    sys.stdin.read()


if __name__ == "__main__":
    main()
