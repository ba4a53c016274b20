"""examples/remote_client and the code of docs/client.md, with a server: remote_client.py SHOP_SERVER REMOTE_CLIENT CLIENT_GUIDE"""
import re
import signal
import subprocess
import sys
import tempfile

LIMIT = 120


def main(server_program, client_program, guide_program):
    with tempfile.TemporaryDirectory() as folder:
        server = subprocess.Popen([server_program, "server", "--data", folder + "/data", "--listen", "127.0.0.1:0"],
                                  stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True)
        try:
            address = next(found.group(1) for line in server.stdout if (found := re.search(r"reach it at (\S+) \(gRPC\)", line)))
            done = subprocess.run([client_program, address], capture_output=True, text=True, timeout=LIMIT)
            expected = "[book][lamp][tea] for Ada, approved by alice\n1000 orders were started together\n"
            if done.returncode != 0 or done.stdout != expected:
                raise SystemExit(f"{done.returncode}: {done.stdout}{done.stderr}")
            done = subprocess.run([guide_program, address], capture_output=True, text=True, timeout=LIMIT)
            lines = done.stdout.splitlines()
            if done.returncode != 0 or lines[:2] != ["[cup][tea] for Bob, approved by alice", "2"] or "WorkflowExecutionCompleted" not in lines[-1]:
                raise SystemExit(f"{done.returncode}: {done.stdout}{done.stderr}")
        finally:
            server.send_signal(signal.SIGTERM)
            server.wait(LIMIT)
            server.stdout.close()
    nobody = subprocess.run([client_program, "127.0.0.1:1"], capture_output=True, text=True, timeout=LIMIT)
    if nobody.returncode != 2 or "nothing answers" not in nobody.stderr:
        raise SystemExit(f"without a server: {nobody.returncode}: {nobody.stderr}")


if __name__ == "__main__":
    main(*sys.argv[1:])
