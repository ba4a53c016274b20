#!/usr/bin/env python3
"""Makes a private configuration of apt for source packages, from where this machine gets its packages.

    apt_sources.py DIR [LINE…]    prints the path of DIR/apt.conf, to be used as APT_CONFIG; lines are added to it

Nothing of the system's configuration is changed. Only the suites of the installed release are taken: other archives seldom
have sources.
"""
import pathlib
import re
import sys

CONFIGURATION = """Dir::Etc::SourceList "/dev/null";
Dir::Etc::SourceParts "{folder}/parts";
Dir::State::Lists "{folder}/lists";
Dir::Cache "{folder}/cache";
APT::Sandbox::User "root";
"""


def codename():
    for line in pathlib.Path("/etc/os-release").read_text(encoding="utf-8").splitlines():
        if line.startswith("VERSION_CODENAME="):
            return line.split("=", 1)[1].strip('"')
    raise SystemExit("apt_sources.py: /etc/os-release names no release")


def is_of(release, suite):
    return suite == release or suite.startswith(f"{release}-") or suite.startswith(f"{release}/")


def stanzas(release):
    """Of files *.sources: what is there for packages, asked for sources."""
    for path in sorted(pathlib.Path("/etc/apt/sources.list.d").glob("*.sources")):
        for stanza in re.split(r"\n\s*\n", path.read_text(encoding="utf-8")):
            lines = [line for line in stanza.splitlines() if line and not line.startswith("#")]
            fields = dict(line.split(":", 1) for line in lines if ":" in line and not line[0].isspace())
            suites = [suite for suite in fields.get("Suites", "").split() if is_of(release, suite)]
            if suites and fields.get("Enabled", "yes").strip() != "no":
                kept = [line for line in lines if not re.match(r"(Types|Suites|Architectures):", line)]
                yield "\n".join(["Types: deb-src", f"Suites: {' '.join(suites)}", *kept]) + "\n"


def lines_of(release):
    """The same of files in the old format."""
    for path in [pathlib.Path("/etc/apt/sources.list"), *sorted(pathlib.Path("/etc/apt/sources.list.d").glob("*.list"))]:
        for line in path.read_text(encoding="utf-8").splitlines() if path.exists() else ():
            match = re.match(r"deb\s+(\[[^]]*\]\s+)?(\S+)\s+(\S+)\s+(.*)", line)
            if match and is_of(release, match[3]):
                options = re.sub(r"arch=\S+?(?=[\s\]])", "", match[1] or "")
                yield f"deb-src {'' if re.fullmatch(r'[[ ]*]? *', options) else options}{match[2]} {match[3]} {match[4]}"


def make(folder, *more):
    folder = pathlib.Path(folder).absolute()
    for name in ("parts", "lists/partial", "cache/archives/partial"):
        (folder / name).mkdir(parents=True, exist_ok=True)
    release = codename()
    (folder / "parts" / "source.sources").write_text("\n".join(stanzas(release)), encoding="utf-8")
    (folder / "parts" / "source.list").write_text("".join(f"{line}\n" for line in lines_of(release)), encoding="utf-8")
    path = folder / "apt.conf"
    path.write_text(CONFIGURATION.format(folder=folder) + "".join(f"{line}\n" for line in more), encoding="utf-8")
    return str(path)


if __name__ == "__main__":
    if len(sys.argv) < 2:
        sys.exit(__doc__)
    print(make(*sys.argv[1:]))
