"""A registry with one image: what an engine needs to pull it (OCI distribution, by tag and digest), and no more.

    image_registry.py ARCHIVE      of `docker save`

Prints its port, then a line for each manifest that it is asked for; ends when its standard input does.
"""
import hashlib
import http.server
import json
import sys
import tarfile
import threading

MANIFEST = "application/vnd.docker.distribution.manifest.v2+json"
CONFIG = "application/vnd.docker.container.image.v1+json"
LAYER = "application/vnd.docker.image.rootfs.diff.tar.gzip"


def digest_of(data):
    return "sha256:" + hashlib.sha256(data).hexdigest()


class Image:
    def __init__(self, archive):
        self.blobs = {}
        with tarfile.open(archive) as tar:
            [about] = json.load(tar.extractfile("manifest.json"))
            config = self.kept(CONFIG, tar.extractfile(about["Config"]).read())
            layers = [self.kept(LAYER, tar.extractfile(name).read()) for name in about["Layers"]]
        self.manifest = json.dumps({"schemaVersion": 2, "mediaType": MANIFEST, "config": config, "layers": layers}).encode()

    def kept(self, kind, data):
        self.blobs[digest_of(data)] = data
        return {"mediaType": kind, "size": len(data), "digest": digest_of(data)}


def handler_of(image):
    class Handler(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self):
            status, kind, data = self.found()
            self.send_response(status)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(data)))
            self.send_header("Docker-Content-Digest", digest_of(data))
            self.end_headers()
            if self.command == "GET":
                self.wfile.write(data)

        do_HEAD = do_GET

        def found(self):
            what, name = self.path.rstrip("/").split("/")[-2:]
            if self.path.rstrip("/") == "/v2":
                return 200, "application/json", b"{}"
            if what == "manifests":
                print(self.path, flush=True)
                return 200, MANIFEST, image.manifest
            if what == "blobs" and name in image.blobs:
                return 200, "application/octet-stream", image.blobs[name]
            return 404, "application/json", b"{}"

        def log_message(self, *_):
            pass

    return Handler


def main():
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler_of(Image(sys.argv[1])))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    print(server.server_address[1], flush=True)
    sys.stdin.read()


if __name__ == "__main__":
    main()
