"""The command lines that stand on a page: those of its ```sh blocks, and of its indented blocks that begin with a command."""
import collections
import re
import shlex

Command = collections.namedtuple("Command", "page line text is_fenced")

PROGRAMS = r"evermill|curl|grpcurl|kcat|redis-cli|docker|kill|mkdir|echo|export|cmake|ctest|kafka-[a-z-]+\.sh"
STARTS = re.compile(rf"(?:[A-Z_]+=\S* +)*(?:(?:{PROGRAMS})\s|(?:\.|examples|scripts|tests|build)/|[a-z]+=(?:\$|http))")


def plain(text):
    """As plans name it: without line ends, comments of its end, and blanks that only align it."""
    return " ".join(re.sub(r"\s\s+# .*", "", text).replace("\\\n", " ").split())


def goes_on(text):
    """Whether the next line is of the same command."""
    try:
        shlex.split(text, comments=True)
    except ValueError:  # a quotation is open
        return True
    return text.endswith(("\\", "|"))


def blocks(lines):
    """(number of its first line, its lines, whether it is fenced), of ```sh blocks and indented ones."""
    fence, begun, block = None, 0, []
    for number, line in enumerate([*lines, ""], 1):
        if fence is None and re.match(r" {4,}\S", line):
            begun = begun or number
            block.append(line.strip())
            continue
        if block and fence is None:
            yield begun, block, False
            begun, block = 0, []
        if line.startswith("```"):
            if fence == "sh":
                yield begun, block, True
            fence, begun, block = (line[3:].strip(), number + 1, []) if fence is None else (None, 0, [])
        elif fence == "sh":
            block.append(line)


def commands(page, text):
    """In their order. Once a block has one, all of its lines are commands: a program that is not known here is not overlooked."""
    found = []
    for begun, block, is_fenced in blocks(text.splitlines()):
        if not is_fenced and not any(STARTS.match(line + " ") for line in block):
            continue
        text_so_far = ""
        for number, line in enumerate(block, begun):
            if not text_so_far and (not line.strip() or line.startswith("#")):
                continue
            if not text_so_far:
                first = number
            text_so_far += ("\n" if text_so_far else "") + line
            if not goes_on(text_so_far):
                found.append(Command(page, first, text_so_far, is_fenced))
                text_so_far = ""
        if text_so_far:
            found.append(Command(page, first, text_so_far, is_fenced))
    return found
