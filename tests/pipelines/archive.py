"""A proxy before Debian's archive: it keeps what it has fetched, and refuses the first requests for sources of each run."""
import http.server
import re
import threading
import urllib.error
import urllib.request

SECONDS = 60
DEBIAN = re.compile(r"http://[^/]+/.*")


class Archive:
    def __init__(self):
        self.kept = {}
        self.refuse = 0  # so many of the next requests for a source package
        self.refused = 0
        self.lock = threading.Lock()
        archive = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self):
                status, body = archive.answer(self.path)
                self.send_response(status)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.handle_error = lambda *_: None  # a client that was killed
        self.thread = threading.Thread(target=self.server.serve_forever)
        self.thread.start()

    def answer(self, address):
        if not DEBIAN.fullmatch(address):
            return 400, b""
        with self.lock:
            if "/pool/" in address and self.refuse > 0:
                self.refuse -= 1
                self.refused += 1
                return 503, b"later"
            if address not in self.kept:
                self.kept[address] = self.fetch(address)
            return self.kept[address]

    @staticmethod
    def fetch(address):
        try:
            with urllib.request.urlopen(address, timeout=SECONDS) as got:
                return got.status, got.read()
        except urllib.error.HTTPError as error:
            return error.code, b""
        except OSError:
            return 504, b""

    def configuration(self):
        """Lines for apt."""
        return (f'Acquire::http::Proxy "http://127.0.0.1:{self.server.server_address[1]}";', 'Acquire::Retries "0";')

    def stop(self):
        self.server.shutdown()
        self.thread.join()
        self.server.server_close()
