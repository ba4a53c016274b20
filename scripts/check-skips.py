#!/usr/bin/env python3
"""Says loudly which tests were skipped. With CI=true a skip that the list does not allow is a failure.

usage: check-skips.py JUNIT_XML ALLOWED_LIST
A line of the list is a test's name, a space, and the reason; '#' starts a comment.
"""
import os
import sys
import xml.etree.ElementTree as xml


def allowed_names(path):
    with open(path, encoding="utf-8") as lines:
        return {line.split()[0] for line in lines if line.strip() and not line.startswith("#")}


def main():
    report, allowed_list = sys.argv[1:3]
    allowed = allowed_names(allowed_list)
    skipped = [case.get("name") for case in xml.parse(report).getroot().iter("testcase")
               if case.get("status") in ("notrun", "disabled") or case.find("skipped") is not None]
    for name in skipped:
        print(f"SKIPPED: {name}" + (" (allowed)" if name in allowed else ""))
    refused = [name for name in skipped if name not in allowed]
    return 1 if refused and os.environ.get("CI") == "true" else 0


if __name__ == "__main__":
    sys.exit(main())
