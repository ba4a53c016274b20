"""A real Docker engine of a test's own, with images that are made without a registry."""
import fcntl
import os
import shutil
import subprocess
import tempfile
import time

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
DOCKER_SCRIPT = os.path.join(ROOT, "scripts", "services", "docker.sh")
CANNOT_START = 77
DEBIAN = "debian:bookworm-slim"  # as the Dockerfile calls it
CACHE = os.path.join(os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache"), "evermill")


class Missing(Exception):
    """It can't be had here; says why."""


def docker_client():
    """Debian's, which has BuildKit in itself; others need a plugin for it."""
    return "/usr/bin/docker" if os.path.exists("/usr/bin/docker") else shutil.which("docker")


def run(command, limit=600, **options):
    """What it said; all of it is in the error where it fails."""
    done = subprocess.run(command, capture_output=True, text=True, stdin=subprocess.DEVNULL, timeout=limit, check=False,
                          **options)
    if done.returncode != 0:
        raise RuntimeError(f"{' '.join(command)} ended with {done.returncode}:\n{done.stdout}{done.stderr}")
    return done.stdout


def debian_archive():
    """A bare Debian 12, made once."""
    os.makedirs(CACHE, exist_ok=True)
    archive = os.path.join(CACHE, "debian-bookworm.tar")
    with open(archive + ".lock", "w", encoding="utf-8") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not os.path.exists(archive):
            if shutil.which("mmdebstrap") is None:
                raise Missing("mmdebstrap is not installed: scripts/install-dependencies.sh test")
            run([os.path.join(ROOT, "scripts", "make-bare-root.sh"), archive + ".new.tar"])
            os.rename(archive + ".new.tar", archive)
    return archive


class Engine:
    """Ended by `stop`, and then nothing of it is left."""

    def __init__(self):
        self.folder = tempfile.mkdtemp(prefix="evermill-docker-")

    def start(self, *arguments):
        command = [DOCKER_SCRIPT, "start", self.folder, "--until", str(os.getpid()), *arguments]
        done = subprocess.run(command, capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL)
        if done.returncode == CANNOT_START:
            raise Missing(done.stderr.strip())
        if done.returncode != 0:
            raise RuntimeError(done.stderr)

    def stop(self, *arguments):
        run([DOCKER_SCRIPT, "stop", self.folder, *arguments])

    def inside(self, *command):
        """A command that reaches the engine and the ports that it publishes."""
        return [DOCKER_SCRIPT, "run", self.folder, *command]

    def docker(self, *arguments, **options):
        return run(self.inside(docker_client(), *arguments), **options)

    def build_images(self, program, in_full=False):
        """`evermill` by the repository's Dockerfile. Its program is the given one where it is not to be built `in_full`."""
        begun = time.monotonic()
        archive = debian_archive()
        self.start("--host-network")
        try:
            self.docker("import", archive, DEBIAN)
            chosen = [] if in_full else ["--build-arg", "BUILT=" + self.import_built(program)]
            self.docker("build", "--network", "host", *chosen, "--tag", "evermill", ROOT, limit=5400,
                        env=dict(os.environ, DOCKER_BUILDKIT="1"))
        finally:
            self.stop()
        print(f"images made in {time.monotonic() - begun:.1f} s", flush=True)

    def import_built(self, program):
        """An image with what the Dockerfile's first stage leaves."""
        out = os.path.join(self.folder, "built", "out")
        os.makedirs(out)
        run(["install", "--strip", program, os.path.join(out, "evermill")])
        packages = run([os.path.join(ROOT, "scripts", "runtime-packages.sh"), program])
        with open(os.path.join(out, "packages"), "w", encoding="utf-8") as file:
            file.write(packages)
        tar = os.path.join(self.folder, "built.tar")
        run(["tar", "-C", os.path.dirname(out), "-cf", tar, "out"])
        self.docker("import", tar, "evermill-built")
        return "evermill-built"

    def what_is_left(self):
        """Of an engine that was stopped with --remove: nothing."""
        left = [self.folder] if os.path.exists(self.folder) else []
        with open("/proc/mounts", encoding="utf-8") as mounts:
            left += [line.strip() for line in mounts if self.folder in line]
        for pid in filter(str.isdigit, os.listdir("/proc")):
            try:
                with open(f"/proc/{pid}/cmdline", "rb") as file:
                    if self.folder.encode() in file.read():
                        left.append(f"process {pid}")
            except OSError:  # it has ended meanwhile
                pass
        return left
