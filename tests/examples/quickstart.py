"""docs/quickstart.md, as a newcomer would follow it: quickstart.py EVERMILL

Where grpcurl is not installed, tests/support/grpcurl.py stands in for it.
"""
import os
import re
import shutil
import socket
import subprocess
import sys
import tempfile

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path.insert(0, os.path.join(ROOT, "tests", "support"))
import guide  # noqa: E402

LIMIT = 240


def free_ports(count):
    taken = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [each.getsockname()[1] for each in taken]
    for each in taken:
        each.close()
    return ports


def main(evermill):
    page = guide.read(os.path.join(ROOT, "docs", "quickstart.md"))
    requests = guide.blocks(page)
    assert len(requests) > 8, "the page has lost its requests"
    assert not re.search(r"^```(?!sh$|json$|text$|$)", page, re.MULTILINE), "a block that is not run"
    grpc, http = free_ports(2)
    with tempfile.TemporaryDirectory() as folder:
        path = os.pathsep.join([os.path.dirname(evermill), os.environ["PATH"], folder])
        if shutil.which("grpcurl") is None:
            os.symlink(os.path.join(ROOT, "tests", "support", "grpcurl.py"), os.path.join(folder, "grpcurl"))
        environment = {name: value for name, value in os.environ.items() if not name.startswith("EVERMILL_")}
        environment.update(PATH=path, HOME=folder, XDG_RUNTIME_DIR=folder)
        environment.pop("XDG_CONFIG_HOME", None)
        # Whatever becomes of it, its servers end with the shell.
        ended = ("trap 'kill -9 $(jobs -p) 2> /dev/null' EXIT\n" + requests[0][0], *requests[0][1:])
        shown, done = guide.run([ended, *requests[1:]], {":7466": f":{grpc}", ":7467": f":{http}"}, LIMIT, cwd=folder, env=environment)
        if done.returncode != 0 or len(shown) != len(requests):
            raise SystemExit(f"{done.returncode}\n{done.stdout}\n{done.stderr}")
    wrong = [f"{request}\nprinted, not as the page says:\n{given}" for (request, kind, wanted), given in zip(requests, shown)
             if (guide.differs(kind, wanted, given) if kind else given)]
    if wrong:
        raise SystemExit("\n\n".join(wrong))


if __name__ == "__main__":
    main(*sys.argv[1:])
