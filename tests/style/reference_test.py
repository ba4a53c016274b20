#!/usr/bin/env python3
"""Makes the reference of the public headers, docs/Doxyfile, and wants no warning of it.

usage: reference_test.py TREE FOLDER

Writes to FOLDER, nothing into TREE. Ends with 0 where doxygen has nothing to say, with 1 where it has, which is printed, and
with 77 (skipped) where there is no doxygen; with 1 then, too, where CI=true.
"""
import os
import shutil
import subprocess
import sys
from pathlib import Path

SKIPPED = 77


def main():
    if len(sys.argv) != 3 or not (Path(sys.argv[1]) / "docs" / "Doxyfile").is_file():
        print(__doc__, file=sys.stderr)
        return 2
    tree, folder = Path(sys.argv[1]).resolve(), Path(sys.argv[2]).resolve()
    doxygen = shutil.which("doxygen")
    if doxygen is None:
        print("SKIPPED: there is no doxygen, so nobody knows whether the reference has gaps; "
              "`scripts/install-dependencies.sh test` installs it", file=sys.stderr)
        return 1 if os.environ.get("CI") == "true" else SKIPPED
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    # The last one counts.
    settings = (tree / "docs" / "Doxyfile").read_text(encoding="utf-8") + f'\nOUTPUT_DIRECTORY = "{folder}"\n'
    done = subprocess.run([doxygen, "-"], input=settings, cwd=tree, encoding="utf-8", errors="replace",
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False)
    print(done.stdout, end="")
    if done.returncode != 0 or done.stdout.strip():
        print(f"doxygen ended with {done.returncode} and said the above; say what is not documented, or what is wrong with it")
        return 1
    if not (folder / "html" / "classevermill_1_1engine.html").is_file():
        print("doxygen said nothing and wrote no page about evermill::engine")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
