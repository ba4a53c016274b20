"""examples/fleet_maintenance: hosts see each step once and in order, also when evermill is killed again and again.

    fleet_maintenance_test.py PROGRAM
"""
import contextlib
import json
import signal
import subprocess
import sys
import threading
import time

from pipeline_case import LIMIT, PipelineCase, example, main

sys.path.insert(0, example("fleet_maintenance"))
import hosts  # noqa: E402

BY_HAND = example("fleet_maintenance", "by_hand.yaml")
SCHEDULED = example("fleet_maintenance", "fleet_maintenance.yaml")
NAMES = ["db", "web-1", "web-2", "web-3"]
UPGRADE = ["drain", "upgrade", "rejoin"]


def steps(name, *which):
    return [[name, step] for step in which]


@contextlib.contextmanager
def fleet(**how):
    """A fleet, and where it is."""
    kept = hosts.Fleet(**how)
    server = hosts.make(kept)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield kept, f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


class FleetMaintenance(PipelineCase):
    @staticmethod
    def given(address):
        return {"hosts": [{"name": name, "address": f"{address}/{name}"} for name in NAMES], "release": "2.1",
                "report_to": f"{address}/summaries"}

    def maintain(self, name, code, kill_within=None, **how):
        """What the fleet saw, what evermill gave, how often it was killed, and how long it took."""
        with fleet(**how) as (seen, address):
            begun = time.monotonic()
            ended, out, error, kills = self.run_to_end(name, BY_HAND, name, self.given(address), kill_within)
            self.assertEqual(ended, code, error)
            self.assertEqual(len(seen.summaries), 1, "posted once")
            self.assertGreater(seen.requests, len(seen.done) + 1, "some were sent again")
            self.assertTrue(seen.summaries[0].pop("execution").startswith(f"{name}/"))
            return seen, out if code == 0 else error, kills, time.monotonic() - begun

    def twice(self, name, code, **how):
        """Once in peace, and then killed: nobody can tell the difference."""
        calm, given, _, seconds = self.maintain(name, code, **how)

        def killed(number):
            seen, out, kills, _ = self.maintain(f"{name}-{number}", code, kill_within=seconds, **how)
            self.assertEqual(seen.done, calm.done)
            self.assertEqual(seen.summaries, calm.summaries)
            self.assertEqual((seen.releases, seen.out_of_service), (calm.releases, calm.out_of_service))
            self.assertEqual(out, given)
            return kills

        self.killed_again_and_again(killed, rounds=2)
        return calm, given

    def test_all_are_upgraded_one_after_the_other(self):
        seen, given = self.twice("well", 0)
        self.assertEqual(given, {"release": "2.1", "upgraded": NAMES})
        self.assertEqual(seen.done, sum((steps(name, *UPGRADE) for name in NAMES), []))
        self.assertEqual(seen.releases, dict.fromkeys(NAMES, "2.1"))
        self.assertEqual(seen.summaries, [{"status": "completed", "release": "2.1", "upgraded": NAMES}])

    def test_a_check_that_fails_restores_all_newest_first(self):
        seen, error = self.twice("ill", 1, broken=["web-2"])
        undo = ("restore", "rejoin")
        self.assertEqual(seen.done, steps("db", *UPGRADE) + steps("web-1", *UPGRADE) + steps("web-2", "drain", "upgrade") +
                         steps("web-2", *undo) + steps("web-1", *undo) + steps("db", *undo))
        self.assertEqual((seen.releases, seen.out_of_service), ({}, set()))
        self.assertEqual(seen.summaries, [{"status": "rolled back", "why": "web-2 does not work with 2.1",
                                           "restored": ["web-2", "web-1", "db"], "left": []}])
        self.assertEqual((error["type"], error["detail"]),
                         ("https://example.org/errors/check-failed", "web-2 does not work with 2.1"))

    def test_what_can_not_be_restored_keeps_nothing_else_from_it(self):
        seen, _, _, _ = self.maintain("stuck", 1, broken=["web-2"], stubborn=["web-1"])
        self.assertEqual(seen.releases, {"web-1": "2.1"})
        self.assertEqual((seen.summaries[0]["restored"], seen.summaries[0]["left"]), (["web-2", "db"], ["web-1"]))

    def test_both_files_are_valid(self):
        self.assert_valid(SCHEDULED, BY_HAND)

    def test_the_schedule_waits_for_its_time(self):
        with fleet() as (seen, address):
            process = subprocess.Popen(self.command("scheduled", "run", SCHEDULED, "--id", "nightly", "--json", "--input",
                                                    json.dumps(self.given(address))), stdin=subprocess.DEVNULL,
                                       stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
            self.addCleanup(process.wait)
            self.addCleanup(process.kill)
            end = time.monotonic() + LIMIT
            while self.timers() != 1:
                self.assertLess(time.monotonic(), end, "it does not wait")
                time.sleep(0.1)
            process.send_signal(signal.SIGKILL)
            process.communicate()
            self.assertEqual(self.timers(), 1, "it is kept")
            self.assertEqual(self.call("scheduled", "cancel", "nightly").returncode, 0)
            self.assertEqual(self.run_to_end("scheduled", SCHEDULED, "nightly", self.given(address))[0], 3)
            self.assertEqual(seen.requests, 0, "nothing was done before its time")

    def timers(self):
        """How many the schedule waits for."""
        described = self.call("scheduled", "describe", "nightly", "--json")
        return len(json.loads(described.stdout)["timers"]) if described.returncode == 0 else 0


if __name__ == "__main__":
    main()
