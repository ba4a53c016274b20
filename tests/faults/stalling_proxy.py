"""A connection to a server of this machine that can be made to stand still: nothing is lost, nothing gets through."""
import selectors
import socket
import threading

CHUNK = 1 << 16


class StallingProxy:
    def __init__(self, server_port, port=0):
        self.server_port = server_port
        self.listener = socket.create_server(("127.0.0.1", port))
        self.port = self.listener.getsockname()[1]
        self.moving = threading.Event()
        self.moving.set()
        self.closed = False
        threading.Thread(target=self.accept, daemon=True).start()

    def stall(self):
        self.moving.clear()

    def resume(self):
        self.moving.set()

    def close(self):
        self.closed = True
        self.moving.set()
        self.listener.close()

    def accept(self):
        while not self.closed:
            try:
                client, _ = self.listener.accept()
            except OSError:
                return
            threading.Thread(target=self.connect, args=(client,), daemon=True).start()

    def connect(self, client):
        self.moving.wait()
        try:
            server = socket.create_connection(("127.0.0.1", self.server_port), timeout=5)
        except OSError:
            client.close()
            return
        server.settimeout(None)
        with client, server, selectors.DefaultSelector() as both:
            both.register(client, selectors.EVENT_READ, server)
            both.register(server, selectors.EVENT_READ, client)
            try:
                while not self.closed:
                    for key, _ in both.select(timeout=1):
                        self.moving.wait()
                        data = key.fileobj.recv(CHUNK)
                        if not data:
                            return
                        key.data.sendall(data)
            except OSError:
                return
