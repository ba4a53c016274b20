"""Every command line of README.md, docs/ and examples/*/README.md, run as a reader would: by the plans of plans.py, or by the test that
is named there. A command that has no plan fails the test, as does a plan whose command is gone.

    commands_test.py PROGRAM [--sqlite-queue LIBRARY] [--notify LIBRARY] [--orders PROGRAM] [CLASS…]
"""
import argparse
import glob
import os
import sys
import tempfile
import unittest

sys.dont_write_bytecode = True
import pages  # noqa: E402
import plans  # noqa: E402
from site_of_page import ROOT, Failed, Site  # noqa: E402
from services import Kafka, Missing  # noqa: E402

SKIPPED = 77
ARGUMENTS = argparse.ArgumentParser()
ARGUMENTS.add_argument("program", type=os.path.abspath)
for option in ("--sqlite-queue", "--notify", "--orders"):
    ARGUMENTS.add_argument(option, type=os.path.abspath)
GIVEN, OTHERS = ARGUMENTS.parse_known_args()


def read(page):
    with open(os.path.join(ROOT, page), encoding="utf-8") as file:
        return file.read()


def all_pages():
    found = ["README.md"]
    for pattern in ("docs/*.md", "examples/README.md", "examples/*/README.md"):
        found.extend(sorted(glob.glob(pattern, root_dir=ROOT)))
    return found


def place(command):
    return f"{command.page}:{command.line}: `{pages.plain(command.text)}`"


def to_run(page):
    """Those that no other test runs."""
    return [each for each in pages.commands(page, read(page)) if not (each.is_fenced and page in plans.FENCED_RUN_BY)]


def matched(page):
    """(command, plan or None) of a page, and the plans that are left."""
    left = list(plans.PLANS.get(page, []))
    pairs = []
    for command in to_run(page):
        plan = next((each for each in left if pages.plain(command.text).startswith(each.beginning)), None)
        if plan:
            left.remove(plan)
        pairs.append((command, plan))
    return pairs, left


class Case(unittest.TestCase):
    kafka = None

    def run_page(self, page):
        pairs, left = matched(page)
        self.assertEqual((left, [place(command) for command, plan in pairs if plan is None]), ([], []))
        with tempfile.TemporaryDirectory(prefix="evermill-docs-") as folder:
            site = Site(folder, kafka=self.kafka, **vars(GIVEN))
            done = "what is needed"
            try:
                plans.prepare(page, site)
                for command, plan in pairs:
                    done = place(command)
                    plan.run(site, command.text)
                done = f"{page}: the end"
                site.stop_all()
            except Missing as why:
                self.skipTest(f"{done}: {why}")
            except Failed as why:
                self.fail(f"{done}: {why}")
            finally:
                site.close()


class Pages(Case):
    def test_every_command_has_a_plan_and_every_plan_a_command(self):
        wrong = []
        for page in all_pages():
            pairs, left = matched(page)
            wrong += [f"{place(command)}: the test has no way to run it; add one" for command, plan in pairs if plan is None]
            wrong += [f"{page}: no command begins with `{plan.beginning}`, for which there is a plan" for plan in left]
        wrong += [f"{page}: it is gone, and has plans" for page in plans.PLANS if page not in all_pages()]
        self.assertFalse(wrong, "\n" + "\n".join(wrong))

    def test_pages_of_other_tests_are_run_there(self):
        for page, test in plans.FENCED_RUN_BY.items():
            self.assertTrue([each for each in pages.commands(page, read(page)) if each.is_fenced], f"{page} has no ```sh blocks")
            self.assertIn(os.path.basename(page), read(test))


class Performance(Case):
    """What makes more load than all the others."""


class KafkaPages(Case):
    """Pages on which another program of Kafka's is run beside evermill."""

    @classmethod
    def setUpClass(cls):
        folder = tempfile.TemporaryDirectory(prefix="evermill-docs-")
        cls.addClassCleanup(folder.cleanup)
        try:
            Kafka.fetch()
            cls.kafka = Kafka(folder.name, brokers=1)
        except Missing as why:
            raise unittest.SkipTest(str(why)) from why
        cls.addClassCleanup(cls.kafka.stop)


def add_tests():
    for page in plans.PLANS:
        name = "test_" + "".join(letter if letter.isalnum() else "_" for letter in page.removesuffix(".md"))
        where = Performance if page in plans.PERFORMANCE else KafkaPages if page in plans.KAFKA_PAGES else Pages
        setattr(where, name, lambda self, page=page: self.run_page(page))


if __name__ == "__main__":
    add_tests()
    result = unittest.main(argv=[sys.argv[0], *OTHERS], exit=False).result
    if result.wasSuccessful() and result.testsRun <= len(result.skipped):
        sys.exit(SKIPPED)
    sys.exit(not result.wasSuccessful())
