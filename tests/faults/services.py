"""Real brokers for tests: started on loopback, ended by pid."""
import os
import shutil
import signal
import socket
import sqlite3
import subprocess
import time

from stalling_proxy import StallingProxy

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
KAFKA = os.path.join(ROOT, "scripts", "services", "kafka.sh")
CANNOT_START = 77


class Missing(Exception):
    """A service can't be had here; says why."""


def free_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


def environment_of(broker, **more):
    """Of processes that use it."""
    return dict(os.environ, EVERMILL_QUEUE=broker.address, EVERMILL_PLUGINS=getattr(broker, "plugin", ""), **more)


class Sqlite:
    """A file that the processes share, by the plugin of examples/sqlite_queue."""

    proxies = ()

    def __init__(self, folder, plugin):
        self.plugin = os.path.abspath(plugin)
        self.path = os.path.join(folder, "queue.db")
        self.address = f"sqlite://{self.path}"
        self.proxied_address = self.address

    def other_address(self, name):
        """Of another cluster."""
        return f"{self.address}.{name}"

    def fault(self, random):
        """Some program holds the file's lock, for longer than a session may be."""
        other = sqlite3.connect(self.path, isolation_level=None)
        try:
            other.execute("BEGIN IMMEDIATE")
            time.sleep(random.uniform(0.1, 3))
        except sqlite3.OperationalError:
            pass  # it is locked already, by a process that was stopped in the middle
        finally:
            other.close()

    def stop(self):
        pass


class Redis:
    """One server whose data survives its death, as far as the file system does."""

    faults = ("restart", "pause")

    def __init__(self, folder, user=None, password=None):
        """With a user nobody else may do anything."""
        self.look()
        self.password = password
        self.users = [] if user is None else ["--user", user, "on", f">{password}", "~*", "&*", "+@all",
                                              "--user", "default", "off", "~*", "&*", "+@all"]  # see docs/cluster.md
        self.folder = os.path.join(folder, "redis")
        os.mkdir(self.folder)
        self.port = free_port()
        self.process = None
        self.start()
        self.proxies = [StallingProxy(self.port)]

    @staticmethod
    def look():
        if shutil.which("redis-server") is None:
            raise Missing("redis-server is not installed: scripts/install-dependencies.sh test")

    @property
    def address(self):
        return f"redis://127.0.0.1:{self.port}"

    @property
    def proxied_address(self):
        """The same server behind self.proxies."""
        return f"redis://127.0.0.1:{self.proxies[0].port}"

    def other_address(self, name):
        """Of another cluster."""
        return f"{self.address}?prefix={name}"

    def start(self):
        with open(os.path.join(self.folder, "log"), "ab") as log:
            self.process = subprocess.Popen(
                ["redis-server", "--port", str(self.port), "--bind", "127.0.0.1", "--dir", self.folder, "--save", "",
                 "--appendonly", "yes", "--appendfsync", "always", *self.users], stdout=log, stderr=log, stdin=subprocess.DEVNULL)
        for _ in range(600):
            try:
                with socket.create_connection(("127.0.0.1", self.port), timeout=1) as connection:
                    connection.sendall(b"PING\r\n")
                    if connection.recv(64).startswith((b"+PONG", b"-NOAUTH")):
                        return
            except OSError:
                pass
            time.sleep(0.05)
        raise RuntimeError("redis-server does not answer")

    def fault(self, random):
        if random.choice(self.faults) == "restart":
            self.process.kill()
            self.process.wait()
            time.sleep(random.uniform(0.1, 1.5))
            self.start()
        else:
            self.process.send_signal(signal.SIGSTOP)
            time.sleep(random.uniform(0.5, 3))
            self.process.send_signal(signal.SIGCONT)

    def stop(self):
        for proxy in self.proxies:
            proxy.close()
        if self.process is not None:
            self.process.kill()
            self.process.wait()


class Kafka:
    """Brokers of scripts/services/kafka.sh: of three, any one may be away."""

    def __init__(self, folder, brokers=3, login=False):
        """With a login there are secured_hosts, for the user "evermill" with this password, and mutual_hosts, for who has client.crt."""
        self.folder = os.path.join(folder, "kafka")
        self.brokers = brokers
        self.proxies = []
        done = self.run("start", self.folder, "--brokers", str(brokers), "--proxies", "yes", *(["--login", "yes"] if login else []),
                        check=False)
        if done.returncode == CANNOT_START:
            raise Missing(done.stderr.strip())
        if done.returncode != 0:
            self.stop()
            raise RuntimeError(done.stderr)
        self.hosts = self.text_of("address")
        if login:
            self.secured_hosts = self.text_of("secured")
            self.mutual_hosts = self.text_of("mutual")
            self.password = self.text_of("password")
        with open(os.path.join(self.folder, "proxies"), encoding="utf-8") as file:
            ports = [[int(port) for port in line.split()] for line in file]
        self.proxies = [StallingProxy(broker, port) for port, broker in ports]

    @classmethod
    def fetch(cls):
        done = cls.run("fetch", check=False)
        if done.returncode != 0:
            raise Missing(done.stderr.strip())

    def text_of(self, name):
        with open(os.path.join(self.folder, name), encoding="utf-8") as file:
            return file.read().strip()

    def make_other_authority(self, name):
        """A certificate that has signed nothing, as the file `name` of its folder."""
        subprocess.run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=somebody else", "-keyout", os.devnull,
                        "-out", os.path.join(self.folder, name)], check=True, capture_output=True)

    @property
    def address(self):
        return f"kafka://{self.hosts}"

    @property
    def proxied_address(self):
        return "kafka://" + ",".join(f"127.0.0.1:{proxy.port}" for proxy in self.proxies)

    @staticmethod
    def run(*arguments, check=True):
        return subprocess.run([KAFKA, *arguments], capture_output=True, text=True, check=check, stdin=subprocess.DEVNULL)

    def fault(self, random):
        if self.brokers < 3:
            return
        broker = str(random.randint(1, self.brokers))
        if random.random() < 0.5:
            self.run("kill", self.folder, broker)
            time.sleep(random.uniform(0.5, 4))
            self.run("up", self.folder, broker)
        else:
            self.run("pause", self.folder, broker)
            time.sleep(random.uniform(0.5, 4))
            self.run("resume", self.folder, broker)

    def stop(self):
        for proxy in self.proxies:
            proxy.close()
        self.run("stop", self.folder, check=False)
