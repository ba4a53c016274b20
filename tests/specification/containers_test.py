"""Containers, by a real Docker engine with an image of a few programs, and a registry for the one that is always pulled.

    containers_test.py PROGRAM
"""
import json
import os
import re
import subprocess
import sys
import unittest

from specification_case import ERRORS, HERE, LIMIT, ROOT, Missing, SpecificationCase, main

sys.path.insert(0, os.path.join(HERE, "..", "deploy"))
import engine as docker  # noqa: E402

MAKE_IMAGE = os.path.join(ROOT, "tests", "plugins", "make_docker_image.sh")


class Containers(SpecificationCase):
    engine = None

    def setUp(self):
        super().setUp()
        self.environment = dict(os.environ, DOCKER_HOST=f"unix://{self.engine.folder}/docker.sock")

    def containers(self):
        """All that there are, by name: their state."""
        socket = f"{self.engine.folder}/docker.sock"
        asked = docker.run(["curl", "-sSf", "--unix-socket", socket, "http://docker/containers/json?all=1"])
        return {each["Names"][0].lstrip("/"): each["State"] for each in json.loads(asked)}

    def made(self, name, given, output):
        """Runs it, and gives the container that it has left."""
        before = self.containers()
        self.gives(name, given, output)
        [left] = set(self.containers()) - set(before)
        return left

    def test_a_command_in_an_image(self):
        left = self.made("container.yaml", None, "three long blasts\n")
        self.assertEqual(self.containers()[left], "exited", "it is kept, unless the file says otherwise")

    def test_input_arguments_and_environment(self):
        self.made("container-input.yaml", None, "bridge: cast off, fore and aft\n")

    def test_a_name(self):
        self.assertEqual(self.made("container-name.yaml", None, "named\n"), "container-name-horn-case")

    def test_is_removed_at_once_or_later(self):
        before = self.containers()
        self.gives("container-cleanup-always.yaml", None, "gone\n")
        self.assertEqual(self.containers(), before)
        left = self.made("container-cleanup-eventually.yaml", None, "still there\n")
        self.assertEqual(self.containers()[left], "exited")

    def test_what_is_given_of_it(self):
        self.gives("container-return-all.yaml", {"code": 3}, {"code": 3, "stdout": "seen\n", "stderr": "fog\n"})
        self.gives("container-return-code.yaml", {"code": 3}, 3)
        self.gives("container-return-none.yaml", {"code": 0}, None)
        self.gives("container-return-stderr.yaml", {"code": 0}, "fog\n")

    def test_an_exit_code_that_was_not_asked_for_is_an_error(self):
        self.fails("container-return-stderr.yaml", {"code": 3},
                   {"type": ERRORS + "runtime", "status": 500, "title": "The process failed", "instance": "/do/0/look",
                    "detail": re.compile("exit code 3: fog")})

    def test_an_image_that_is_not_there_and_must_not_be_pulled(self):
        self.fails("container-pull-never.yaml", None,
                   {"type": ERRORS + "runtime", "status": 500, "title": "NoSuchImage", "instance": "/do/0/horn",
                    "detail": re.compile("harbour/nothing")})

    def test_an_image_that_is_pulled_each_time(self):
        archive = os.path.join(self.folder, "image.tar")
        self.engine.docker("save", "harbour/tools", "--output", archive)
        registry = subprocess.Popen(self.engine.inside(sys.executable, "-B", os.path.join(HERE, "image_registry.py"), archive),
                                    stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.addCleanup(registry.kill)
        port = registry.stdout.readline().strip()
        self.replaced["registry.example"] = f"127.0.0.1:{port}"
        for _ in range(2):
            self.made("container-pull-always.yaml", None, "pulled\n")
        asked, _ = registry.communicate(timeout=LIMIT)
        self.assertGreaterEqual(asked.count("/v2/harbour/tools/manifests/latest"), 2)


def look():
    engine = Containers.engine = docker.Engine()
    try:
        engine.start()
    except docker.Missing as why:
        raise Missing(str(why)) from why
    unittest.addModuleCleanup(engine.stop, "--remove")
    docker.run([MAKE_IMAGE, engine.folder, "harbour/tools", "latest"])


if __name__ == "__main__":
    main(look)
