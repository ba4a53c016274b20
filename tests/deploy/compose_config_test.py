"""docker-compose.yml, as docker-compose understands it: what docs/deployment.md says of it holds.

    compose_config_test.py
"""
import os
import shutil
import subprocess
import sys
import unittest

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
OVERRIDE = os.path.join("tests", "deploy", "override.yml")
BROKERS = ["kafka-1", "kafka-2", "kafka-3"]
NODES = ["node-1", "node-2"]


def config(*files, **environment):
    import yaml  # docker-compose depends on it
    command = ["docker-compose", *(part for file in files for part in ("-f", file)), "config"]
    clean = {name: value for name, value in os.environ.items() if not name.startswith(("EVERMILL_", "COMPOSE_"))}
    done = subprocess.run(command, cwd=ROOT, env=dict(clean, **environment), capture_output=True, text=True, check=False,
                          stdin=subprocess.DEVNULL)
    if done.returncode != 0:
        raise AssertionError(done.stderr)
    return yaml.safe_load(done.stdout)


class ComposeConfig(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.services = config("docker-compose.yml")["services"]

    def test_has_three_brokers_redis_two_nodes_and_three_workers(self):
        self.assertEqual(sorted(self.services), sorted([*BROKERS, "redis", *NODES, "worker"]))
        self.assertEqual(self.services["worker"]["scale"], 3)
        for name in NODES:
            self.assertEqual(self.services[name]["command"][0], "server")
        self.assertEqual(self.services["worker"]["command"][0], "worker")

    def test_evermill_is_built_from_this_repository(self):
        for name in [*NODES, "worker"]:
            self.assertEqual(os.path.realpath(self.services[name]["build"]["context"]), os.path.realpath(ROOT))
        self.assertTrue(os.path.exists(os.path.join(ROOT, "Dockerfile")))

    def test_every_service_is_watched_comes_back_and_may_end_in_order(self):
        for name, service in self.services.items():
            with self.subTest(name):
                self.assertIn("test", service["healthcheck"])
                self.assertEqual(service["restart"], "unless-stopped")
                self.assertIn("stop_grace_period", service)

    def test_ports_are_published_on_loopback_only_and_each_once(self):
        ports = [port for service in self.services.values() for port in service.get("ports", [])]
        published = [port.rpartition(":")[0] for port in ports]
        self.assertEqual(len(published), 6)
        self.assertEqual(len(set(published)), len(published))
        for each in published:
            self.assertTrue(each.startswith("127.0.0.1:"), each)

    def test_what_is_stored_lies_in_a_volume_of_its_own(self):
        places = []
        for name in [*BROKERS, "redis", *NODES]:
            volumes = self.services[name]["volumes"]
            self.assertEqual(len(volumes), 1, name)
            source, _, target = str(volumes[0]).partition(":")
            places.append(source)
            self.assertEqual(target.removesuffix(":rw"), "/var/lib/kafka/data" if name.startswith("kafka") else "/data")
        self.assertEqual(len(set(places)), len(places))

    def test_kafka_keeps_what_it_acknowledged_without_any_one_broker(self):
        for number, name in enumerate(BROKERS, 1):
            settings = self.services[name]["environment"]
            self.assertEqual(int(settings["KAFKA_NODE_ID"]), number)
            self.assertEqual(settings["KAFKA_PROCESS_ROLES"], "broker,controller")
            self.assertEqual(str(settings["KAFKA_AUTO_CREATE_TOPICS_ENABLE"]).lower(), "false")
            for what in ("DEFAULT", "OFFSETS_TOPIC", "TRANSACTION_STATE_LOG"):
                self.assertEqual(int(settings[f"KAFKA_{what}_REPLICATION_FACTOR"]), 3)
            self.assertEqual(int(settings["KAFKA_MIN_INSYNC_REPLICAS"]), 2)
            self.assertIn(f"INSIDE://{name}:", settings["KAFKA_ADVERTISED_LISTENERS"])
            port = self.services[name]["ports"][0].split(":")[1]
            self.assertIn(f"OUTSIDE://127.0.0.1:{port}", settings["KAFKA_ADVERTISED_LISTENERS"])
        of_its_own = {"KAFKA_NODE_ID": 0, "KAFKA_ADVERTISED_LISTENERS": ""}
        same = {name: {**self.services[name]["environment"], **of_its_own} for name in BROKERS}
        self.assertEqual(same["kafka-1"], same["kafka-2"])
        self.assertEqual(same["kafka-1"], same["kafka-3"])

    def test_redis_syncs_every_write(self):
        command = self.services["redis"]["command"]
        self.assertEqual(command[command.index("--appendonly") + 1], "yes")
        self.assertEqual(command[command.index("--appendfsync") + 1], "always")

    def test_nodes_and_workers_wait_for_brokers_that_answer(self):
        for name in [*NODES, "worker"]:
            waits = self.services[name]["depends_on"]
            self.assertEqual(sorted(waits), sorted([*BROKERS, "redis"]))
            for condition in waits.values():
                self.assertEqual(condition["condition"], "service_healthy")

    def queues(self, **environment):
        services = config("docker-compose.yml", **environment)["services"]
        return {services[name]["environment"]["EVERMILL_QUEUE"] for name in [*NODES, "worker"]}

    def test_the_queue_is_kafka_and_can_be_redis(self):
        self.assertEqual(self.queues(), {"kafka://" + ",".join(f"{name}:19092" for name in BROKERS) + "?insecure=yes"})
        redis = "redis://redis:6379?insecure=yes"
        self.assertEqual(self.queues(EVERMILL_COMPOSE_QUEUE=redis), {redis})
        elsewhere = self.queues(EVERMILL_QUEUE="redis://localhost:6379")
        self.assertNotIn("redis://localhost:6379", elsewhere, "what programs outside use means something else inside")

    def test_the_override_names_no_public_image(self):
        services = config("docker-compose.yml", OVERRIDE, EVERMILL_KAFKA_LIBS="/jars", EVERMILL_TEST_GATE="/gate")["services"]
        images = {service["image"] for service in services.values()}
        self.assertEqual(images, {"debian:bookworm-slim", "evermill"})


if __name__ == "__main__":
    if shutil.which("docker-compose") is None:
        print("skipped: docker-compose is not installed: scripts/install-dependencies.sh test")
        sys.exit(77)
    unittest.main()
