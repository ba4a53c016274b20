#!/usr/bin/env python3
"""Judges the skipped tests in a JUnit report of ctest's.

usage: check-skips.py REPORT.xml ALLOWED.txt

ALLOWED.txt names one test a line, then why it may be skipped. Tests of Kafka, Redis and docker can't be on it.
Ends with 1 where a test was skipped that is not on the list, or where the report or list is no good.
"""
import re
import sys
import xml.etree.ElementTree as xml

NEVER_ALLOWED = re.compile(r"kafka|redis|docker", re.IGNORECASE)


def allowed_names(path):
    names = set()
    with open(path, encoding="utf-8") as lines:
        for number, line in enumerate(lines, 1):
            text = line.split("#", 1)[0].strip()
            if not text:
                continue
            name, _, reason = text.partition(" ")
            if not reason.strip():
                raise ValueError(f"{path}:{number}: '{name}' has no reason")
            if NEVER_ALLOWED.search(text):
                raise ValueError(f"{path}:{number}: '{name}': Kafka, Redis and docker tests can't be skipped")
            names.add(name)
    return names


def main():
    if len(sys.argv) != 3:
        print(__doc__, file=sys.stderr)
        return 2
    try:
        allowed = allowed_names(sys.argv[2])
        cases = list(xml.parse(sys.argv[1]).getroot().iter("testcase"))
    except (OSError, ValueError, xml.ParseError) as error:
        print(f"check-skips: {error}", file=sys.stderr)
        return 1
    if not cases:
        print(f"check-skips: {sys.argv[1]} names no test at all", file=sys.stderr)
        return 1
    skipped = [case.get("name") for case in cases
               if case.find("skipped") is not None or case.get("status") in ("notrun", "disabled")]
    refused = [name for name in skipped if name not in allowed]
    for name in skipped:
        print(f"skipped, {'NOT allowed' if name in refused else 'allowed'}: {name}")
    return 1 if refused else 0


if __name__ == "__main__":
    sys.exit(main())
