#!/usr/bin/env python3
"""Commands that meet another process: over its socket, when it comes or goes, when it is dead or does not answer.

Usage: owner_test.py PROGRAM
"""
import json
import os
import signal
import stat
import unittest

from program import ProgramTest


def mode(path):
    return stat.S_IMODE(os.stat(path).st_mode)


class OverTheSocket(ProgramTest):
    def check_commands(self):
        process = self.start_waiting("needs_signal", "s")
        self.assertIn("running", self.run_program("list").stdout)
        self.assertEqual(self.status("s")["status"], "running")
        self.assertEqual(self.history("s")[0]["type"], "WorkflowExecutionStarted")
        self.run_program("signal", "s", "approval", '"Ada"')
        code, out, err = self.end_of(process)
        self.assertEqual((code, out), (0, '"approved by Ada"\n'), err)
        self.assertFalse(os.path.exists(self.socket))

    def test_only_its_user_can_connect(self):
        self.start_waiting("needs_signal", "s")
        self.assertTrue(stat.S_ISSOCK(os.stat(self.socket).st_mode))
        self.assertEqual(mode(self.socket), 0o600)
        self.assertEqual(mode(self.data), 0o700)
        self.assertNotIn("evermill.sock.new", os.listdir(self.data))

    def test_tools_that_need_a_directory_at_rest_refuse_one_that_is_open(self):
        process = self.start_waiting("needs_signal", "s")
        exported = self.path("s.jsonl")
        self.run_program("export", "s", "--output", exported)
        self.assertIn("is open in", self.run_program("verify", code=2).stderr)
        self.assertIn("is open in", self.run_program("import", exported, code=2).stderr)
        self.park(process)
        self.run_program("verify")
        self.assertIn("nothing was imported", self.run_program("import", exported, code=2).stderr)
        self.run_program("import", exported, "--data", self.path("other"))
        self.run_program("signal", "s", "approval", '"Ada"', "--data", self.path("other"))
        done = self.run_program("run", "needs_signal", "--id", "s", "--json", "--data", self.path("other"))
        self.assertEqual(done.stdout, '"approved by Ada"\n')

    def test_a_path_that_is_too_long_for_a_socket(self):
        os.makedirs(self.path("d" * 100))
        self.set_data(self.path("d" * 100, "e" * 120))
        self.check_commands()
        self.assertEqual(mode(self.path("runtime", "evermill")), 0o700)

    def test_a_path_with_letters_that_an_address_would_need_escaped(self):
        self.set_data(self.path("a b%20c"))
        self.check_commands()

    def test_a_link_folder_that_others_may_enter_is_refused(self):
        os.makedirs(self.path("runtime", "evermill"))
        os.chmod(self.path("runtime", "evermill"), 0o777)
        self.set_data(self.path("e" * 120))
        process = self.start_program("run", "sleeps_long", "--id", "s")
        line = process.stderr.readline()
        self.assertIn("other processes can't reach this one", line)
        self.assertIn("is not a directory that only you can use", line)

    def test_a_stale_socket_of_a_killed_process(self):
        process = self.start_waiting("needs_signal", "s")
        process.kill()
        process.wait()
        self.assertTrue(os.path.exists(self.socket))
        self.assertIn("running", self.run_program("list").stdout)
        self.run_program("taint", "s")
        self.check_commands()

    def test_a_process_that_does_not_answer(self):
        process = self.start_waiting("needs_signal", "s")
        process.send_signal(signal.SIGSTOP)
        self.assertIn("running", self.run_program("list").stdout)  # looking needs nobody's answer
        err = self.run_program("signal", "s", "approval", '"Ada"', code=2).stderr
        self.assertIn(f"is open in process {process.pid}, which does not answer", err)
        self.assertIn(f"kill {process.pid}", err)
        process.send_signal(signal.SIGCONT)
        self.run_program("signal", "s", "approval", '"Ada"')
        self.assertEqual(self.end_of(process)[0], 0)


class SecondRun(ProgramTest):
    def test_runs_in_the_first_process(self):
        first = self.start_waiting("sleeps_long", "first")
        second = self.start_waiting("where", "second")
        self.run_program("signal", "second", "approval", '"Ada"')
        code, out, err = self.end_of(second)
        self.assertEqual((code, int(out)), (0, first.pid), err)
        self.assertIsNone(first.poll())

    def test_is_refused_where_the_first_process_does_not_know_the_workflow(self):
        first = self.start_waiting("sleeps_long", "first", SAMPLE_WITHOUT="greet")
        err = self.run_program("run", "greet", "--input", '"Ada"', code=2).stderr
        self.assertIn(f"process {first.pid} has data directory", err)
        self.assertIn('does not register workflow "greet"; it registers: appends,', err)
        self.assertIn(f"kill -INT {first.pid}", err)

    def test_may_ask_for_what_only_the_first_process_knows(self):
        self.start_waiting("sleeps_long", "first")
        done = self.run_program("run", "greet", "--input", '"Ada"', SAMPLE_WITHOUT="greet")
        self.assertEqual(done.stdout, '"hello Ada"\n')
        err = self.run_program("run", "grete", code=2, SAMPLE_WITHOUT="greet").stderr
        self.assertIn('no workflow is named "grete"', err)

    def test_for_the_same_execution_gets_the_same_result(self):
        processes = [self.start_waiting("needs_signal", "s") for _ in range(3)]
        self.run_program("signal", "s", "approval", '"Ada"')
        for process in processes:
            self.assertEqual(self.end_of(process)[:2], (0, '"approved by Ada"\n'))

    def test_interrupted_leaves_the_execution_to_the_first(self):
        first = self.start_waiting("sleeps_long", "first")
        second = self.start_waiting("needs_signal", "second")
        err = self.park(second)
        self.assertIn("goes on in the process that has it open", err)
        self.assertIsNone(first.poll())
        self.assertEqual(self.status("second")["status"], "running")

    def test_takes_over_when_the_first_is_killed(self):
        first = self.start_waiting("sleeps_long", "first")
        second = self.start_waiting("where", "second")
        first.kill()
        first.wait()
        self.run_program("signal", "second", "approval", '"Ada"')
        code, out, err = self.end_of(second)
        self.assertEqual((code, int(out)), (0, second.pid), err)
        self.assertIn('the process that ran "second" has ended; going on', err)

    def test_takes_over_when_the_first_is_parked(self):
        first = self.start_waiting("sleeps_long", "first")
        others = [self.start_waiting("where", name) for name in ("second", "third")]
        self.park(first)
        self.run_program("signal", "second", "approval", '"Ada"')
        self.run_program("signal", "third", "approval", '"Ada"')
        pids = {process.pid for process in others}
        for process in others:
            code, out, err = self.end_of(process)
            self.assertEqual(code, 0, err)
            self.assertIn(int(out), pids)

    def test_without_the_workflow_tells_how_to_go_on_when_the_first_is_killed(self):
        first = self.start_waiting("sleeps_long", "first")
        second = self.start_waiting("needs_signal", "second", SAMPLE_WITHOUT="needs_signal")
        first.kill()
        code, _, err = self.end_of(second)
        self.assertEqual(code, 5, err)
        self.assertIn("run needs_signal --id second", err)

    def test_is_served_after_the_first_one_has_ended(self):
        first = self.start_waiting("needs_signal", "first")
        second = self.start_waiting("where", "second")
        self.run_program("signal", "first", "approval", '"Ada"')
        self.assertEqual(first.stdout.readline(), '"approved by Ada"\n')
        self.assertIn("started", first.stderr.readline())
        self.assertIn("other commands wait", first.stderr.readline())
        self.run_program("signal", "second", "approval", '"Ada"')
        code, out, err = self.end_of(second)
        self.assertEqual((code, int(out)), (0, first.pid), err)
        self.assertEqual(self.end_of(first)[0], 0)

    def test_goes_on_alone_when_the_first_stops_serving(self):
        first = self.start_waiting("needs_signal", "first")
        second = self.start_waiting("where", "second")
        self.run_program("signal", "first", "approval", '"Ada"')
        self.assertEqual(first.stdout.readline(), '"approved by Ada"\n')
        first.send_signal(signal.SIGINT)
        self.assertEqual(self.end_of(first)[0], 0)  # its own execution did complete
        self.run_program("signal", "second", "approval", '"Ada"')
        code, out, err = self.end_of(second)
        self.assertEqual((code, int(out)), (0, second.pid), err)

    def test_many_at_once_in_a_new_directory(self):
        processes = [self.start_program("run", "appends", "--id", f"a{i}", "--input", "5", "--json") for i in range(4)]
        for process in processes:
            code, out, err = self.end_of(process)
            self.assertEqual((code, out), (0, "4\n"), err)
        # What one process runs for another is not cut off when its own has ended.
        self.assertEqual(sorted(self.lines()), sorted(list(range(5)) * 4))
        rows = [json.loads(line) for line in self.run_program("list", "--json").stdout.splitlines()]
        self.assertEqual({row["status"] for row in rows}, {"completed"})
        self.assertEqual(len(rows), 4)


if __name__ == "__main__":
    unittest.main()
