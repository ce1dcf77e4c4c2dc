"""How the engine is deployed: what can be checked of the image, the service and the package without installing them.
tests/fresh/package.sh and image.py run the real thing."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from conftest import Workbench
from harness.engine import BINARY, Engine, blackhole_sink, pipeline, postgres_source
from harness.procs import REPO, free_port, wait_until

sys.path.insert(0, str(REPO / "tests/fresh"))
import dockerfile  # noqa: E402

UNIT = REPO / "deploy/systemd/deltaforge.service"
DRAIN = 25 + 2  # --shutdown-timeout, and what a process that hangs gets beyond it


def run(*argv: str | Path, **more: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run([str(each) for each in argv], capture_output=True, text=True, timeout=120,
                          stdin=subprocess.DEVNULL, **more)  # type: ignore[call-overload,no-any-return]


def needed_packages() -> set[str]:
    """Those of the libraries that the program names itself."""
    names = re.findall(r"\(NEEDED\).*\[(.*)\]", run("readelf", "-d", BINARY).stdout)
    assert names
    found = set()
    for name in names:
        owners = [owner for folder in ("/usr/lib", "/lib")
                  if (owner := run("dpkg", "-S", f"{folder}/x86_64-linux-gnu/{name}").stdout.partition(":")[0])]
        assert owners, f"no package has {name}"
        found.add(owners[0])
    return found


def test_health(bench: Workbench) -> None:
    def health(engine: Engine) -> subprocess.CompletedProcess[str]:
        return run(BINARY, "health", "--api-addr", f"127.0.0.1:{engine.api}")
    empty = bench.keep(Engine(bench.home / "engine", []))
    assert health(empty).returncode == 1 and "is it running" in health(empty).stderr
    nowhere = f"postgresql://u@127.0.0.1:{free_port()}/d"
    empty.configure([pipeline(postgres_source(nowhere, name="away"), [blackhole_sink()], name="away")])
    empty.start(ready=False)
    wait_until(lambda: health(empty).returncode == 0, 20, "a degraded pipeline to be healthy: it goes on by itself")
    empty.kill()
    empty.config.write_text(empty.config.read_text() + "---\nmetadata: {name: broken, tenant: t}\n")
    empty.start(ready=False)
    wait_until(lambda: "broken" in health(empty).stdout, 20, "the broken pipeline to be named")
    assert health(empty).returncode == 1


def test_dockerfile() -> None:
    stages = dockerfile.read(REPO / "deploy/docker/Dockerfile")
    assert [stage.base for stage in stages] == ["debian:12", "debian:12-slim"]
    final = stages[-1]
    assert re.fullmatch(r"[1-9]\d*:[1-9]\d*", final.facts["USER"]), "a number, not root"
    assert final.argv("HEALTHCHECK") == ["/usr/bin/deltaforge", "health"]
    entry = final.argv("ENTRYPOINT")
    flags = dict(zip(entry[1::2], entry[2::2], strict=True))
    ports = [flags[flag].removeprefix("0.0.0.0:") for flag in ("--api-addr", "--metrics-addr")]
    assert ports == final.facts["EXPOSE"].split()
    assert Path(flags["--storage-path"]).parent == Path(final.facts["VOLUME"])
    assert int(flags["--shutdown-timeout"].removesuffix("s")) + 2 < 10, "what `docker stop` waits"
    for arguments in (["version"], ["validate", str(REPO / "examples/postgres-to-file.yaml")]):
        done = run(BINARY, *entry[1:], *arguments, env={"POSTGRES_DSN": "postgresql://h/d"})
        assert done.returncode == 0, done.stderr
    assert run(BINARY, *entry[1:], "--api-addr", "127.0.0.1:1", "version").returncode == 0, "flags can be overridden"


def test_the_image_has_the_libraries() -> None:
    final = dockerfile.read(REPO / "deploy/docker/Dockerfile")[-1]
    install = next(rest for step, rest in final.steps if step == "RUN")
    listed = set(re.search(r"--no-install-recommends (.*?) &&", install)[1].split())  # type: ignore[index]
    everywhere = {"libc6", "libgcc-s1"}
    assert listed - {"ca-certificates"} == needed_packages() - everywhere


def test_the_unit_is_hardened(tmp_path: Path) -> None:
    text = UNIT.read_text()
    unit = tmp_path / UNIT.name
    unit.write_text(text.replace("/usr/bin/deltaforge", str(BINARY)).replace("man:deltaforge(1) ", ""))
    done = run("systemd-analyze", "verify", "--recursive-errors=no", unit)
    assert done.returncode == 0 and UNIT.name not in done.stderr, done.stderr
    done = run("systemd-analyze", "security", "--no-pager", "--offline=true", "--threshold=15", unit)
    assert done.returncode == 0, done.stdout[-600:]
    facts = dict(re.findall(r"^(\w+)=(.*)$", text, re.M))
    assert int(facts["TimeoutStopSec"]) > DRAIN
    assert facts["RestartPreventExitStatus"] == "1 2 3" and facts["Restart"] == "on-failure"
    command = facts["ExecStart"].replace("$DELTAFORGE_OPTIONS", "--help").split()
    assert run(BINARY, *command[1:]).returncode == 0


@pytest.fixture
def package(tmp_path: Path) -> Path:
    done = run("cpack", "--config", BINARY.parent / "CPackConfig.cmake", "-B", tmp_path, cwd=BINARY.parent)
    assert done.returncode == 0, done.stdout + done.stderr
    return next(tmp_path.glob("deltaforge_*_amd64.deb"))


def test_the_package(package: Path, tmp_path: Path) -> None:
    depends = {each.split()[0] for each in run("dpkg-deb", "-f", package, "Depends").stdout.split(",")}
    assert needed_packages() <= depends, "read off the program"
    assert not any("rdkafka" in each for each in depends), "linked in: Debian's own is too old"
    assert run("dpkg-deb", "-e", package, tmp_path / "control").returncode == 0
    assert (tmp_path / "control/conffiles").read_text().split() == ["/etc/deltaforge/environment", "/etc/deltaforge/example.yaml"]
    for script in ("postinst", "prerm", "postrm"):
        assert (tmp_path / "control" / script).stat().st_mode & 0o777 == 0o755
        assert run("sh", "-n", tmp_path / "control" / script).returncode == 0
    tree = tmp_path / "tree"
    assert run("dpkg-deb", "-x", package, tree).returncode == 0
    assert (tree / "etc/deltaforge/environment").stat().st_mode & 0o777 == 0o600, "it holds secrets"
    assert (tree / "usr/lib/systemd/system/deltaforge.service").read_text() == UNIT.read_text()
    version = run(tree / "usr/bin/deltaforge", "version").stdout.split()[1]
    assert run("dpkg-deb", "-f", package, "Version").stdout.strip() == version
    done = run(tree / "usr/bin/deltaforge", "validate", tree / "etc/deltaforge/example.yaml",
               env={"POSTGRES_DSN": "postgresql://h/d"})
    assert done.returncode == 0, done.stderr


def test_the_manual_has_every_flag() -> None:
    manual = (REPO / "deploy/debian/deltaforge.1").read_text().replace("\\-", "-")
    flags = set(re.findall(r"--[a-z-]+[a-z]", run(BINARY, "--help").stdout))
    assert len(flags) > 10
    assert not {flag for flag in flags if flag not in manual}
    assert set(re.findall(r"--[a-z-]+[a-z]", manual)) <= flags


def test_shell_scripts_are_well_formed() -> None:
    for script in (REPO / "tests/fresh").glob("*.sh"):
        assert run("bash", "-n", script).returncode == 0, script
    assert shutil.which("systemd-analyze"), "./dev setup installs it"
