"""Schedules: by events, times and intervals.

    schedules_test.py PROGRAM
"""
import json

from specification_case import SpecificationCase, main

SIGHTED = "org.example.harbour.ship.sighted.v1"
LOW = "org.example.harbour.gauge.low"


class Schedules(SpecificationCase):
    def result_of(self, run, number, name):
        """What the execution gives that the schedule has started as this one."""
        execution = f"{run.name}/{number}"
        run.until(lambda: self.ask("describe", execution).returncode == 0, f"{execution} is started")
        done = self.ask("run", self.file(name), "--id", execution, "--json")
        self.assertEqual(done.returncode, 0, done.stderr)
        return json.loads(done.stdout)

    def test_each_event_starts_an_execution(self):
        self.peer.on("POST", "/warnings", lambda asked: (201, {"warned": asked.body["place"]}))
        with self.running("schedule-event.yaml") as run:
            run.listens(LOW)
            gauge = {"gauge": {"name": "g-1", "place": "the bar"}}
            self.emit(LOW, {**gauge, "level": 3})
            self.emit(LOW, {**gauge, "level": 1.5}, time="2026-05-01T12:00:00Z")
            self.emit(LOW, {"gauge": {"name": "g-2", "place": "the mole"}, "level": 1})
            self.assertEqual(self.result_of(run, 1, "schedule-event.yaml"), {"warned": "the bar"})
            self.assertEqual(self.result_of(run, 2, "schedule-event.yaml"), {"warned": "the mole"})
            run.is_canceled()
        warnings = {each.body["gauge"]: each.body for each in self.peer.asked()}
        self.assertEqual(sorted(warnings), ["g-1", "g-2"])
        self.assertEqual(warnings["g-1"], {"gauge": "g-1", "place": "the bar", "level": 1.5, "seen": "2026-05-01T12:00:00Z",
                                           "text": "Ships with a deep draught must not move."})

    def test_events_are_the_input(self):
        sighted = {"specversion": "1.0", "type": SIGHTED, "source": "https://harbour.example/tests", "id": "s-1",
                   "data": {"sails": 3}}
        for name, given in (("set.yaml", {"sighted": sighted, "by": "lookout"}), ("set-expression.yaml", sighted)):
            with self.subTest(name), self.running(name) as run:
                run.listens(SIGHTED)
                self.emit(SIGHTED, {"sails": 3}, id="s-1")
                self.assertEqual(self.result_of(run, 1, name), given)
                run.is_canceled()

    def test_a_time_of_the_day_is_waited_for(self):
        with self.running("schedule-cron.yaml") as run:
            run.until(self.timers, "it waits")
            [due] = self.timers()
            self.assertRegex(due["fire_at"], r"T02:30:00\.000000Z$")
            run.is_canceled()
        self.assert_asked()

    def test_and_what_is_done_then_can_be_run_now(self):
        self.peer.on("POST", "/dredging/start", (202, {"begun": True}))
        self.gives("schedule-cron-now.yaml", None, {"begun": True}, others=("schedule-cron.yaml",))
        self.assert_asked(("POST", "/dredging/start"))

    def timers(self):
        described = self.ask("describe", "case", "--json")
        return json.loads(described.stdout)["timers"] if described.returncode == 0 else []

    def test_again_and_again(self):
        self.peer.on("POST", "/foghorn", (200, "toot"))
        for name in ("schedule-every.yaml", "schedule-after.yaml"):
            with self.subTest(name), self.running(name) as run:
                before = len(self.peer.asked())
                run.until(lambda: len(self.peer.asked()) >= before + 3, "it was done three times")
                self.assertEqual([self.result_of(run, number, name) for number in (1, 2, 3)], ["toot"] * 3)
                run.is_canceled()


if __name__ == "__main__":
    main()
