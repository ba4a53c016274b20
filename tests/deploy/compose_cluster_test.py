"""docker-compose.yml on a real Docker engine: a node, a worker and a broker are killed, and what was acknowledged ends.

    compose_cluster_test.py PROGRAM [--build] [unittest's arguments]

PROGRAM is the evermill that the image has. With --build the image's own is built instead, by the Dockerfile from its first line
to its last, which takes minutes.
"""
import json
import os
import subprocess
import sys
import time
import unittest

import engine
from engine import ROOT, Engine, Missing, run

PROGRAM = os.path.abspath(sys.argv.pop(1)) if len(sys.argv) > 1 else ""
IN_FULL = "--build" in sys.argv
if IN_FULL:
    sys.argv.remove("--build")
LIMIT = 120  # seconds after which something hangs
PROJECT = "evermill-test"
KAFKA = "kafka://127.0.0.1:9092,127.0.0.1:9093,127.0.0.1:9094"  # as it is published
REDIS = "redis://127.0.0.1:6379"
BROKERS = ["kafka-1", "kafka-2", "kafka-3", "redis"]
NODES = ["node-1", "node-2"]
PORTS = [9464, 9465]  # of the nodes' metrics
WORKERS = ["worker_1", "worker_2", "worker_3"]


def kafka_jars():
    script = os.path.join(ROOT, "scripts", "services", "kafka.sh")
    done = subprocess.run([script, "fetch"], capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL)
    if done.returncode == engine.CANNOT_START:
        raise Missing(done.stderr.strip())
    if done.returncode != 0:
        raise RuntimeError(done.stderr)
    return run([script, "where"]).strip()


class Compose(unittest.TestCase):
    queue = ""  # as the cluster is reached from outside

    @classmethod
    def setUpClass(cls):
        cls.engine.start()
        cls.addClassCleanup(cls.engine.stop)
        cls.environment = {name: value for name, value in os.environ.items() if not name.startswith(("EVERMILL_", "COMPOSE_"))}
        cls.environment["EVERMILL_KAFKA_LIBS"] = cls.jars
        cls.gate = os.path.join(cls.engine.folder, "gate")
        os.makedirs(cls.gate, exist_ok=True)
        os.chmod(cls.gate, 0o777)  # for the image's user
        cls.environment["EVERMILL_TEST_GATE"] = cls.gate

    def compose(self, *arguments, limit=LIMIT):
        files = ["-f", os.path.join(ROOT, "docker-compose.yml"), "-f", os.path.join(ROOT, "tests", "deploy", "override.yml")]
        return run(self.engine.inside("docker-compose", "-p", PROJECT, *files, *arguments), env=self.environment, limit=limit)

    def up(self, *arguments):
        self.addCleanup(self.compose, "down", "--volumes", "--timeout", "1")
        self.addCleanup(self.tell_what_went_wrong)
        begun = time.monotonic()
        self.compose("up", "-d", "--no-build", *arguments)
        print(f"up in {time.monotonic() - begun:.1f} s", flush=True)

    def tell_what_went_wrong(self):
        result = self._outcome.result
        if any(test is self for test, _ in [*result.failures, *result.errors]):
            print(self.compose("ps"), self.compose("logs", "--no-color", "--tail", "30"), flush=True)
            for port in PORTS:
                ready = self.engine.inside("curl", "-s", f"http://127.0.0.1:{port}/readyz")
                print(port, subprocess.run(ready, capture_output=True, text=True, check=False).stdout, flush=True)

    # --- containers

    @staticmethod
    def container(service):
        return f"{PROJECT}_{service}" if "_" in service else f"{PROJECT}_{service}_1"

    def state(self, service):
        return json.loads(self.engine.docker("inspect", "--format", "{{json .State}}", self.container(service)))

    def exec(self, service, *command):
        return self.engine.docker("exec", self.container(service), *command)

    def wait_until(self, condition, what):
        """Looks until it is so; the deadline is for what never comes."""
        end = time.monotonic() + LIMIT
        while not condition():
            self.assertLess(time.monotonic(), end, what() if callable(what) else what)
            time.sleep(0.1)

    def wait_until_healthy(self, *services):
        for service in services:
            self.wait_until(lambda: self.state(service)["Health"]["Status"] == "healthy", f"{service} is not healthy")

    # --- evermill, from outside

    def outside(self, *arguments):
        return self.engine.inside(PROGRAM, *arguments, "--queue", self.queue)

    def ask(self, *arguments):
        return run(self.outside(*arguments), env=self.environment, limit=LIMIT)

    def cluster(self):
        return json.loads(self.ask("cluster", "--json"))

    def is_complete(self, nodes, workers):
        try:
            seen = self.cluster()
        except RuntimeError as error:  # nobody has begun it, or nobody answers
            self.last_error = error
            return False
        members = [each for each in seen["members"] if not each["leaving"]]
        owners = {each["host"] for each in members if each["owned"]}
        return (owners == set(nodes) and None not in seen["owners"]
                and sum(each["role"] == "worker" for each in members) == workers)

    def wait_until_complete(self, nodes=tuple(NODES), workers=3):
        self.last_error = ""
        self.wait_until(lambda: self.is_complete(nodes, workers), lambda: f"the cluster is not complete {self.last_error}")

    @staticmethod
    def input_of(script):
        return json.dumps({"script": script})

    def run_shell(self, workflow_id, script):
        said = self.ask("run", "shell", "--json", "--id", workflow_id, "--input", self.input_of(script))
        return json.loads(said)["stdout_text"]

    def listed(self):
        listed = map(json.loads, self.ask("list", "--limit", "1000", "--json").splitlines())
        return {each["workflow_id"]: each["status"] for each in listed}

    def history(self, workflow_id):
        return [json.loads(line) for line in self.ask("history", workflow_id, "--json").splitlines()]


class OnKafka(Compose):
    queue = KAFKA

    def start_run(self, workflow_id, script):
        """From outside or, every fourth, inside."""
        words = ["run", "shell", "--json", "--id", workflow_id, "--input", self.input_of(script)]
        if int(workflow_id.rpartition("-")[2]) % 4 == 0:
            command = self.engine.inside(engine.docker_client(), "exec", self.container("node-2"), "evermill", *words)
        else:
            command = self.outside(*words)
        return subprocess.Popen(command, env=self.environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                                stdin=subprocess.DEVNULL)

    def result_of(self, process, workflow_id, script):
        """Who is told that nobody could be asked asks again, with the same id."""
        out, err = process.communicate(timeout=LIMIT)
        if process.returncode == 0:
            return json.loads(out)["stdout_text"]
        print(f"{workflow_id} is asked for again: {err}", flush=True)
        return self.run_shell(workflow_id, script)

    def check_image(self):
        who = self.run_shell("who", "id -u; cat /proc/1/comm; touch /data/mine && echo writable")
        self.assertEqual(who, "10001\ntini\nwritable\n")
        # What an activity leaves behind is waited for.
        self.run_shell("orphans", "(sleep 0.1 &) ; (setsid sleep 0.2 &) ; exit 0")
        dead = "cat /proc/[0-9]*/status 2>/dev/null | grep -c '^State:.Z' || true"
        gone = "cat /proc/[0-9]*/comm 2>/dev/null | grep -c '^sleep$' || true"
        for worker in WORKERS:
            self.wait_until(lambda: self.exec(worker, "sh", "-c", f"{dead}; {gone}") == "0\n0\n",
                            "processes are left in " + worker)

    def check_metrics(self):
        for port in PORTS:
            text = run(self.engine.inside("curl", "-sf", f"http://127.0.0.1:{port}/metrics"))
            self.assertIn("evermill_partitions_owned", text)

    def test_what_was_acknowledged_ends_whoever_is_killed(self):
        self.up()
        self.wait_until_complete()
        self.wait_until_healthy(*BROKERS, *NODES, *WORKERS)
        self.assertTrue(self.cluster()["durability"].startswith("durable: "), self.cluster()["durability"])
        self.check_image()
        self.check_metrics()

        # Each says that it has begun, and ends once the gate is open: so all are running when others are killed.
        scripts = {f"slow-{number}": f"touch /gate/{number}; until [ -e /gate/open ]; do sleep 0.1; done; echo {number}"
                   for number in range(12)}
        running = {each: self.start_run(each, script) for each, script in scripts.items()}
        self.wait_until(lambda: len(os.listdir(self.gate)) == len(scripts), "not all have begun")
        self.engine.docker("kill", *map(self.container, ("node-1", "worker_1", "kafka-2")))
        with open(os.path.join(self.gate, "open"), "w", encoding="utf-8"):
            pass
        for workflow_id, process in running.items():
            number = workflow_id.rpartition("-")[2]
            self.assertEqual(self.result_of(process, workflow_id, scripts[workflow_id]), f"{number}\n")
        self.wait_until_complete(nodes=["node-2"], workers=2)
        again = 0
        for workflow_id in scripts:
            events = self.history(workflow_id)
            self.assertEqual([each["seq"] for each in events], list(range(1, len(events) + 1)))
            self.assertEqual([each["type"] for each in events].count("WorkflowExecutionCompleted"), 1)
            again += any(each["type"] == "ActivityTaskCompleted" and each["attempt"]["number"] > 1 for each in events)
        self.assertGreater(again, 0, "nothing ran on the worker that was killed")

        self.compose("up", "-d", "--no-build")
        self.wait_until_complete()
        self.wait_until_healthy(*BROKERS, *NODES, *WORKERS)

        # All of it ends in order, and what lies in volumes is there the next time.
        before = self.listed()
        self.compose("stop")
        for service in [*NODES, *WORKERS]:
            self.assertEqual(self.state(service)["ExitCode"], 0, service)
        self.compose("up", "-d", "--no-build")
        self.wait_until_complete()
        self.assertEqual(self.listed(), before)


class OnRedis(Compose):
    queue = REDIS

    def test_redis_is_the_queue_where_it_is_asked_for(self):
        self.environment = dict(self.environment, EVERMILL_COMPOSE_QUEUE="redis://redis:6379?insecure=yes")
        self.up("--no-deps", "redis", *NODES, "worker")
        self.wait_until_complete()
        self.assertEqual(self.run_shell("one", "echo hi"), "hi\n")
        self.engine.docker("kill", self.container("redis"))
        self.engine.docker("start", self.container("redis"))
        self.wait_until_healthy("redis", *NODES, *WORKERS)
        self.assertEqual(self.run_shell("one", "echo hi"), "hi\n")
        self.assertEqual(self.run_shell("two", "hostname").strip() in self.worker_hosts(), True)

    def worker_hosts(self):
        return [each["host"] for each in self.cluster()["members"] if each["role"] == "worker"]


def main():
    made = Engine()
    try:
        Compose.jars = kafka_jars()
        Compose.engine = made
        made.build_images(PROGRAM, IN_FULL)
        passed = unittest.main(exit=False).result.wasSuccessful()
    except Missing as why:
        print(f"skipped: {why}")
        return 77
    finally:
        made.stop("--remove")
    left = made.what_is_left()
    if left:
        print("left behind:", *left, sep="\n")
    return 0 if passed and not left else 1


if __name__ == "__main__":
    sys.exit(main())
