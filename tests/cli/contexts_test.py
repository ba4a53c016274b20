#!/usr/bin/env python3
"""Servers by name, `top`, and that exit codes are what the guide says.

Usage: contexts_test.py PROGRAM
"""
import json
import os
import re
import signal
import stat
import subprocess
import time
import unittest

from program import LIMIT, PROGRAM, ProgramTest
from terminal import Terminal

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))


class WithServer(ProgramTest):
    def setUp(self):
        super().setUp()
        for name in [name for name in self.environment if name.startswith("EVERMILL_")]:
            del self.environment[name]
        self.environment["XDG_CONFIG_HOME"] = self.path("config")
        self.contexts = self.path("config", "evermill", "contexts.json")

    def serve(self, data):
        """A server's process, and where it listens."""
        process = self.start_program("server", "--data", self.path(data), "--listen", "127.0.0.1:0")
        for line in process.stdout:
            if found := re.search(r"reach it at (\S+) \(gRPC\)", line):
                return process, found.group(1)
        self.fail("no server: " + process.stderr.read())


class Contexts(WithServer):
    def listed(self):
        return [json.loads(line) for line in self.run_program("context", "list", "--json").stdout.splitlines()]

    def test_they_are_kept_for_their_user_alone(self):
        self.assertIn("No contexts", self.run_program("context", "list").stderr)
        said = self.run_program("context", "set", "prod", "--server", "prod.example:7466", "--tls", "--token-file", "secret", "--namespace", "shop")
        self.assertIn("context use prod", said.stderr)
        self.assertEqual(stat.S_IMODE(os.stat(self.contexts).st_mode), 0o600)
        self.assertEqual(stat.S_IMODE(os.stat(os.path.dirname(self.contexts)).st_mode), 0o700)
        os.chmod(self.contexts, 0o644)
        self.run_program("context", "set", "prod", "--tls-ca", "ca.pem", "--namespace", "")
        self.assertEqual(stat.S_IMODE(os.stat(self.contexts).st_mode), 0o600)
        self.assertEqual(self.listed(), [{"name": "prod", "current": False, "server": "prod.example:7466", "tls": True,
                                          "tls_ca": os.path.abspath("ca.pem"), "tls_cert": "", "tls_key": "",
                                          "token_file": os.path.abspath("secret"), "namespace": ""}])
        self.run_program("context", "use", "prod")
        self.assertTrue(self.listed()[0]["current"])
        self.assertIn("*", self.run_program("context", "list").stdout)
        self.run_program("context", "set", "prod", "--no-tls", "--tls-ca", "")
        self.assertFalse(self.listed()[0]["tls"])
        self.run_program("context", "use", "--none")
        self.assertFalse(self.listed()[0]["current"])
        self.run_program("context", "use", "prod")
        self.run_program("context", "remove", "prod")
        self.assertEqual(json.load(open(self.contexts, encoding="utf-8")), {"current": "", "contexts": {}})

    def test_what_is_wrong_is_told(self):
        self.assertIn("--server", self.run_program("context", "set", "new", "--tls", code=2).stderr)
        self.run_program("context", "set", "prod", "--server", "prod.example:7466")
        self.assertIn('did you mean "prod"', self.run_program("context", "use", "prd", code=2).stderr)
        self.assertIn("no context", self.run_program("list", "--context", "other", code=2).stderr)
        self.assertIn("no context", self.run_program("list", EVERMILL_CONTEXT="other", code=2).stderr)
        self.assertIn("already", self.run_program("list", "--context", "prod", "--data", "x", code=2).stderr)
        self.assertIn("already", self.run_program("list", "--context", "prod", "--server", "x:1", code=2).stderr)
        self.run_program("context", "use", code=2)
        with open(self.contexts, "w", encoding="utf-8") as file:
            file.write("{")
        self.assertIn("holds no contexts", self.run_program("list", code=2).stderr)
        self.assertEqual(self.run_program("completion", "bash").returncode, 0)  # which needs none
        self.run_program("list", "--data", self.path("nothing"), code=2)

    def test_options_count_more_than_the_environment_and_that_more_than_contexts(self):
        (_, one), (_, two) = self.serve("one"), self.serve("two")
        self.run_program("context", "set", "one", "--server", one)
        self.run_program("context", "set", "two", "--server", two)
        self.run_program("start", "needs_signal", "--id", "in-one", "--context", "one")
        self.run_program("start", "needs_signal", "--id", "in-two", "--context", "two")

        def whose(*arguments, **environment):
            return json.loads(self.run_program("list", "--json", *arguments, **environment).stdout)["workflow_id"]

        self.run_program("context", "use", "one")
        self.assertEqual(whose(), "in-one")
        self.assertEqual(whose(EVERMILL_CONTEXT="two"), "in-two")
        self.assertEqual(whose("--context", "two", EVERMILL_CONTEXT="one"), "in-two")
        self.assertEqual(whose(EVERMILL_SERVER=two), "in-two")
        self.assertEqual(whose(EVERMILL_DATA=self.path("two")), "in-two")
        self.assertEqual(whose("--context", "one", EVERMILL_SERVER=two), "in-one")
        self.assertEqual(whose("--server", two), "in-two")
        self.assertEqual(whose("--data", self.path("two")), "in-two")

    def test_a_token_is_shown_to_its_server_only(self):
        _, address = self.serve("one")
        self.run_program("context", "set", "one", "--server", address, "--token-file", self.path("token"))
        self.run_program("context", "use", "one")
        self.assertIn("no token", self.run_program("list", code=2).stderr)  # the file is needed
        self.run_program("list", "--server", address)  # and not for this
        with open(self.path("token"), "w", encoding="utf-8") as file:
            file.write("evm_1\n")
        self.run_program("list")


class Top(WithServer):
    def test_samples_are_lines_of_json(self):
        _, address = self.serve("data")
        for i in range(15):
            self.run_program("start", "needs_signal", "--id", f"w-{i:02}", "--server", address)
        done = self.run_program("top", "--once", "--json", "--interval", "0.1", "--server", address)
        sample = json.loads(done.stdout)
        self.assertEqual(sample["executions"]["by_status"], {"running": 15})
        self.assertEqual([each["workflow_id"] for each in sample["oldest"]], [f"w-{i:02}" for i in range(10)])
        self.assertEqual(sample["task_queues"][0]["name"], "default")
        self.assertEqual(sample["rates"]["turns_per_second"], 0)
        self.assertTrue(sample["ready"])
        process = self.start_program("top", "--json", "--interval", "0.1", "--server", address)
        lines = [json.loads(process.stdout.readline()) for _ in range(2)]
        self.assertEqual([set(line) for line in lines], [set(sample)] * 2)
        process.send_signal(signal.SIGINT)
        self.assertEqual(self.end_of(process)[0], 0)

    def test_without_a_terminal_it_is_text(self):
        _, address = self.serve("data")
        text = self.run_program("top", "--once", "--interval", "0.1", "--server", address).stdout
        self.assertIn("executions   none", text)
        self.assertIn("TASK QUEUE", text)
        self.run_program("top", "--once", "--interval", "0.1", "--data", self.path("nothing"), code=2)
        self.run_program("top", "--interval", "0", "--data", self.path("data"), code=2)

    def test_a_server_that_goes_away_is_waited_for(self):
        server, address = self.serve("data")
        process = self.start_program("top", "--json", "--interval", "0.1", "--server", address)
        self.assertIn("rates", json.loads(process.stdout.readline()))
        self.end(server)
        while "error" not in json.loads(process.stdout.readline()):
            pass
        again = self.start_program("server", "--data", self.path("data"), "--listen", address)
        while "error" in json.loads(process.stdout.readline()):
            pass
        self.end(again)
        process.send_signal(signal.SIGTERM)
        self.assertEqual(self.end_of(process)[0], 0)

    def in_terminal(self, address, width, height):
        terminal = Terminal(width, height)
        self.addCleanup(terminal.close)
        process = subprocess.Popen([PROGRAM, "top", "--interval", "0.1", "--server", address], env=dict(self.environment, TERM="xterm"),
                                   stdin=terminal.slave, stdout=terminal.slave, stderr=terminal.slave)
        terminal.close_slave()
        self.addCleanup(lambda: (process.kill(), process.wait()))
        return terminal, process

    def see(self, terminal, text):
        end = time.monotonic() + LIMIT
        while text not in terminal.screen.text():
            self.assertLess(time.monotonic(), end, f"{text} is not seen on:\n{terminal.screen.text()}")
            if not terminal.read(1):
                break
        self.assertIn(text, terminal.screen.text())

    def test_a_terminal_is_drawn_over_and_q_ends_it(self):
        _, address = self.serve("data")
        for i in range(12):
            self.run_program("start", "needs_signal", "--id", f"an-execution-with-a-long-name-{i:02}", "--server", address)
        terminal, process = self.in_terminal(address, 60, 14)
        self.see(terminal, "OLDEST THAT")  # the rest of it may be cut
        self.see(terminal, "running 12")
        self.see(terminal, "turns 0.0")
        rows = terminal.screen.text().split("\n")
        self.assertLess(len(rows), 14, "it fits the terminal, and does not scroll")
        for row in rows:
            self.assertLessEqual(len(row), 60)
        self.run_program("start", "needs_signal", "--id", "more", "--server", address)
        self.see(terminal, "running 13")
        self.assertLess(len(terminal.screen.text().split("\n")), 14)
        os.write(terminal.master, b"q")
        while terminal.read(LIMIT):
            pass
        self.assertEqual(process.wait(LIMIT), 0)

    def test_ctrl_c_ends_it(self):
        _, address = self.serve("data")
        terminal, process = self.in_terminal(address, 80, 24)
        self.see(terminal, "TASK QUEUE")
        process.send_signal(signal.SIGINT)
        while terminal.read(LIMIT):
            pass
        self.assertEqual(process.wait(LIMIT), 0)


class ExitCodes(WithServer):
    def test_the_guide_and_the_help_have_those_of_the_program(self):
        with open(os.path.join(ROOT, "docs", "cli.md"), encoding="utf-8") as file:
            section = file.read().split("## Exit codes\n")[1].split("\n## ")[0]
        documented = {int(code) for code in re.findall(r"^\| (\d) \|", section, re.MULTILINE)}
        with open(os.path.join(ROOT, "cli", "exit_codes.hpp"), encoding="utf-8") as file:
            in_code = {int(code) for code in re.findall(r"^  \w+ = (\d),", file.read(), re.MULTILINE)}
        shown = {int(code) for code in re.findall(r"(?<=\s)(\d) \w+", self.run_program("run", "--help").stdout.split("Exit codes:")[1].split("Examples")[0])}
        self.assertEqual(documented, in_code)
        self.assertEqual(shown, in_code)

    def test_each_is_what_a_command_ends_with(self):
        data = ("--data", self.path("data"))
        self.assertEqual(self.run_program("run", "greet", "--input", '"Ada"', *data).stdout, '"hello Ada"\n')
        self.run_program("run", "fails", *data, code=1)
        self.run_program("run", "no_such_workflow", *data, code=2)
        self.run_program("list", "--data", self.path("nothing"), code=2)
        self.run_program("list", "--server", "127.0.0.1:1", code=2)
        process = self.start_program("run", "sleeps_long", "--id", "s", *data)
        self.wait_until(lambda: process.poll() is not None or self.is_there("s", data))
        self.run_program("cancel", "s", *data)
        self.assertEqual(self.end_of(process)[0], 3)
        process = self.start_program("run", "changes", "--id", "c", *data)
        self.wait_until(lambda: process.poll() is not None or self.is_there("c", data))
        self.park(process)  # 5
        self.run_program("run", "changes", "--id", "c", *data, code=4, SAMPLE_CHANGED="yes")

    def is_there(self, workflow_id, data):
        done = subprocess.run([PROGRAM, "describe", workflow_id, *data], env=self.environment, capture_output=True, timeout=LIMIT)
        return done.returncode == 0


if __name__ == "__main__":
    unittest.main()
