"""Scripts, shell commands and workflows that a workflow runs.

    processes_test.py PROGRAM
"""
import re

from specification_case import ERRORS, SpecificationCase, main


class Processes(SpecificationCase):
    def test_a_script_has_input_arguments_and_an_environment(self):
        self.gives("script.yaml", {"ship": "Aurora"}, "Aurora hold-2: 2 crates\n")

    def test_a_script_may_be_a_module(self):
        self.gives("script-module.yaml", {"cargo": "fish"}, "hold-2 fish crates\n")

    def test_a_script_may_lie_elsewhere(self):
        self.peer.on("GET", "/count.py", (200, "import sys\nprint(sys.argv[1], len(sys.stdin.read()))\n"
                                               "print('done', file=sys.stderr)\n"))
        self.gives("script-python.yaml", {"cargo": "fish"}, {"code": 0, "stdout": "hold-2 4\n", "stderr": "done\n"})
        self.assert_asked(("GET", "/count.py"))

    def test_a_command_has_them_too(self):
        self.gives("shell.yaml", None, "bridge: cast off, fore and aft")


class Workflows(SpecificationCase):
    others = ("register-ship.yaml",)

    def test_are_run_with_an_input_of_their_own(self):
        self.peer.on("POST", "/ships", (201, {"imo": 9000001}))
        self.gives("subflow.yaml", {"arrival": {"name": "Aurora"}}, {"imo": 9000001}, self.others)
        self.assertEqual(self.peer.seen[0].body, {"ship": {"name": "Aurora"}, "note": ".arrival"})

    def test_their_input_must_fit(self):
        self.fails("subflow.yaml", {"arrival": "Aurora"},
                   {"type": ERRORS + "validation", "status": 400, "title": "Invalid input", "instance": "/do/0/register",
                    "detail": re.compile("ship")}, self.others)
        self.assert_asked()

    def test_their_errors_are_the_tasks(self):
        code, _, error = self.ended("subflow.yaml", {"arrival": {"name": "Aurora"}}, self.others)
        self.assertEqual((code, error["status"], error["instance"]), (1, 404, "/do/0/register"))


if __name__ == "__main__":
    main()
