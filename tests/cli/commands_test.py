#!/usr/bin/env python3
"""Every command and exit code, on directories that a process has open and on others.

Usage: commands_test.py PROGRAM
"""
import json
import os
import signal
import subprocess
import unittest

from program import PROGRAM, LIMIT, ProgramTest


class Tasks(ProgramTest):
    def only_task(self, *arguments):
        lines = self.run_program("tasks", "list", "--json", *arguments).stdout.splitlines()
        self.assertEqual(len(lines), 1)
        return json.loads(lines[0])

    def answer_it(self, complete_last):
        task = self.only_task()
        self.assertEqual((task["title"], task["assignee"], task["candidate_groups"]), ("Approve it", None, ["finance"]))
        task_id = task["task_id"]
        self.assertIn("Approve it", self.run_program("tasks", "list", "--group", "finance").stdout)
        self.assertIn("No such", self.run_program("tasks", "list", "--group", "sales").stderr)
        shown = json.loads(self.run_program("tasks", "show", task_id, "--json").stdout)
        self.assertEqual((shown["question"], shown["form_schema"]), ("lunch", {"required": ["ok"]}))
        self.assertIn('"lunch"', self.run_program("tasks", "show", task_id).stdout)
        self.run_program("tasks", "claim", task_id, "--by", "ann")
        self.assertIn('"ann"', self.run_program("tasks", "claim", task_id, "--by", "bob", code=2).stderr)
        self.run_program("tasks", "delegate", task_id, "bob", "--by", "ann")
        self.run_program("tasks", "release", task_id, "--by", "ann", "--force")
        self.run_program("tasks", "claim", task_id, USER="ann")
        complete_last(task_id)

    def complete(self, task_id):
        bad = self.run_program("tasks", "complete", task_id, '{"no": 1}', "--by", "ann", code=2)
        self.assertIn("does not fit the form", bad.stderr)
        self.run_program("tasks", "complete", task_id, '{"ok": 1}', "--by", "ann")
        self.assertIn("not open", self.run_program("tasks", "complete", task_id, '{"ok": 2}', "--by", "ann", code=2).stderr)

    def test_of_a_running_process(self):
        process = self.start_waiting("asks", "a", "--input", '"lunch"')
        self.answer_it(self.complete)
        code, out, err = self.end_of(process)
        self.assertEqual((code, out), (0, '{"ok":1}\n'), err)

    def test_while_nobody_has_the_directory_open(self):
        self.parked("asks", "a", "--input", '"lunch"')
        self.answer_it(self.complete)
        self.assertEqual(self.run_program("run", "asks", "--id", "a").stdout, '{"ok":1}\n')
        self.assertIn("No such", self.run_program("tasks", "list").stderr)

    def test_definitions_and_queues_are_listed(self):
        self.start_waiting("asks", "a", "--input", '"lunch"')
        known = [json.loads(line) for line in self.run_program("definitions", "--json").stdout.splitlines()]
        self.assertIn({"kind": "workflow", "name": "asks", "versions": [""], "default_version": "", "from_file": False}, known)
        self.assertIn(("activity", "append"), [(each["kind"], each["name"]) for each in known])
        table = self.run_program("definitions").stdout.splitlines()
        self.assertEqual(table[0].split(), ["KIND", "NAME", "VERSION", "OTHER", "VERSIONS"])
        self.assertIn(["workflow", "asks"], [line.split() for line in table])
        queues = self.run_program("queues", "--json").stdout
        self.assertEqual(json.loads(queues), {"name": "default", "concurrency": 0, "rate_per_second": 0, "waiting": 0,
                                              "running": 0, "workers": 0})
        self.assertEqual(self.run_program("queues").stdout.splitlines()[1].split(), ["default", "any", "any", "0", "0", "0"])

    def test_locks_are_listed(self):
        first = self.start_waiting("holds_lock", "first")
        self.wait_until(lambda: "holds" in self.run_program("locks").stdout)
        self.start_waiting("holds_lock", "second")
        self.wait_until(lambda: "waits (1)" in self.run_program("locks").stdout)
        lock = json.loads(self.run_program("locks", "--json").stdout)
        self.assertEqual((lock["name"], lock["kind"]), ("printer", "lock"))
        self.assertEqual([user["workflow_id"] for user in lock["holders"] + lock["waiters"]], ["first", "second"])
        for workflow_id in ("first", "second"):
            self.run_program("signal", workflow_id, "approval", '"Ada"')
        self.assertEqual(self.end_of(first)[1], '"Ada"\n')
        self.assertIn("No lock", self.run_program("locks").stderr)


class ExitCodes(ProgramTest):
    def test_completed_prints_the_result_and_the_id_that_was_chosen(self):
        done = self.run_program("run", "greet", "--input", '"Ada"')
        self.assertEqual(done.stdout, '"hello Ada"\n')
        workflow_id = json.loads(self.run_program("list", "--json").stdout)["workflow_id"]
        self.assertIn(f"greet {workflow_id}: started", done.stderr)
        self.assertEqual(self.run_program("run", "greet", "--id", workflow_id).stdout, '"hello Ada"\n')

    def test_failed_prints_an_error_object(self):
        done = self.run_program("run", "fails", "--id", "f", "--json", code=1)
        self.assertEqual(done.stdout, "")
        self.assertEqual(json.loads(done.stderr), {
            "workflow_id": "f", "status": "failed", "type": "CardDeclined", "message": "the card was declined",
            "kind": "application", "details": {"cents": 5}, "non_retryable": True})
        again = self.run_program("run", "fails", "--id", "f", "--json", code=1)
        self.assertEqual(again.stderr, done.stderr)

    def test_terminated(self):
        process = self.start_waiting("sleeps_long", "t", "--json")
        self.run_program("terminate", "t", "--reason", "enough")
        code, _, err = self.end_of(process)
        error = json.loads(err)
        self.assertEqual((code, error["status"], error["type"], error["message"], error["details"]),
                         (1, "terminated", "Terminated", "enough", None))

    def test_terminated_while_nobody_has_the_directory_open(self):
        self.parked("sleeps_long", "t")
        self.run_program("terminate", "t")
        self.assertEqual(self.status("t")["status"], "terminated")
        self.run_program("run", "sleeps_long", "--id", "t", code=1)

    def test_started_by_the_process_that_has_the_directory(self):
        process = self.start_waiting("needs_signal", "p")
        self.assertEqual(self.run_program("start", "needs_signal", "--id", "other").stdout, "other\n")
        again = json.loads(self.run_program("start", "needs_signal", "--id", "other", "--json").stdout)
        self.assertEqual((again["workflow_id"], again["existed"]), ("other", True))
        refused = self.run_program("start", "needs_signal", "--id", "other", "--reuse", "reject_duplicate", code=2)
        self.assertIn("other", refused.stderr)
        self.assertIn("no workflow named", self.run_program("start", "nonsense", code=2).stderr)
        self.run_program("signal", "other", "approval", '"Ada"')
        self.wait_until(lambda: self.status("other")["status"] == "completed")
        self.run_program("signal", "p", "approval", '"Ada"')
        self.assertEqual(self.end_of(process)[0], 0)

    def test_started_while_nobody_has_the_directory_open(self):
        self.assertIn("does not exist", self.run_program("start", "needs_signal", code=2).stderr)
        self.parked("needs_signal", "p")
        made = self.run_program("start", "needs_signal").stdout.strip()
        self.assertEqual(self.status(made)["status"], "running")
        self.run_program("signal", made, "approval", '"Ada"')
        self.assertEqual(self.run_program("run", "needs_signal", "--id", made).stdout, '"approved by Ada"\n')

    def test_canceled(self):
        process = self.start_waiting("sleeps_long", "c")
        self.run_program("cancel", "c", "--reason", "not needed")
        code, _, err = self.end_of(process)
        self.assertEqual(code, 3, err)
        self.assertEqual(json.loads(err.splitlines()[-1])["status"], "canceled")

    def test_canceled_while_nobody_has_the_directory_open(self):
        self.parked("sleeps_long", "c")
        self.run_program("cancel", "c")
        self.run_program("run", "sleeps_long", "--id", "c", code=3)

    def test_stuck_names_the_event_and_goes_on_with_code_that_fits(self):
        process = self.start_waiting("changes", "s")
        self.wait_until(lambda: self.history("s")[-1]["type"] == "ActivityTaskCompleted")
        self.park(process)
        self.assertEqual(self.lines(), [7])
        done = self.run_program("run", "changes", "--id", "s", code=4, SAMPLE_CHANGED="1")
        self.assertIn("stuck at event 2", done.stderr)
        self.assertIn("run changes --id s", done.stderr)
        about = self.status("s")
        self.assertEqual((about["status"], about["blocked"], about["blocked_at_event"]), ("running", "stuck", 2))
        self.assertIn("stuck", self.run_program("list").stdout)
        self.run_program("signal", "s", "approval", '"Ada"', SAMPLE_CHANGED="1")  # kept until it can be read
        self.run_program("run", "changes", "--id", "s", code=4, SAMPLE_CHANGED="1")
        self.assertEqual(self.run_program("run", "changes", "--id", "s").stdout, '"Ada"\n')
        self.assertEqual(self.lines(), [7])

    def test_taint_is_safe_to_repeat(self):
        self.parked("needs_signal", "p")
        for _ in range(2):
            self.run_program("taint", "p")
        process = self.start_waiting("needs_signal", "p")
        for _ in range(2):
            self.run_program("taint", "p")
        self.run_program("signal", "p", "approval", '"Ada"')
        self.assertEqual(self.end_of(process)[0], 0)

    def test_an_activity_is_completed_from_elsewhere(self):
        def token(workflow_id):
            self.wait_until(lambda: self.status(workflow_id)["activities"][0].get("completed_elsewhere"))
            return self.status(workflow_id)["activities"][0]["token"]

        running = self.start_program("run", "waits_elsewhere", "--id", "here")
        self.wait_until(self.has_socket)
        there = token("here")
        beat = self.run_program("activity", "heartbeat", there, '{"done":40}')
        self.assertEqual(beat.stdout, '{"cancel_requested":false}\n')
        self.run_program("activity", "complete", there, '{"ok":true}')
        self.assertEqual(self.end_of(running)[:2], (0, '{"ok":true}\n'))
        refused = self.run_program("activity", "complete", there, "1", code=2)
        self.assertIn("no attempt of that token is open", refused.stderr)
        self.assertIn("no activity token", self.run_program("activity", "cancel", "order-1", code=2).stderr)

        process = self.start_program("run", "waits_elsewhere", "--id", "later")
        self.wait_until(self.has_socket)
        later = token("later")
        self.park(process)
        self.run_program("activity", "fail", later, "--type", "Refused", "--message", "no stock", "--non-retryable")
        done = self.run_program("run", "waits_elsewhere", "--id", "later", code=1)
        self.assertIn("no stock", done.stderr)

    def test_parked_by_interruption_and_resumed(self):
        for number, by in enumerate((signal.SIGINT, signal.SIGTERM)):
            workflow_id = f"p{number}"
            err = self.park(self.start_waiting("needs_signal", workflow_id), by)
            self.assertIn(f"run needs_signal --id {workflow_id} --data {self.data}", err)
            self.assertFalse(self.has_socket())
            self.run_program("signal", workflow_id, "approval", '"Bob"')
            self.assertEqual(self.run_program("run", "needs_signal", "--id", workflow_id).stdout, '"approved by Bob"\n')

    def has_socket(self):
        return os.path.exists(os.path.join(self.data, "evermill.sock"))

    def test_killed_and_resumed(self):
        command = ("run", "appends", "--id", "k", "--input", "40")
        process = self.start_program(*command)
        self.wait_until(lambda: len(self.lines()) >= 10)
        process.kill()
        process.wait(timeout=LIMIT)
        self.assertEqual(self.run_program(*command).stdout, "39\n")
        done = [event for event in self.history("k") if event["type"] == "ActivityTaskCompleted"]
        self.assertEqual(len(done), 40)
        self.assertEqual(sorted(set(self.lines())), list(range(40)))
        # At most the one that was running when the process was killed was done again.
        self.assertLessEqual(len(self.lines()), 41)

    def test_a_result_that_can_not_be_written_is_told(self):
        with open("/dev/full", "w", encoding="utf-8") as full:
            done = subprocess.run([PROGRAM, "run", "greet", "--input", '"Ada"'], env=self.environment, stdout=full,
                                  stderr=subprocess.PIPE, text=True, timeout=LIMIT)
        self.assertEqual(done.returncode, 2)
        self.assertIn("standard output can't be written", done.stderr)


class Refusals(ProgramTest):
    def test_unknown_workflow(self):
        err = self.run_program("run", "gret", code=2).stderr
        self.assertIn('did you mean "greet"?', err)
        self.assertIn("appends, asks, builds, changes, echoes", err)

    def test_malformed_json_with_its_place(self):
        err = self.run_program("run", "greet", "--input", "-", code=2, stdin='{"a": 1,\n "b": oops}').stderr
        self.assertIn("standard input is not JSON: line 2, column 7", err)

    def test_another_input_or_definition_for_an_id_that_exists(self):
        self.run_program("run", "greet", "--id", "g", "--input", '"Ada"')
        self.assertIn("another input", self.run_program("run", "greet", "--id", "g", "--input", '"Bob"', code=2).stderr)
        self.assertIn('runs workflow "greet"', self.run_program("run", "fails", "--id", "g", code=2).stderr)
        self.start_waiting("needs_signal", "open")
        self.assertIn("another input", self.run_program("run", "greet", "--id", "g", "--input", '"Bob"', code=2).stderr)
        self.assertIn('runs workflow "needs_signal"', self.run_program("run", "greet", "--id", "open", code=2).stderr)

    def commands_for(self, workflow_id):
        yield from (["signal", workflow_id, "s", "1"], ["cancel", workflow_id], ["terminate", workflow_id],
                    ["taint", workflow_id])

    def test_unknown_id(self):
        self.parked("needs_signal", "known")
        for _ in ("closed", "open"):
            for command in (["describe", "no"], ["history", "no"], *self.commands_for("no")):
                err = self.run_program(*command, code=2).stderr
                self.assertIn('no execution has the workflow id "no"', err)
                self.assertIn(f"list --data {self.data}", err)
            self.start_waiting("needs_signal", "known")

    def test_an_execution_that_has_ended(self):
        self.run_program("run", "greet", "--id", "g", "--input", '"Ada"')
        *others, taint = self.commands_for("g")
        self.run_program(*taint)  # always safe
        for command in others:
            self.assertIn("has ended", self.run_program(*command, code=2).stderr)

    def test_no_data_directory(self):
        for command in (["list"], ["describe", "x"], ["history", "x"], *self.commands_for("x")):
            err = self.run_program(*command, code=2).stderr
            self.assertIn("does not exist; name the right one with --data", err)


class ValuesAndShapes(ProgramTest):
    def test_any_json_is_a_signal(self):
        for number, value in enumerate(("[]", "{}", "[1,2]", "-5", "null", '"-x"', '{"a":[1,{"b":null}]}')):
            self.parked("echoes", str(number))
            self.run_program("signal", str(number), "anything", value)
            self.assertEqual(self.run_program("run", "echoes", "--id", str(number)).stdout, value + "\n")

    def test_input_from_a_file_and_from_standard_input(self):
        with open(self.path("input.json"), "w", encoding="utf-8") as file:
            file.write(' "Ada"\n')
        self.assertEqual(self.run_program("run", "greet", "--input", "@" + file.name).stdout, '"hello Ada"\n')
        self.assertEqual(self.run_program("run", "greet", "--input", "-", stdin='"Bob"').stdout, '"hello Bob"\n')

    def test_a_signal_that_no_code_reads_is_kept(self):
        self.parked("needs_signal", "s")
        self.run_program("signal", "s", "nobody_reads_this", '{"a":1}')
        signaled = self.history("s")[-1]
        self.assertEqual((signaled["type"], signaled["signal_name"], signaled["input"]),
                         ("WorkflowExecutionSignaled", "nobody_reads_this", {"a": 1}))

    def test_history_has_an_object_a_line(self):
        self.run_program("run", "appends", "--id", "a", "--input", "1")
        events = self.history("a")
        self.assertEqual([event["seq"] for event in events], list(range(1, len(events) + 1)))
        self.assertEqual([event["type"] for event in events],
                         ["WorkflowExecutionStarted", "ActivityTaskScheduled", "ActivityTaskCompleted",
                          "WorkflowExecutionCompleted"])
        for event in events:
            self.assertEqual(list(event)[:3], ["seq", "type", "time"])
            self.assertRegex(event["time"], r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z$")
        self.assertEqual((events[0]["workflow_type"], events[0]["input"]), ("appends", 1))
        self.assertEqual(events[1]["activity_type"], "append")
        self.assertEqual(events[2]["scheduled_seq"], 2)

    def test_describe_shows_attempts_and_timers(self):
        self.start_waiting("retries", "r", "--json")
        self.wait_until(lambda: self.status("r")["activities"] and self.status("r")["activities"][0]["attempt"] == 2)
        open_activity = self.status("r")["activities"][0]
        self.assertEqual((open_activity["activity_type"], open_activity["last_failure"]["type"]), ("fails_at_first", "NotYet"))
        self.assertIn("NotYet: not at the first attempt", self.run_program("describe", "r").stdout)
        self.start_waiting("sleeps_long", "t", "--json")
        about = self.status("t")
        self.assertEqual(about["timers"][0]["started_seq"], 2)
        self.assertLessEqual({"workflow_id", "run_id", "workflow_type", "status", "started_at", "partition", "events"},
                             about.keys())

    def test_list_has_an_object_a_line(self):
        self.run_program("run", "greet", "--id", "first", "--input", '"Ada"')
        self.run_program("run", "fails", "--id", "second", code=1)
        rows = [json.loads(line) for line in self.run_program("list", "--json").stdout.splitlines()]
        self.assertEqual([(row["workflow_id"], row["workflow_type"], row["status"]) for row in rows],
                         [("second", "fails", "failed"), ("first", "greet", "completed")])
        self.assertEqual(len(self.run_program("list", "--json", "--limit", "1").stdout.splitlines()), 1)


class ListsAndCounts(ProgramTest):
    def setUp(self):
        super().setUp()
        for name in ("a-1", "a-2", "b-1"):
            self.run_program("run", "greet", "--id", name, "--input", '"Ada"')
        self.run_program("run", "fails", "--id", "a-3", code=1)
        self.parked("needs_signal", "b-2")

    def listed(self, *filters):
        return [json.loads(line)["workflow_id"] for line in self.run_program("list", "--json", *filters).stdout.splitlines()]

    def counted(self, *filters):
        return json.loads(self.run_program("count", "--json", *filters).stdout)

    def check(self):
        self.assertEqual(self.listed(), ["b-2", "a-3", "b-1", "a-2", "a-1"])
        self.assertEqual(self.listed("--limit", "2"), ["b-2", "a-3"])
        self.assertEqual(self.listed("--status", "completed"), ["b-1", "a-2", "a-1"])
        self.assertEqual(self.listed("--status", "failed,running"), ["b-2", "a-3"])
        self.assertEqual(self.listed("--type", "greet", "--prefix", "a-"), ["a-2", "a-1"])
        self.assertEqual(self.listed("--since", "1h"), ["b-2", "a-3", "b-1", "a-2", "a-1"])
        self.assertEqual(self.listed("--before", "1h"), [])
        started = json.loads(self.run_program("list", "--json", "--prefix", "b-1").stdout)["started_at"]
        self.assertEqual(self.listed("--since", started), ["b-2", "a-3", "b-1"])
        self.assertEqual(self.listed("--before", started), ["a-2", "a-1"])
        self.assertEqual(self.listed("--blocked"), [])
        self.assertEqual(self.counted(), {"total": 5, "blocked": 0, "by_status": {"completed": 3, "failed": 1, "running": 1}})
        self.assertEqual(self.counted("--type", "greet", "--before", started)["total"], 2)

    def test_where_nobody_has_the_directory_open(self):
        self.check()
        table = self.run_program("count").stdout.splitlines()
        self.assertEqual([line.split() for line in table],
                         [["STATUS", "EXECUTIONS"], ["running", "1"], ["completed", "3"], ["failed", "1"], ["all", "5"]])
        self.assertIn("No such executions", self.run_program("list", "--type", "nothing").stderr)

    def test_through_the_process_that_has_it_open(self):
        process = self.start_program("run", "needs_signal", "--id", "b-2", "--json")
        self.wait_until(lambda: os.path.exists(self.socket))
        self.check()
        self.run_program("signal", "b-2", "approval", '"Ada"')
        self.assertEqual(self.end_of(process)[0], 0)
        self.assertEqual(self.listed("--status", "completed")[0], "b-2")

    def test_what_can_not_be_is_refused(self):
        for option, value, says in (("--status", "ended", "no status"), ("--since", "yesterday", "no time"),
                                    ("--before", "7", "no time"), ("--type", "a\nb", "workflow type")):
            for command in ("list", "count"):
                self.assertIn(says, self.run_program(command, option, value, code=2).stderr)


class AsksTheCode(ProgramTest):
    def test_query_and_update_reach_the_process_that_has_the_directory_open(self):
        process = self.start_waiting("sums", "s", "--json")
        self.assertEqual(self.run_program("update", "s", "add", "5", "--update-id", "five").stdout, "5\n")
        self.assertEqual(self.run_program("update", "s", "add", "5", "--update-id", "five").stdout, "5\n")
        self.assertEqual(self.run_program("query", "s", "sum").stdout, "5\n")
        self.run_program("signal", "s", "approval", '"Ada"', "--request-id", "r")
        code, out, _ = self.end_of(process)
        self.assertEqual((code, out), (0, "5\n"))
        self.assertEqual(self.run_program("query", "s", "sum").stdout, "5\n")

    def test_query_looks_at_what_nobody_has_open_and_update_opens_it(self):
        self.parked("sums", "s")
        self.assertEqual(self.run_program("query", "s", "sum").stdout, "0\n")
        self.assertEqual(self.run_program("update", "s", "add", "2").stdout, "2\n")
        self.assertEqual(self.run_program("query", "s", "sum").stdout, "2\n")

    def test_refusals_end_with_1_and_say_why(self):
        self.start_waiting("sums", "s", "--json")
        refused = self.run_program("update", "s", "add", "-1", code=1)
        self.assertEqual(refused.stdout, "")
        error = json.loads(refused.stderr)
        self.assertEqual((error["status"], error["type"], error["message"]),
                         ("refused", "Negative", "no negative numbers"))
        unknown = self.run_program("query", "s", "total", code=1)
        self.assertIn("it answers: sum", unknown.stderr)
        self.assertEqual([event["type"] for event in self.history("s")], ["WorkflowExecutionStarted"])

    def test_a_signal_with_a_request_id_is_sent_once(self):
        self.parked("needs_signal", "s")
        for _ in range(2):
            self.run_program("signal", "s", "approval", '"Ada"', "--request-id", "one")
        self.assertEqual([event["type"] for event in self.history("s")].count("WorkflowExecutionSignaled"), 1)


class NobodyHasItOpen(ProgramTest):
    def test_looking_writes_nothing(self):
        self.parked("needs_signal_then_appends", "s")
        self.run_program("signal", "s", "approval", '"Ada"')
        before = self.files()
        for command in (["list"], ["describe", "s"], ["history", "s"]):
            self.run_program(*command)
        self.assertEqual(self.files(), before)
        self.assertEqual(self.lines(), [])

    def test_a_signal_is_journaled_and_its_work_waits_for_run(self):
        self.parked("needs_signal_then_appends", "s")
        self.run_program("signal", "s", "approval", '"Ada"')
        self.assertEqual(self.history("s")[-1]["type"], "ActivityTaskScheduled")
        self.assertEqual(self.lines(), [])
        self.assertEqual(self.run_program("run", "needs_signal_then_appends", "--id", "s").stdout, '"appended for Ada"\n')
        self.assertEqual(self.lines(), [1])

    def test_printing_a_result_again_sets_nothing_going(self):
        self.run_program("run", "greet", "--id", "g", "--input", '"Ada"')
        self.parked("needs_signal_then_appends", "s")
        self.run_program("signal", "s", "approval", '"Ada"')
        before = self.files()
        for more in ([], ["--input", ' "Ada" ']):
            self.assertEqual(self.run_program("run", "greet", "--id", "g", *more).stdout, '"hello Ada"\n')
        self.assertEqual(self.files(), before)

    def test_a_program_without_the_workflow_may_signal_it(self):
        self.parked("needs_signal", "s")
        self.run_program("signal", "s", "approval", '"Ada"', SAMPLE_WITHOUT="needs_signal")
        self.assertEqual(self.run_program("run", "needs_signal", "--id", "s").stdout, '"approved by Ada"\n')


if __name__ == "__main__":
    unittest.main()
