"""Events: sent, and listened to in every way.

    events_test.py PROGRAM
"""
import json
import threading

from specification_case import SpecificationCase, main

KIND = "org.example.harbour."
WIND, WAVE = KIND + "wind", KIND + "wave"
CALM = {"knots": 3}
GALE = {"knots": 40}
SWELL = {"metres": 1, "period": 21}


class Emitting(SpecificationCase):
    def test_an_event_has_what_the_file_says(self):
        given = {"ship": {"name": "Aurora"}, "berth": 7, "ropes": 3}
        with self.running("emit.yaml", given, words=("--events", "json")) as run:
            code, out, told = run.ends()
        self.assertEqual(code, 0, told)
        [sent] = [each for each in map(json.loads, told.splitlines()) if each["type"] == KIND + "ship.arrived.v1"]
        self.assertEqual(out, sent, "that is the task's output")
        self.assertTrue(sent.pop("id") and sent.pop("time").endswith("Z"))
        self.assertEqual(sent, {"specversion": "1.0", "type": KIND + "ship.arrived.v1",
                                "source": "https://harbour.example/lookout", "subject": "Aurora", "berth": 7,
                                "datacontenttype": "application/json",
                                "data": {"ship": {"name": "Aurora", "flag": "pt"},
                                         "cargo": [{"kind": "tea", "crates": 40}, {"kind": "rope", "crates": 3}]}})


class Listening(SpecificationCase):
    def test_to_one_event(self):
        self.peer.on("POST", "/ships/Aurora/departure", (200, {"left": True}))
        with self.running("listen-one.yaml", {"ship": "Aurora"}) as run:
            run.listens(KIND + "light.green")
            self.assertEqual(run.status(), {"phase": "waiting", "tasks": {"/do/0/green": "waiting"}})
            self.emit(KIND + "light.green", {"until": "noon"})
            run.gives({"left": True})
        self.assertEqual(self.peer.seen[0].body, {"light": {"until": "noon"}})

    def test_to_all_of_several(self):
        with self.running("listen-all.yaml") as run:
            run.listens(WIND, WAVE)
            self.emit(WAVE, {"metres": 4, "period": 8})
            self.emit(WAVE, SWELL)
            self.emit(WIND, CALM)
            self.emit(WAVE, {"metres": 9})
            self.emit(WIND, GALE)
            run.gives([SWELL, GALE])

    def test_with_their_envelopes(self):
        with self.running("listen-all-envelope.yaml") as run:
            run.listens(WIND, WAVE)
            self.emit(WIND, GALE, id="wind-1", time="2026-05-01T12:00:00Z")
            self.emit(WAVE, SWELL, id="wave-1", buoy="b-3")
            source = {"specversion": "1.0", "source": "https://harbour.example/tests"}
            run.gives([{**source, "type": WIND, "id": "wind-1", "time": "2026-05-01T12:00:00Z", "data": GALE},
                       {**source, "type": WAVE, "id": "wave-1", "buoy": "b-3", "data": SWELL}])

    def test_to_any_of_several(self):
        with self.running("listen-any-filter.yaml") as run:
            run.listens(WIND, WAVE)
            self.emit(WIND, CALM)
            self.emit(WAVE, SWELL)
            run.gives([SWELL])

    def test_to_any_event_at_all(self):
        with self.running("listen-any.yaml") as run:
            run.listens("*")
            self.emit(KIND + "never.heard.of", ["!"])
            run.gives([["!"]])

    def test_until_a_condition_holds(self):
        with self.running("listen-any-until-condition.yaml") as run:
            run.listens("*")
            for number in range(3):
                self.emit(f"{KIND}number-{number}", number)
            run.gives([0, 1, 2])

    def test_until_an_event_which_is_not_given(self):
        with self.running("listen-any-until-event.yaml") as run:
            run.listens(WIND, WAVE, KIND + "all-clear")
            for data in (GALE, CALM, GALE):
                self.emit(WIND, data)
            self.emit(WAVE, SWELL)
            self.emit(KIND + "all-clear")
            run.gives([GALE, GALE, SWELL])

    def test_until_all_of_several_none_of_which_is_given(self):
        with self.running("listen-any-until-all.yaml") as run:
            run.listens("*")
            self.emit(KIND + "gates-shut", "gates")
            self.emit(WIND, CALM)
            self.emit(KIND + "lights-out", "lights")
            run.gives([CALM])

    def test_for_ever_each_in_its_turn(self):
        first_may_end = threading.Event()
        self.addCleanup(first_may_end.set)
        self.peer.on("POST", "/channels/16", lambda _: (first_may_end.wait(), (204, None))[1], (204, None))
        with self.running("listen-any-forever.yaml") as run:
            run.listens("*")
            self.emit(KIND + "call", "mayday")
            run.until(self.peer.asked, "the first is handled")
            self.emit(KIND + "call", "mayday again")
            self.emit(KIND + "other", {"said": "over"})
            self.assertEqual(len(self.peer.asked()), 1, "one is handled after the other")
            first_may_end.set()
            run.until(lambda: len(self.peer.asked()) == 3, "all are handled")
            self.assertEqual([each.body for each in self.peer.asked()],
                             [{"number": 0, "call": "mayday"}, {"number": 1, "call": "mayday again"},
                              {"number": 2, "call": {"said": "over"}}])
            run.is_canceled()

    def test_within_a_loop_while_its_condition_holds(self):
        holds = [{"name": "fore"}, {"name": "main"}, {"name": "aft"}]
        with self.running("for.yaml", {"holds": holds, "inspector": "Ada"}) as run:
            for number, found in enumerate(("nothing", "rats"), 1):
                run.listens(KIND + "hold.inspected", times=number)
                self.emit(KIND + "hold.inspected", {"found": found})
            done = [{"hold": "fore", "number": 0, "found": "nothing"}, {"hold": "main", "number": 1, "found": "rats"}]
            run.gives({"holds": holds, "inspector": None, "done": done})


class Correlation(SpecificationCase):
    gauges = {"source": "https://harbour.example/gauges"}

    def test_takes_what_belongs_together(self):
        body = {"content": {"application/json": {}}}
        paths = {"/readings": {"post": {"operationId": "keepReading", "requestBody": body}},
                 "/report": {"get": {"operationId": "report"}}}
        described = {"openapi": "3.1.0", "info": {"title": "Gauges", "version": "1"}, "paths": paths}
        self.peer.on("GET", "/openapi.json", (200, described))
        self.peer.on("POST", "/readings", (204, None))
        self.peer.on("GET", "/report", (200, {"readings": 2}))
        with self.running("combine-readings.yaml") as run:
            run.listens(KIND + "tide", KIND + "current")
            self.emit(KIND + "tide", {"reading": 2.5}, gaugeid="mole", **self.gauges)
            self.emit(KIND + "current", {"reading": 9}, gaugeid="quay", **self.gauges)
            self.emit(KIND + "current", {"reading": 8}, gaugeid="mole")
            self.emit(KIND + "current", {"reading": 1}, gaugeid="mole", **self.gauges)
            run.gives({"readings": 2})
        self.assert_asked(("GET", "/openapi.json"), ("POST", "/readings"), ("POST", "/readings"), ("GET", "/report"))
        self.assertEqual([each.body for each in self.peer.asked("POST")], [{"value": 2.5}, {"value": 1}])

    def test_with_what_is_expected(self):
        with self.running("correlate-with-an-expectation.yaml", {"ship": "Aurora"}) as run:
            run.listens("*")
            self.emit(KIND + "tug.ready", {"ship": "Borealis"})
            self.emit(KIND + "tug.ready.not", {"ship": "Aurora"})
            self.emit(KIND + "pilot.ready", {"ship": "Aurora"})
            run.gives([{"ship": "Aurora"}])


if __name__ == "__main__":
    main()
