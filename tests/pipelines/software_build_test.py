"""examples/software_build: Debian's zlib, built and tested in containers of a real Docker engine, also when evermill is killed.

    software_build_test.py PROGRAM
"""
import json
import os
import subprocess
import sys
import tempfile
import time
import unittest

from archive import Archive
from pipeline_case import ROOT, Missing, PipelineCase, example, main

sys.path.insert(0, example("software_build"))
import apt_sources  # noqa: E402

FILE = example("software_build", "software_build.yaml")
DOCKER = os.path.join(ROOT, "scripts", "services", "docker.sh")
IMAGE = "evermill-build:1"
CANNOT = 77
BUILDS = ["optimised", "checked"]


class Services:
    """The engine, its image and the archive, for all tests."""

    def __init__(self):
        self.folder = tempfile.mkdtemp(prefix="evermill-build-")
        self.engine = os.path.join(self.folder, "engine")
        self.archive = Archive()
        try:
            self.run(DOCKER, "start", self.engine, "--until", str(os.getpid()))
            self.environment = dict(os.environ, DOCKER_HOST=f"unix://{self.engine}/docker.sock")
            self.run(example("software_build", "make_image.sh"), IMAGE, env=self.environment)
            self.apt_config = apt_sources.make(os.path.join(self.folder, "apt"), *self.archive.configuration())
            self.look_at_archive()
        except BaseException:
            self.stop()
            raise

    @staticmethod
    def run(*command, **how):
        done = subprocess.run(command, capture_output=True, text=True, stdin=subprocess.DEVNULL, check=False, **how)
        if done.returncode == CANNOT:
            raise Missing(done.stderr.strip())
        if done.returncode != 0:
            raise RuntimeError(f"{command}: {done.stdout}{done.stderr}")
        return done.stdout

    def look_at_archive(self):
        done = subprocess.run(["apt-get", "-qq", "update", "--error-on=any"], env=dict(os.environ, APT_CONFIG=self.apt_config),
                              capture_output=True, text=True, check=False)
        if done.returncode != 0:
            raise Missing(f"Debian's archive gives no sources here: {done.stderr.strip()}")

    def started(self):
        """Containers that the engine was ever told to start."""
        wanted = json.dumps({"type": ["container"], "event": ["start"]})
        events = self.run("curl", "-sSf", "-G", "--unix-socket", f"{self.engine}/docker.sock", "http://docker/events", "-d", "since=0",
                          "-d", f"until={time.time()}", "--data-urlencode", f"filters={wanted}")
        return len(events.splitlines())

    def stop(self):
        self.archive.stop()
        if os.path.isdir(self.engine):
            subprocess.run([DOCKER, "stop", self.engine, "--remove"], check=False)
        subprocess.run(["rm", "-rf", "--one-file-system", self.folder], check=True)


class SoftwareBuild(PipelineCase):
    services = None
    limit = 900

    def setUp(self):
        super().setUp()
        self.environment = self.services.environment

    def given(self, name, **other):
        folder = os.path.join(self.folder, f"{name}-out")
        os.makedirs(folder, exist_ok=True)
        return {"package": "zlib", "folder": folder, "apt_config": self.services.apt_config, "image": IMAGE, **other}

    def build(self, name, kill_within=None):
        self.services.archive.refuse, self.services.archive.refused = 2, 0
        before, begun = self.services.started(), time.monotonic()
        code, out, err, kills = self.run_to_end(name, FILE, name, self.given(name), kill_within)
        seconds = time.monotonic() - begun
        self.assertEqual(code, 0, err)
        self.assertEqual(self.services.archive.refused, 2, "the fetch was tried again")
        self.assertEqual(self.services.started() - before, len(BUILDS), "each build was begun once")
        folder = os.path.join(self.folder, f"{name}-out")
        self.assertEqual(sorted(os.listdir(folder)), sorted([*BUILDS, "source"]), "nothing is left over")
        for each in BUILDS:
            with open(os.path.join(folder, each, "build.log"), encoding="utf-8", errors="replace") as log:
                self.assertIn("zlib test OK", log.read())
        return out, kills, seconds

    def test_what_is_built_is_the_same_when_it_is_killed(self):
        calm, _, seconds = self.build("calm")
        self.assertEqual([(each["configuration"], each["passed"], each["why"]) for each in calm["builds"]],
                         [(each, True, None) for each in BUILDS])
        made = [each["made"] for each in calm["builds"]]
        self.assertEqual([each[0]["name"] for each in made], ["libz.a"] * 2)
        self.assertNotEqual(made[0], made[1], "the configurations differ")
        self.assertIn("1.2", calm["version"])

        def killed(number):
            out, kills, _ = self.build(f"killed-{number}", kill_within=seconds)
            self.assertEqual(out, calm)
            return kills

        self.killed_again_and_again(killed, rounds=1)

    def test_it_is_valid(self):
        self.assert_valid(FILE)

    def test_what_is_not_there_is_no_reason_to_wait(self):
        code, _, error, _ = self.run_to_end("none", FILE, "none", self.given("none", apt_config="/nowhere/apt.conf"))
        self.assertEqual((code, error["instance"]), (1, "/do/0/fetch/try/0/index"))
        self.assertIn("there is no /nowhere/apt.conf", error["detail"])

    def test_an_image_without_a_compiler_is_told(self):
        code, _, error, _ = self.run_to_end("image", FILE, "image", self.given("image", image="evermill-nothing:1"))
        self.assertEqual(code, 1)
        self.assertIn("evermill-nothing:1", json.dumps(error))


def look():
    SoftwareBuild.services = Services()
    unittest.addModuleCleanup(SoftwareBuild.services.stop)


if __name__ == "__main__":
    main(look)
