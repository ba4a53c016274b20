#!/usr/bin/env python3
"""What `run FILE` shows on a terminal, and without one.

usage: following_test.py PROGRAM
"""
import json
import os
import signal
import subprocess
import time
import unittest

from program import LIMIT, PROGRAM, ProgramTest
from terminal import Terminal

HEAD = "document: { dsl: '1.0.3', namespace: tests, name: flow, version: 1.0.0 }\n"


class FollowingTest(ProgramTest):
    def flow(self, tasks, name="flow.yaml"):
        path = self.path(name)
        with open(path, "w", encoding="utf-8") as file:
            file.write(HEAD + "do:\n" + tasks)
        return path

    def gate(self, name="gate"):
        """A pipe that a process waits for: `read go < PATH`."""
        path = self.path(name)
        os.mkfifo(path)
        return path

    def open_gate(self, path):
        """Once somebody reads from it."""
        with open(path, "w", encoding="utf-8") as gate:
            gate.write("go\n")

    def run_in(self, terminal, *arguments, TERM="xterm"):
        process = subprocess.Popen([PROGRAM, "run", *arguments], env=dict(self.environment, TERM=TERM),
                                   stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=terminal.slave, text=True)
        terminal.close_slave()
        self.addCleanup(self.end_one, process)
        return process

    @staticmethod
    def end_one(process):
        if process.poll() is None:
            process.kill()
        process.wait()
        process.stdout.close()

    def terminal(self, width=80, height=24):
        made = Terminal(width, height)
        self.addCleanup(made.close)
        return made

    def see(self, terminal, *texts):
        """Reads until all of these stand on the screen; the deadline is for what never comes."""
        end = time.monotonic() + LIMIT
        while not all(text in terminal.screen.text() for text in texts):
            self.assertLess(time.monotonic(), end, f"{texts} are not seen on:\n{terminal.screen.text()}")
            if not terminal.read(1):
                break
        for text in texts:
            self.assertIn(text, terminal.screen.text())

    def finish(self, terminal, process):
        """The result on standard output and what is left on the screen."""
        while terminal.read(LIMIT):
            pass
        out = process.stdout.read()
        process.wait(LIMIT)
        return process.returncode, out, terminal.screen.text().split("\n")


class OnATerminal(FollowingTest):
    def test_the_last_state_stays_and_the_result_stands_alone(self):
        path = self.flow("""
  - numbers: { for: { in: '[1, 2, 3]' }, do: [ { count: { run: { shell: { command: 'echo counted' } } } } ] }
  - maybe: { if: 'false', set: { n: 1 } }
  - last: { set: { ok: true } }
""")
        terminal = self.terminal()
        code, out, rows = self.finish(terminal, self.run_in(terminal, path, "--id", "f-1"))
        self.assertEqual((code, out), (0, '{"ok":true}\n'), rows)
        self.assertEqual(rows[0], f"{path} f-1: started")
        tree = [row.strip() for row in rows[1:]]
        self.assertEqual(len(tree), 5, rows)
        self.assertRegex(tree[0], "f-1 +completed")
        self.assertRegex(tree[1], "^✓ numbers  for each item in .* +round 3 of 3")
        self.assertRegex(tree[2], "^✓ count  run echo counted")
        self.assertEqual(tree[3:], ['- maybe  set {"n":1}', '✓ last  set {"ok":true}'])

    def test_output_is_seen_while_its_process_runs(self):
        gate = self.gate()
        path = self.flow(f"""
  - first: {{ set: {{ n: 1 }} }}
  - work: {{ run: {{ shell: {{ command: 'echo step one; echo step two >&2; read go < {gate}; echo end' }} }} }}
""")
        terminal = self.terminal()
        process = self.run_in(terminal, path)
        self.see(terminal, "✓ first", "│ step one", "│ step two", "work  run echo")
        self.open_gate(gate)
        code, out, rows = self.finish(terminal, process)
        self.assertEqual((code, json.loads(out)), (0, "step one\nend\n"))
        self.assertFalse([row for row in rows if "│" in row], "the process has ended")

    def test_attempts_errors_and_the_error_object_behind_them(self):
        path = self.flow("""
  - again:
      try: [ { fail: { run: { shell: { command: 'echo no >&2; exit 3' } } } } ]
      catch: { retry: { delay: { milliseconds: 1 }, limit: { attempt: { count: 2 } } } }
""")
        terminal = self.terminal(width=200)
        code, out, rows = self.finish(terminal, self.run_in(terminal, path))
        self.assertEqual((code, out), (1, ""))
        error = next(number for number, row in enumerate(rows) if row.startswith("{"))
        self.assertEqual(json.loads("".join(rows[error:]))["status"], 500)
        tree = "\n".join(rows)
        self.assertRegex(tree, "✗ again  500 The process failed: .*attempt 3")
        self.assertRegex(tree, "  ✗ fail  500 The process failed: the process ended with exit code 3: no")

    def test_what_was_done_before_a_kill_is_shown_again(self):
        gate = self.gate()
        path = self.flow(f"""
  - first: {{ run: {{ shell: {{ command: 'echo one' }} }} }}
  - second: {{ run: {{ shell: {{ command: 'echo waits; read go < {gate}' }} }} }}
  - third: {{ set: {{ ok: true }} }}
""")
        terminal = self.terminal()
        process = self.run_in(terminal, path, "--id", "k-1")
        self.see(terminal, "✓ first  run echo one", "│ waits")
        process.send_signal(signal.SIGKILL)
        process.wait(LIMIT)
        again = self.terminal()
        resumed = self.run_in(again, path, "--id", "k-1")
        self.see(again, "k-1: resumed", "✓ first  run echo one", '· third  set {"ok":true}', "│ waits", "process 2")
        self.open_gate(gate)
        code, out, rows = self.finish(again, resumed)
        self.assertEqual((code, out), (0, '{"ok":true}\n'))
        self.assertIn('✓ third  set {"ok":true}', rows)

    def test_a_lower_terminal_is_noticed(self):
        gate = self.gate()
        done = "".join(f"  - done{i}: {{ set: {{ n: {i} }} }}\n" for i in range(6))
        path = self.flow(done + f"  - work: {{ run: {{ shell: {{ command: 'read go < {gate}' }} }} }}\n")
        terminal = self.terminal()
        process = self.run_in(terminal, path)
        self.see(terminal, "✓ done0", "✓ done5", "work  run read go")
        terminal.resize(80, 6)
        self.see(terminal, "✓ 6 tasks done")
        self.open_gate(gate)
        self.assertEqual(self.finish(terminal, process)[0], 0)

    def test_parking_leaves_what_was_seen(self):
        path = self.flow("  - first: { set: { n: 1 } }\n  - long: { wait: P1D }\n")
        terminal = self.terminal()
        process = self.run_in(terminal, path, "--id", "p-1")
        self.see(terminal, "✓ first", "◷ long  wait 1 d")
        process.send_signal(signal.SIGINT)
        code, out, rows = self.finish(terminal, process)
        self.assertEqual((code, out), (5, ""))
        text = "\n".join(rows)
        self.assertLess(text.index("◷ long"), text.index("Parked. Resume it with"))

    def test_events_stand_alone_on_their_lines(self):
        path = self.flow("  - say: { emit: { event: { with: { source: https://x.example, type: said, data: 1 } } } }\n")
        terminal = self.terminal(width=2000)
        code, _, rows = self.finish(terminal, self.run_in(terminal, path, "--events", "json"))
        self.assertEqual(code, 0)
        types = [json.loads(row)["type"] for row in rows if row.startswith("{")]
        self.assertIn("said", types)
        self.assertIn("✓ say  emit said", "\n".join(rows))


class WithoutATerminal(FollowingTest):
    def test_changes_are_lines(self):
        path = self.flow("  - first: { run: { shell: { command: 'echo one' } } }\n  - long: { wait: PT0.3S }\n")
        done = self.run_program("run", path, "--id", "l-1")
        lines = done.stderr.splitlines()
        self.assertEqual(lines[0], f"{path} l-1: started")
        self.assertTrue([line for line in lines if line.startswith("/do/0/first: completed, ")], lines)
        self.assertTrue([line for line in lines if line.startswith("/do/1/long: completed, ")], lines)
        self.assertNotIn("\x1b", done.stderr)

    def test_a_dumb_terminal_is_none(self):
        path = self.flow("  - first: { run: { shell: { command: 'echo one' } } }\n")
        terminal = self.terminal()
        code, _, rows = self.finish(terminal, self.run_in(terminal, path, TERM="dumb"))
        self.assertEqual(code, 0)
        self.assertTrue(rows[-1].startswith("/do/0/first: completed, "), rows)

    def test_a_second_process_follows_what_the_first_one_runs(self):
        gate = self.gate()
        path = self.flow(f"  - work: {{ run: {{ shell: {{ command: 'read go < {gate}' }} }} }}\n")
        first = self.start_waiting(path, "s-1", "--quiet")
        terminal = self.terminal()
        second = self.run_in(terminal, path, "--id", "s-1")
        self.see(terminal, "work  run read go")
        self.open_gate(gate)
        self.assertEqual(self.finish(terminal, second)[0], 0)
        code, _, err = self.end_of(first)
        self.assertEqual((code, err), (0, ""))


if __name__ == "__main__":
    unittest.main()
