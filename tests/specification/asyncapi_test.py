"""Messages that AsyncAPI describes, versions 2 and 3: by HTTP, and by Kafka.

    asyncapi_test.py PROGRAM
"""
import json
import os
import shutil
import subprocess
import tempfile
import unittest

from specification_case import DOCUMENTS, LIMIT, ROOT, Missing, SpecificationCase, main

TOPIC = "harbour.sightings"
TAKING = ("asyncapi-take-amount.yaml", "asyncapi-take-while.yaml", "asyncapi-take-until.yaml", "asyncapi-take-forever.yaml")


class Asyncapi(SpecificationCase):
    def setUp(self):
        super().setUp()
        for name in ("asyncapi-2.yaml", "asyncapi-3.yaml"):
            with open(os.path.join(DOCUMENTS, name), encoding="utf-8") as file:
                text = file.read().replace("board.example", self.peer.address)
            self.peer.on("GET", f"/{name}", (200, text.replace("stream.example:9092", Kafka.address or "127.0.0.1:1")))


class Http(Asyncapi):
    def test_an_operation_of_version_three(self):
        self.peer.on("POST", "/test/notices", (201, {"number": 8}))
        self.gives("asyncapi-send.yaml", {"notice": {"text": "Fog.", "office": "north"}, "pass": "pass-7"}, {"number": 8})
        asked = self.peer.seen[-1]
        self.assertEqual(asked.body, {"text": "Fog."})
        self.assertEqual((asked.headers["x-office"], asked.headers["authorization"]), ("north", "Bearer pass-7"))
        self.assert_asked(("GET", "/asyncapi-3.yaml"), ("POST", "/test/notices"))

    def test_a_channel_of_version_two(self):
        self.peer.on("POST", "/live/notices", (202, None))
        self.gives("asyncapi-send-by-channel.yaml", {"notice": {"text": "Fog."}}, None)
        self.assertEqual(self.peer.seen[-1].body, {"text": "Fog."})


class Kafka(Asyncapi):
    """With a broker of scripts/services/kafka.sh."""

    address = None
    script = os.path.join(ROOT, "scripts", "services", "kafka.sh")

    @classmethod
    def start(cls):
        folder = tempfile.mkdtemp(prefix="evermill-specification-")
        unittest.addModuleCleanup(shutil.rmtree, folder)
        unittest.addModuleCleanup(subprocess.run, [cls.script, "stop", folder], check=False)
        done = subprocess.run([cls.script, "start", folder], capture_output=True, text=True, check=False,
                              stdin=subprocess.DEVNULL)
        if done.returncode == 77:
            raise Missing(done.stderr.strip())
        if done.returncode != 0:
            raise RuntimeError(done.stderr)
        with open(os.path.join(folder, "address"), encoding="utf-8") as file:
            cls.address = file.read().strip()
        cls.put("Early", "dog")  # makes the topic; nobody is to see it

    @classmethod
    def kcat(cls, *words, text=""):
        done = subprocess.run(["kcat", "-b", cls.address, "-t", TOPIC, *words], input=text, capture_output=True, text=True,
                              timeout=LIMIT, check=True)
        return done.stdout

    @classmethod
    def put(cls, ship, watch, office="north"):
        cls.kcat("-P", "-H", f"office={office}", text=json.dumps({"ship": ship, "watch": watch}))

    def is_subscribed(self):
        """The first attempt finds out where the topic ends; what comes after that is for the second one."""
        return json.dumps(self.history("case")).count('"kafka.receive"') >= 2

    def taking(self, name, watch, ships, given):
        with self.running(name, {"watch": watch}) as run:
            run.until(self.is_subscribed, "subscribed")
            for ship, *rest in ships:
                self.put(ship, *rest)
            run.gives(given)

    def test_a_message_is_sent(self):
        self.ended("asyncapi-send-kafka.yaml", {"ship": "Aurora"})
        [sent] = self.kcat("-C", "-e", "-q", "-o", "beginning", "-f", "%s|%h\n").splitlines()[-1:]
        value, _, headers = sent.partition("|")
        self.assertEqual((json.loads(value), headers), ({"ship": "Aurora"}, "office=north"))

    def test_a_number_of_messages_that_fit(self):
        self.taking(TAKING[0], "dog", [("Alba", "dog"), ("Boreas", "first"), ("Clio", "dog", "south"), ("Daphne", "dog")],
                    ["Alba", "Daphne"])

    def test_while_a_condition_holds(self):
        self.taking(TAKING[1], "dog", [("Alba", "dog"), ("Boreas", "first"), ("Clio", "dog")], ["Alba", "Clio"])

    def test_until_a_condition_holds(self):
        self.taking(TAKING[2], "dog", [("Alba", "dog"), ("Boreas", "first"), ("Clio", "dog")], ["Alba", "Clio"])

    def test_for_ever(self):
        with self.running("asyncapi-take-forever.yaml", words=("--events", "json")) as run:
            run.until(self.is_subscribed, "subscribed")
            self.put("Alba", "dog")
            run.until(lambda: "sighting.taken" in json.dumps(self.history("case")), "one was passed on")
            run.is_canceled()


if __name__ == "__main__":
    main(Kafka.start)
