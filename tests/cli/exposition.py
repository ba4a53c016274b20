"""A strict reader of Prometheus's text exposition format 0.0.4: whatever the specification does not allow is an error."""
import math
import re

NAME = r"[a-zA-Z_:][a-zA-Z0-9_:]*"
LABEL = r"[a-zA-Z_][a-zA-Z0-9_]*"
COMMENT = re.compile(rf"# (HELP|TYPE) ({NAME})(?: (.*))?")
SAMPLE = re.compile(rf"({NAME})(?:\{{(.*)\}})? (\S+)(?: (-?\d+))?")
LABEL_PAIR = re.compile(rf'({LABEL})="((?:[^"\\\n]|\\\\|\\"|\\n)*)"(,|$)')
NUMBER = re.compile(r"[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d+)?")
TYPES = {"counter", "gauge", "histogram", "summary", "untyped"}
UNESCAPED = {r"\\": "\\", r"\"": '"', r"\n": "\n"}


class Malformed(Exception):
    pass


class Family:
    def __init__(self, name):
        self.name = name
        self.type = None
        self.help = None
        self.samples = {}  # (name, labels as a sorted tuple) → value


def number(text):
    special = {"NaN": math.nan, "+Inf": math.inf, "Inf": math.inf, "-Inf": -math.inf}
    if text in special:
        return special[text]
    if not NUMBER.fullmatch(text):
        raise Malformed(f"no number: {text}")
    return float(text)


def labels_of(text):
    found = {}
    at = 0
    while at < len(text):
        pair = LABEL_PAIR.match(text, at)
        if not pair:
            raise Malformed(f"no labels: {text}")
        if pair.group(1) in found or pair.group(1).startswith("__"):
            raise Malformed(f"a label twice, or reserved: {text}")
        found[pair.group(1)] = re.sub(r'\\[\\"n]', lambda escape: UNESCAPED[escape.group()], pair.group(2))
        at = pair.end()
    return found


def check_histogram(family):
    series = {}
    for (name, labels), value in family.samples.items():
        suffix = name[len(family.name):]
        others = tuple(pair for pair in labels if pair[0] != "le")
        of = series.setdefault(others, {"buckets": []})
        if suffix == "_bucket":
            of["buckets"].append((number(dict(labels)["le"]), value))
        elif suffix in ("_sum", "_count") and others == labels:
            of[suffix] = value
        else:
            raise Malformed(f"{name} is not of a histogram")
    for labels, of in series.items():
        bounds = [bound for bound, _ in of["buckets"]]
        counts = [count for _, count in of["buckets"]]
        if not bounds or bounds[-1] != math.inf or bounds != sorted(set(bounds)):
            raise Malformed(f"{family.name}{labels}: buckets {bounds}")
        if counts != sorted(counts) or "_sum" not in of or of.get("_count") != counts[-1]:
            raise Malformed(f"{family.name}{labels}: {counts} and {of}")


def parse(text):
    """Families by name."""
    if text and not text.endswith("\n"):
        raise Malformed("the last line does not end")
    families = {}
    current = None
    for line in text.split("\n")[:-1]:
        if line.startswith("#"):
            comment = COMMENT.fullmatch(line)
            if not comment:
                raise Malformed(f"neither HELP nor TYPE: {line}")
            what, name, rest = comment.groups()
            if current is None or current.name != name:
                if name in families:
                    raise Malformed(f"{name} comes in two places")
                current = families[name] = Family(name)
            if what == "TYPE":
                if current.type is not None or current.samples or rest not in TYPES:
                    raise Malformed(f"a type twice, too late or unknown: {line}")
                current.type = rest
            else:
                if current.help is not None or re.search(r"\\(?![\\n])", re.sub(r"\\\\", "", rest or "")):
                    raise Malformed(f"a help twice, or badly escaped: {line}")
                current.help = rest or ""
            continue
        sample = SAMPLE.fullmatch(line)
        if not sample:
            raise Malformed(f"no sample: {line}")
        name, labels = sample.group(1), tuple(sorted(labels_of(sample.group(2) or "").items()))
        allowed = [name]
        if current is not None and current.type == "histogram":
            allowed = [name[:-len(end)] for end in ("_bucket", "_sum", "_count") if name.endswith(end)]
        if current is None or current.name not in allowed or current.type is None:
            raise Malformed(f"a sample outside of its family: {line}")
        if (name, labels) in current.samples:
            raise Malformed(f"a series twice: {line}")
        value = number(sample.group(3))
        if current.type in ("counter", "histogram") and not value >= 0:
            raise Malformed(f"a {current.type} below 0: {line}")
        current.samples[name, labels] = value
    for family in families.values():
        if family.type == "histogram":
            check_histogram(family)
    return families
