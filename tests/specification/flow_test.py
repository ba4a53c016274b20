"""Conditions, switch, fork, raise, try, wait, timeouts and extensions.

    flow_test.py PROGRAM
"""
import json
import re
import threading

from specification_case import ERRORS, SpecificationCase, main

CLOSED = {"type": "https://harbour.example/errors/closed", "status": 503, "title": "Closed"}
SHIP = "/ships/9000001"


class Conditions(SpecificationCase):
    def test_a_task_whose_condition_holds_is_done(self):
        self.fails("conditional.yaml", {"ship": {"name": "Aurora", "draught": 14}},
                   {"type": "https://harbour.example/errors/too-deep", "status": 409, "title": "Too Deep",
                    "detail": "Aurora draws 14 m", "instance": "/do/0/tooDeep"})
        self.assert_asked()

    def test_another_is_left_out_and_text_is_no_expression(self):
        self.peer.on("POST", "/admissions", (201, {"berth": 4}))
        self.gives("conditional.yaml", {"ship": {"name": "Aurora", "draught": 8}}, {"berth": 4})
        self.assertEqual(self.peer.seen[0].body, {"ship": "Aurora", "note": ".ship.name"})

    def test_a_switch_takes_the_first_case_that_fits(self):
        self.gives("switch.yaml", {"cargo": "containers"}, {"berth": "north", "cranes": 2})
        self.gives("switch.yaml", {"cargo": "oil"}, {"berth": "south", "hoses": 4})
        self.gives("switch.yaml", {"cargo": "wine"}, {"berth": "south", "hoses": 1})
        self.gives("switch.yaml", {"cargo": "bees"}, {"berth": "roads", "why": "nobody unloads bees"})


class Forks(SpecificationCase):
    def test_the_first_branch_wins_a_competition(self):
        second_has_come, over = threading.Event(), threading.Event()
        self.addCleanup(over.set)

        def slow(_):
            second_has_come.set()
            over.wait()
            return 200, {"tug": "terrier"}

        def first(_):
            second_has_come.wait()
            return 200, {"tug": "bulldog"}

        self.peer.on("PUT", "/tugs/bulldog", first)
        self.peer.on("PUT", "/tugs/terrier", slow)
        self.gives("fork.yaml", {"ship": {"name": "Aurora"}, "berth": 4}, {"tug": "bulldog"})
        self.assertEqual({each.path for each in self.peer.asked()}, {"/tugs/bulldog", "/tugs/terrier"})
        for each in self.peer.asked():
            self.assertEqual(each.body, {"ship": "Aurora", "berth": 4})

    def test_otherwise_all_are_given_in_their_order(self):
        asked = threading.Barrier(2)  # both at the same time, or none goes on
        self.peer.on("GET", "/tides/4", lambda _: (asked.wait(), (200, {"tide": 2.5}))[1])
        self.peer.on("GET", "/stations/4", lambda _: (asked.wait(), (200, {"wind": 5}))[1])
        self.gives("fork-all.yaml", {"berth": 4}, {"tide": 2.5, "wind": 5, "berth": 4})

    def test_the_error_of_a_branch_is_the_forks(self):
        self.peer.on("GET", "/stations/4", (500, "no wind"))
        self.peer.on("GET", "/tides/4", (200, {}))
        code, _, error = self.ended("fork-all.yaml", {"berth": 4})
        self.assertEqual((code, error["status"], error["instance"]), (1, 500, "/do/0/look/fork/branches/1/weather"))


class Errors(SpecificationCase):
    def test_are_raised_as_they_are_written(self):
        self.fails("raise-inline.yaml", {"opens": "six"},
                   {**CLOSED, "detail": "raise-inline 1.0.0 opens at six", "instance": "/do/0/closed"})

    def test_and_by_name(self):
        self.fails("raise-reusable.yaml", {"opens": "six"},
                   {**CLOSED, "detail": "harbour opens at six", "instance": "/do/1/refuse"})

    def test_one_that_is_caught_ends_nothing(self):
        self.gives("try-catch.yaml", {"imo": 9000001}, {"imo": 9000001})
        self.assert_asked(("GET", SHIP))

    def test_another_does(self):
        self.peer.on("GET", SHIP, (500, "flooded"))
        self.fails("try-catch.yaml", {"imo": 9000001},
                   {"type": ERRORS + "communication", "status": 500, "title": "Internal Server Error",
                    "instance": "/do/0/look/try/0/ship", "detail": re.compile(f"{SHIP}: status 500: flooded")})

    def test_what_is_done_about_it_goes_on_with_the_context(self):
        with self.running("try-catch-then.yaml", {"imo": 9000001}, words=("--events", "json")) as run:
            code, out, told = run.ends()
        self.assertEqual(code, 0, told)
        missing = out["missing"]
        self.assertEqual((missing["status"], missing["instance"]), (404, "/do/0/look/try/0/ship"))
        self.assert_asked(("GET", SHIP))
        events = [json.loads(line) for line in told.splitlines()]
        [sent] = [each for each in events if each["type"] == "org.example.harbour.ship.unknown.v1"]
        self.assertEqual((sent["source"], sent["data"]), ("https://harbour.example/quays", missing))

    def test_where_there_is_none_the_next_task_is_done(self):
        self.peer.on("GET", SHIP, (200, {"imo": 9000001}))
        self.peer.on("PUT", SHIP, lambda asked: (200, asked.body))
        self.gives("try-catch-then.yaml", {"imo": 9000001}, {"imo": 9000001, "state": "moored"})


class Retries(SpecificationCase):
    busy = (503, "busy")

    def test_until_it_succeeds(self):
        for name in ("try-retry-inline.yaml", "try-retry-reusable.yaml"):
            self.peer.seen.clear()
            self.peer.on("GET", SHIP, *[self.busy] * 4, (200, {"name": "Aurora"}))
            self.gives(name, {"imo": 9000001}, {"name": "Aurora"})
            self.assert_asked(*[("GET", SHIP)] * 5)

    def test_until_it_was_tried_often_enough(self):
        self.peer.on("GET", SHIP, self.busy)
        self.fails("try-retry-inline.yaml", {"imo": 9000001},
                   {"type": ERRORS + "communication", "status": 503, "title": "Service Unavailable",
                    "instance": "/do/0/look/try/0/ship", "detail": re.compile("busy")})
        self.assert_asked(*[("GET", SHIP)] * 5)
        self.assertEqual(self.waits(), [2_000, 4_000, 8_000, 16_000])

    def test_and_then_something_else_is_done(self):
        self.peer.on("GET", SHIP, self.busy)
        self.gives("try-retry-reusable.yaml", {"imo": 9000001}, {"imo": 9000001, "why": "Service Unavailable"})
        self.assert_asked(*[("GET", SHIP)] * 5)
        for number, waited in enumerate(self.waits(), 1):
            self.assertTrue(2_000 * number + 1_000 <= waited <= 2_000 * number + 3_000, self.waits())

    def test_no_other_error_is_tried_again(self):
        self.assertEqual(self.ended("try-retry-inline.yaml", {"imo": 9000001})[2]["status"], 404)
        self.assert_asked(("GET", SHIP))


class Times(SpecificationCase):
    def test_waiting_is_a_timer_of_that_length(self):
        for name in ("wait-inline.yaml", "wait-iso8601.yaml"):
            self.gives(name, {"tide": "low"}, {"tide": "low"})
            self.assertEqual(self.waits(), [20_000])

    def test_a_workflow_has_a_limit(self):
        self.fails("timeout.yaml", None, {"type": ERRORS + "timeout", "status": 408, "title": "Timed out", "instance": "/",
                                          "detail": re.compile("the workflow was not done within 20 ms")})

    def test_a_task_has_one_and_the_error_can_be_caught(self):
        self.gives("timeout-of-a-task.yaml", None, {"left": "/do/0/attempt/try/0/flood"})


class Extensions(SpecificationCase):
    def test_may_answer_in_place_of_a_service(self):
        self.peer.on("GET", "/pilots/north", (200, {"pilot": "Grace"}))
        self.gives("mock-service.yaml", {"area": "north"}, {"rehearsed": {"pilot": "nobody"}, "real": {"pilot": "Grace"}})
        self.assert_asked(("GET", "/pilots/north"))

    def test_stand_before_and_after_each_task(self):
        self.peer.on("POST", "/log", (204, None))
        self.gives("logged.yaml", 20, 41)
        double, group, add = "/do/0/double", "/do/1/group", "/do/1/group/do/0/add"
        self.assertEqual([each.body for each in self.peer.asked()],
                         [{"text": f"begins {double}"}, {"text": f"ended {double}", "gave": 40},
                          {"text": f"begins {group}"}, {"text": f"begins {add}"},
                          {"text": f"ended {add}", "gave": 41}, {"text": f"ended {group}", "gave": 41}])


if __name__ == "__main__":
    main()
