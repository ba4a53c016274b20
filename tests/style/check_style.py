#!/usr/bin/env python3
"""Checks rules of the tree that no compiler knows.

usage: check_style.py TREE

Prints each breach as file:line: what is wrong, and ends with 1 where there is one. What the rules are for stands in
CONTRIBUTING.md.
"""
import os
import re
import sys
from pathlib import Path

SOURCE_SUFFIXES = {".cpp", ".hpp"}
SKIPPED_FOLDERS = {".git", "build", ".cache", "__pycache__"}
MAX_LINES = 600

# Deterministic folders: what they decide must come out the same in every replay and in every simulated run.
DETERMINISTIC = ("workflow", "actors")
NONDETERMINISM = [
    (r"\b(?:system|steady|high_resolution|utc|file)_clock\s*::\s*now\b", "reads a clock: use base/clock.hpp"),
    (r"\b(?:clock_gettime|gettimeofday|localtime(?:_r)?|gmtime(?:_r)?)\s*\(", "reads a clock: use base/clock.hpp"),
    (r"(?<![\w.>:])(?:std\s*::\s*)?time\s*\(\s*(?:nullptr|NULL|0|&\w+)\s*\)", "reads a clock: use base/clock.hpp"),
    (r"\bstd\s*::\s*(?:random_device|mt19937(?:_64)?|minstd_rand0?|default_random_engine)\b",
     "makes its own randomness: use base/random.hpp"),
    (r"(?<![\w.>:])(?:std\s*::\s*)?s?rand\s*\(\s*(?:\)|\d)", "makes its own randomness: use base/random.hpp"),
    (r"\bstd\s*::\s*(?:jthread|thread(?!\s*::\s*hardware_concurrency)|async)\b", "starts threads"),
    (r"\bsleep_(?:for|until)\s*\(", "sleeps: use a timer"),
    (r"\b(?:secure_)?getenv\s*\(", "reads the environment: take it as an option"),
]
UNORDERED_DECLARATION = re.compile(r"\bunordered_(?:multi)?(?:map|set)\s*<")
RANGE_FOR = re.compile(r"\bfor\s*\([^;()]*(?:\([^()]*\)[^;()]*)*[^:]:(?!:)\s*([\w.>\-]+)\s*\)")

# A line may say, in a comment of its own or of the line above, why a rule does not apply: `style: why`.
EXCUSED = re.compile(r"//.*\bstyle: \w.{10,}")

# Libraries that one folder hides from all others.
INCLUDES_KEPT_IN = [
    (re.compile(r'#\s*include\s*[<"]caf/'), ("actors", "tests/actors", "tests/simulation"), "CAF"),
    (re.compile(r'#\s*include\s*[<"]rocksdb/'), ("storage", "tests/storage", "tests/simulation", "tests/support"),
     "RocksDB"),
]
# A sanitizer may be told what it can't see in a library that is not built for it, and nothing else.
NARROW_SUPPRESSION = re.compile(r"(?:called_from_lib|race|leak):lib(?!caf)[\w.+-]+\.so|race:std::[\w:]+")
MACHINE_PATH = re.compile(r"(?<![\w.$}/])/(?:work|root|home/\w+|Users/\w+)/")


def files_of(tree):
    for folder, folders, names in os.walk(tree):
        folders[:] = sorted(name for name in folders if name not in SKIPPED_FOLDERS)
        for name in sorted(names):
            if name == ".git":  # of a linked work tree
                continue
            yield (Path(folder) / name).relative_to(tree)


def read(path):
    """The text, or None for a file that holds none."""
    data = path.read_bytes()
    if b"\0" in data:
        return None
    return data.decode("utf-8", errors="replace")


def without_comments_and_strings(text):
    """The same text with comments, strings and characters blanked, lines kept."""
    token = re.compile(r'//[^\n]*|/\*.*?\*/|R"(\w*)\(.*?\)\1"|"(?:\\.|[^"\\\n])*"|(?<!\w)\'(?:\\.|[^\'\\\n])+\'', re.DOTALL)
    return token.sub(lambda found: re.sub(r"[^\n]", " ", found.group()), text)


def is_in(path, folder):
    return path.as_posix().startswith(folder + "/")


def line_of(text, offset):
    return text.count("\n", 0, offset) + 1


def is_excused(text, line):
    return any(EXCUSED.search(said) for said in text.split("\n")[max(0, line - 2):line])


def unordered_names(code):
    """The names of variables and members whose type is an unordered container."""
    names = set()
    for found in UNORDERED_DECLARATION.finditer(code):
        depth, at = 1, found.end()
        while at < len(code) and depth:
            depth += {"<": 1, ">": -1}.get(code[at], 0)
            at += 1
        name = re.match(r"\s*&?\s*(\w+)\s*[;={(),]", code[at:])
        if name:
            names.add(name.group(1))
    return names


def determinism(path, code, unordered):
    if not any(is_in(path, folder) for folder in DETERMINISTIC):
        return
    for pattern, why in NONDETERMINISM:
        for found in re.finditer(pattern, code):
            yield line_of(code, found.start()), f"{found.group().strip()}: {why}"
    for found in RANGE_FOR.finditer(code):
        name = re.split(r"\.|->", found.group(1))[-1]
        if name in unordered:
            yield line_of(code, found.start()), f"iterates {name}, which has no order: use std::map or sort first"


def foreign_includes(path, text):
    for pattern, folders, library in INCLUDES_KEPT_IN:
        if any(is_in(path, folder) for folder in folders):
            continue
        for found in pattern.finditer(text):
            yield line_of(text, found.start()), f"includes {library}, which only {folders[0]}/ may know"


def text_rules(path, text):
    if path.suffix in SOURCE_SUFFIXES and text.count("\n") > MAX_LINES:
        yield MAX_LINES, f"has {text.count(chr(10))} lines; split it below {MAX_LINES}"
    for found in MACHINE_PATH.finditer(text):
        yield line_of(text, found.start()), f"names a path of one machine: {found.group()}"


def suppressions(path, text):
    if path.suffix != ".supp":
        return
    for number, line in enumerate(text.split("\n"), 1):
        if line and not line.startswith("#") and not NARROW_SUPPRESSION.fullmatch(line):
            yield number, f"suppresses more than what a foreign library does inside: {line}"


def folder_readmes(tree):
    for folder in sorted(p for p in tree.iterdir() if p.is_dir() and not p.name.startswith(".")):
        if folder.name in SKIPPED_FOLDERS or not any(p.is_file() for p in folder.rglob("*")):
            continue
        if folder.name in ("cmake", "scripts", "docs"):  # told about in CONTRIBUTING.md
            continue
        if not (folder / "README.md").is_file():
            yield Path(folder.name), 1, "the folder has no README.md"


def check(tree):
    sources = {path: text for path in files_of(tree) if (text := read(tree / path)) is not None}
    code = {path: without_comments_and_strings(text) for path, text in sources.items()
            if path.suffix in SOURCE_SUFFIXES}
    unordered = {folder: set().union(*(unordered_names(c) for p, c in code.items() if is_in(p, folder)))
                 for folder in DETERMINISTIC}
    yield from folder_readmes(tree)
    for path, text in sources.items():
        for line, what in text_rules(path, text):
            yield path, line, what
        for line, what in suppressions(path, text):
            yield path, line, what
        if path in code:
            for line, what in foreign_includes(path, text):
                yield path, line, what
            for line, what in determinism(path, code[path], unordered.get(path.parts[0], set())):
                if not is_excused(text, line):
                    yield path, line, what


def exceptions(path):
    """Lines of `FILE | part of the message | why it is right`."""
    if not path.is_file():
        return []
    lines = [line.strip() for line in path.read_text(encoding="utf-8").splitlines()]
    entries = [[part.strip() for part in line.split("|")] for line in lines if line and not line.startswith("#")]
    for entry in entries:
        if len(entry) != 3 or not all(entry):
            raise SystemExit(f"{path}: not FILE | MESSAGE | WHY: {' | '.join(entry)}")
    return entries


def main():
    if len(sys.argv) != 2 or not Path(sys.argv[1]).is_dir():
        print(__doc__, file=sys.stderr)
        return 2
    known = exceptions(Path(__file__).parent / "exceptions.txt")
    breaches = [(path, line, what) for path, line, what in check(Path(sys.argv[1]))
                if not any(path.as_posix() == file and part in what for file, part, _ in known)]
    for path, line, what in breaches:
        print(f"{path}:{line}: {what}")
    return 1 if breaches else 0


if __name__ == "__main__":
    sys.exit(main())
