#!/usr/bin/env python3
"""The image without Docker: the Dockerfile's steps in freshly made Debian 12 systems, then its entry point there, as
process 1 and as its user, with a network of its own.

    image.py            every stage; the build uses this machine's ccache
    image.py --binary   the last stage alone, around the release binary of this repository

What this cannot show: layers and their caching, the base images themselves (debootstrap's minbase stands for both),
VOLUME, the timing of HEALTHCHECK, other machine types.
"""

from __future__ import annotations

import argparse
import fnmatch
import os
import re
import shutil
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import dockerfile

HERE = Path(__file__).resolve().parent
REPO = HERE.parents[1]
CACHE = Path(os.environ.get("DF_CACHE", Path.home() / ".cache/deltaforge")) / "fresh"
TOKEN = "0123456789abcdef0123"
ENVIRONMENT = {"HOME": "/root", "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"}


def say(text: str) -> None:
    print(f"image: {text}", flush=True)


def library(function: str, *arguments: str) -> None:
    """One of chroot.sh."""
    subprocess.run(["bash", "-euc", f'source "$0/chroot.sh"; {function} "$@"', str(HERE), *arguments], check=True,
                   timeout=1200)


def ignored(patterns: list[str]) -> Callable[[str, list[str]], set[str]]:
    def choose(folder: str, names: list[str]) -> set[str]:
        below = Path(folder).relative_to(REPO)
        paths = {name: (below / name).as_posix() for name in names}
        return {name for name, path in paths.items() for pattern in patterns
                if fnmatch.fnmatch("/" + path, "*/" + pattern[3:] if pattern.startswith("**/") else "/" + pattern)}
    return choose


class Root:
    def __init__(self, name: str) -> None:
        self.path = CACHE / f"image-{name}"
        self.directory = "/"
        library("fresh_root", str(self.path))

    def close(self) -> None:
        library("close_root", str(self.path))

    def at(self, path: str) -> Path:
        return self.path / os.path.join(self.directory, path).lstrip("/")

    def run(self, command: str, seconds: int = 3600) -> str:
        log = self.path.with_name(self.path.name + ".log")
        with open(log, "a") as out:
            done = subprocess.run(["chroot", str(self.path), "/bin/sh", "-c", f"cd {self.directory} && {command}"],
                                  stdin=subprocess.DEVNULL, stdout=out, stderr=out, timeout=seconds, env=ENVIRONMENT)
        if done.returncode != 0:
            raise SystemExit(f"image: RUN {command}: exit {done.returncode}\n" + "\n".join(log.read_text().splitlines()[-15:]))
        return log.read_text()

    def copy(self, source: Path, target: str) -> None:
        to = self.at(target)
        to.parent.mkdir(parents=True, exist_ok=True)
        if source.is_dir():
            patterns = (REPO / "deploy/docker/Dockerfile.dockerignore").read_text().split()
            shutil.copytree(source, to, dirs_exist_ok=True, symlinks=True, ignore=ignored(patterns))
        else:
            shutil.copy(source, to)
            os.chown(to, 0, 0)


def build(stages: list[dockerfile.Stage], binary: Path | None, roots: dict[str, Root]) -> Root:
    """The root of the last stage."""
    for number, stage in enumerate(stages):
        name = stage.name or "final"
        if binary is not None and number < len(stages) - 1:
            continue
        assert re.fullmatch(r"debian:12(-slim)?", stage.base), stage.base
        say(f"stage {name}: FROM {stage.base}")
        root = roots[name] = Root(name)
        if name == "build" and (ccache := Path.home() / ".cache/ccache").is_dir():
            (root.path / "root/.cache/ccache").mkdir(parents=True)
            subprocess.run(["mount", "--bind", ccache, root.path / "root/.cache/ccache"], check=True)
        for instruction, rest in stage.steps:
            started = time.monotonic()
            words = rest.split()
            if instruction == "WORKDIR":
                root.directory = rest
                root.at(".").mkdir(parents=True, exist_ok=True)
            elif instruction == "COPY" and words[0].startswith("--from="):
                made = roots.get(words[0].removeprefix("--from="))
                root.copy(binary if made is None and binary else made.at(words[1]) if made else Path(), words[2])
            elif instruction == "COPY":
                root.copy(REPO / words[0], words[1])
            else:
                root.run(rest)
            say(f"  {instruction} {rest[:70]} ({time.monotonic() - started:.0f} s)")
    return root


class Container:
    """The image's entry point: process 1 of its own namespaces, the image's user, the image's files read-only apart from
    its volume."""

    def __init__(self, root: Root, stage: dockerfile.Stage, command: list[str], log: Path, **env: str) -> None:
        self.root, self.user, self.log = root, stage.facts["USER"], log
        inner = ["chroot", f"--userspec={self.user}", str(root.path), "/usr/bin/env", "-i",
                 f"--chdir={root.directory}", *(f"{k}={v}" for k, v in {**ENVIRONMENT, **env}.items()),
                 *stage.argv("ENTRYPOINT"), *command]
        state = root.at(stage.facts["VOLUME"])
        prepare = (f'mount --make-rprivate /; mount --rbind "{root.path}" "{root.path}"; mount -t proc proc "{root.path}/proc"; '
                   f'mount --bind "{state}" "{state}"; mount -o remount,bind,ro "{root.path}"; ip link set lo up; exec "$@"')
        with open(log, "w") as out:
            self.popen = subprocess.Popen(["unshare", "--fork", "--mount", "--pid", "--net", "--ipc", "--uts", "--kill-child", "bash",
                                           "-ec", prepare, "_", *inner], stdout=out, stderr=out, stdin=subprocess.DEVNULL)

        soon("its process", lambda: bool(self._children()) or self.popen.poll() is not None)

    def _children(self) -> list[str]:
        try:
            return Path(f"/proc/{self.popen.pid}/task/{self.popen.pid}/children").read_text().split()
        except OSError:
            return []  # it has ended

    @property
    def pid(self) -> int:
        """Of its process 1, as seen from here."""
        return int(self._children()[0])

    def within(self, *argv: str, inside: bool = True) -> subprocess.CompletedProcess[str]:
        """A command in its network: of the image and as its user, or one of this machine."""
        enter = ["nsenter", "-t", str(self.pid), "-n"]
        if inside:
            enter += ["chroot", f"--userspec={self.user}", str(self.root.path)]
        return subprocess.run([*enter, *argv], capture_output=True, text=True, timeout=30, env=ENVIRONMENT)

    def status(self, path: str, token: str = "") -> str:
        return self.within("curl", "-s", "-o", "/dev/null", "-w", "%{http_code}", "-H", f"Authorization: Bearer {token}",
                           f"http://127.0.0.1:8080{path}", inside=False).stdout

    def stop(self, number: signal.Signals, seconds: float) -> int:
        os.kill(self.pid, number)
        return self.popen.wait(seconds)


def expect(what: str, expected: object, found: object) -> None:
    if expected != found:
        raise SystemExit(f"image: FAILED: {what}: expected {expected!r}, found {found!r}")


def soon(what: str, probe: Callable[[], bool], seconds: float = 20) -> None:
    end = time.monotonic() + seconds
    while not probe():
        if time.monotonic() > end:
            raise SystemExit(f"image: FAILED: waited in vain: {what}")
        time.sleep(0.2)


def try_out(root: Root, stage: dockerfile.Stage) -> None:
    missing = [line for line in root.run("ldd /usr/bin/deltaforge").splitlines() if "not found" in line]
    expect("libraries", [], missing)
    for tool in ("curl", "gcc", "cmake", "git"):
        expect(f"{tool} in the image", False, (root.path / "usr/bin" / tool).exists())
    log = root.path.with_name("image-engine.log")
    for arguments in (["version"], ["--help"]):
        expect(f"exit code of {arguments}", 0, Container(root, stage, arguments, log).popen.wait(20))

    say("its entry point as process 1")
    engine = Container(root, stage, stage.argv("CMD"), log, DELTAFORGE_API_TOKEN=TOKEN)
    try:
        probe = stage.argv("HEALTHCHECK")
        soon(f"health; {log}", lambda: engine.popen.poll() is None and engine.within(*probe).returncode == 0)
        status = Path(f"/proc/{engine.pid}/status").read_text()
        expect("its number", "1", (re.search(r"NSpid:.*\t(\d+)", status) or [""])[1])
        expect("its user", stage.facts["USER"].split(":")[0], (re.search(r"Uid:\t(\d+)", status) or [""])[1])
        listeners = re.findall(r"^ *\d+: (\w+):(\w+) \w+:0000 0A", Path(f"/proc/{engine.pid}/net/tcp").read_text(), re.M)
        expect("listeners", {("00000000", int(port)) for port in stage.facts["EXPOSE"].split()},
               {(address, int(port, 16)) for address, port in listeners})
        expect("without the token", "401", engine.status("/pipelines"))
        expect("with the token", "200", engine.status("/pipelines", TOKEN))
        state = root.path / stage.facts["VOLUME"].lstrip("/")
        expect("state", (0o700, 10001), (state.stat().st_mode & 0o777, state.stat().st_uid))
        expect("database in the volume", True, (state / "deltaforge.db").is_file())
        expect("written elsewhere", [], [str(each) for folder in ("etc", "usr", "var", "root", "opt")
                                         for each in (root.path / folder).rglob("*")
                                         if not each.is_symlink() and each.lstat().st_uid == 10001 and state not in (each, *each.parents)])
        started = time.monotonic()
        expect("exit code of its stop signal", 0, engine.stop(signal.Signals[stage.facts["STOPSIGNAL"]], 10))
        say(f"stopped in {time.monotonic() - started:.1f} s")
    finally:
        engine.popen.kill()

    say("without a token")
    engine = Container(root, stage, ["--metrics-addr", "127.0.0.1:9000"], log)
    try:
        soon(f"health; {log}", lambda: engine.popen.poll() is None and engine.within(*probe).returncode == 0)
        expect("a route", "401", engine.status("/pipelines"))
        expect("a probe", "200", engine.status("/ready"))
        expect("a flag that was given again", True, '"metrics":"127.0.0.1:9000"' in log.read_text())
        expect("exit code", 0, engine.stop(signal.SIGTERM, 10))
    finally:
        engine.popen.kill()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--binary", action="store_true")
    binary = REPO / "build/release/deltaforge" if parser.parse_args().binary else None
    stages = dockerfile.read(REPO / "deploy/docker/Dockerfile")
    roots: dict[str, Root] = {}
    try:
        try_out(build(stages, binary, roots), stages[-1])
    finally:
        for each in roots.values():
            each.close()
    say("ok")


if __name__ == "__main__":
    main()
