"""Pages that are run as a reader would follow them: their ```sh blocks in one shell, each compared with the ```json or ```text block that
stands below it. In JSON "…" stands for whatever there is: a member `…` for further ones, the end of a text for its rest; in text it
is the end of a line."""
import json
import re
import subprocess

MARK = "=== block"
# Differs from run to run: only the type is compared.
VOLATILE = {"run_id", "started_at", "created_at", "now", "partition", "process_id", "version", "live_instances", "task_id",
            "next_page_token", "run_number", "events_of_run"}


def read(path):
    with open(path, encoding="utf-8") as file:
        return file.read()


def blocks(page):
    """(request, kind of answer or "", answer), in their order."""
    return re.findall(r"^```sh\n(.*?)^```\n(?:```(json|text)\n(.*?)^```)?", page, re.MULTILINE | re.DOTALL)


def parsed(answer):
    return json.loads(answer.replace("{…}", '{"…": 0}').replace(", …}", ', "…": 0}'))


def difference(wanted, given, place=""):
    """What of `given` is not as `wanted`, or None."""
    if isinstance(wanted, dict):
        names = set(wanted) - {"…"}
        if not isinstance(given, dict) or not names <= set(given) or ("…" not in wanted and names != set(given)):
            return f"{place}: {given}"
        for name in names:
            if name in VOLATILE:
                if type(wanted[name]) is not type(given[name]):
                    return f"{place}.{name}: {given[name]}"
            elif found := difference(wanted[name], given[name], f"{place}.{name}"):
                return found
        return None
    if isinstance(wanted, list):
        if not isinstance(given, list) or len(wanted) != len(given):
            return f"{place}: {given}"
        found = [difference(w, g, f"{place}[{i}]") for i, (w, g) in enumerate(zip(wanted, given))]
        return next((each for each in found if each), None)
    if isinstance(wanted, str) and wanted.endswith("…"):
        # Ids and times are as good as any other.
        return None if isinstance(given, str) and (given.startswith(wanted[:-1]) or re.fullmatch(r"[0-9a-f-]+|[0-9T:-]+", wanted[:-1])) else f"{place}: {given}"
    return None if wanted == given else f"{place}: {given} instead of {wanted}"


def run(page_blocks, replacements, limit, **process):
    """Runs them in one shell: what each has printed, and the shell's end."""
    script = "set -eu\n" + "".join(f"echo '{MARK} {i}'\n{request}\necho\n" for i, (request, _, _) in enumerate(page_blocks))
    for old, new in replacements.items():
        script = script.replace(old, new)
    done = subprocess.run(["bash", "-c", script], capture_output=True, text=True, timeout=limit, check=False, stdin=subprocess.DEVNULL, **process)
    shown = [part.split("\n", 1)[1].strip() for part in re.split(f"^{MARK} ", done.stdout, flags=re.MULTILINE)[1:]]
    return shown, done


def differs(kind, answer, given):
    """None where what was printed is what the page says."""
    if kind == "json":
        wanted = parsed(answer)
        try:
            whole = json.loads(given)
        except ValueError:
            whole = json.loads(given.splitlines()[-1])  # after headers, or other lines
        return difference(wanted, whole)
    wanted, lines = answer.splitlines(), given.splitlines()
    same = len(wanted) == len(lines) and all(g.startswith(w[:-1]) if w.endswith("…") else g == w for w, g in zip(wanted, lines))
    return None if same else given
