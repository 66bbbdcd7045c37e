"""Bytes that installed packages take, alone and with all that they depend on.

Also a script for another environment: `python -m benchmarks.installed PACKAGE...` prints JSON.
"""

from __future__ import annotations

import importlib.metadata
import json
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
PEER_PACKAGES = (
    ("torch",),
    ("tensorflow",),
    ("jax",),
    ("onnxruntime",),
    ("openvino",),
    ("keras", "tensorflow"),
    ("keras", "jax"),
    ("keras", "torch"),
)


@dataclass(frozen=True)
class Size:
    """bytes_alone: of the named packages.   bytes_in_all: with everything that they require, each package once."""

    packages: str
    bytes_alone: int
    bytes_in_all: int
    count_in_all: int


@dataclass(frozen=True)
class SizeResult:
    """Ours first; wheel_bytes: of the wheel that was built."""

    wheel_bytes: int
    sizes: list[Size]
    missing: dict[str, str]

    def to_dict(self) -> dict[str, Any]:
        """As plain data for JSON; the inverse of `from_dict`."""
        return asdict(self)

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> SizeResult:
        """From what `to_dict` gave."""
        return cls(data["wheel_bytes"], [Size(**item) for item in data["sizes"]], dict(data["missing"]))


def measure_sizes(peer_python: str | None) -> SizeResult:
    """Build a wheel of the source tree and measure it in a throw-away environment; then the peers."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        source = folder / "source"
        shutil.copytree(ROOT, source, ignore=shutil.ignore_patterns("build", "dist", ".*", "*.so", "__pycache__"))
        pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--quiet"]
        _checked([*pip, "wheel", "--no-deps", "--wheel-dir", str(folder), str(source)])
        (wheel,) = folder.glob("*.whl")
        _checked([sys.executable, "-m", "venv", "--without-pip", str(folder / "venv")])
        python = str(next(path for path in (folder / "venv").glob("*/python*") if path.is_file()))
        _checked([*pip, "--python", python, "install", str(wheel)])
        ours = sizes_with(python, [("gatewise",)])
        wheel_bytes = wheel.stat().st_size
    peers = sizes_with(peer_python, PEER_PACKAGES) if peer_python else {"sizes": [], "missing": {}}
    sizes = [Size(**item) for item in ours["sizes"] + peers["sizes"]]
    return SizeResult(wheel_bytes, sizes, ours["missing"] | peers["missing"])


def sizes_with(python: str, groups: Sequence[Sequence[str]]) -> dict[str, Any]:
    """{"sizes": [...], "missing": {...}} for groups of packages in that Python's environment."""
    arguments = ["+".join(group) for group in groups]
    return json.loads(_checked([python, "-m", "benchmarks.installed", *arguments]))


def _checked(command: Sequence[str]) -> str:
    """What the command prints; RuntimeError with its complaint if it fails."""
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT)
    if done.returncode:
        raise RuntimeError(f"{' '.join(command)} failed:\n{done.stderr[-2000:]}")
    return done.stdout


def distribution(package: str) -> str:
    """The installed distribution that an importable package comes from: tensorflow -> tensorflow-cpu, for one."""
    found = importlib.metadata.packages_distributions().get(package, [])
    return (
        package if package in found or not found else min(found, key=lambda name: (not name.startswith(package), name))
    )


def package_bytes(name: str) -> int:
    """Bytes of the files that an installed package lists as its own, byte code included."""
    files = importlib.metadata.files(name) or []
    paths = {Path(str(file.locate())) for file in files}
    return sum(path.stat().st_size for path in paths if path.is_file())


def closure(names: Sequence[str]) -> set[str]:
    """The packages and all that they require and that are installed; without extras."""
    found: set[str] = set()
    waiting = [_normal(name) for name in names]
    while waiting:
        name = waiting.pop()
        if name in found:
            continue
        try:
            requirements = importlib.metadata.requires(name) or []
        except importlib.metadata.PackageNotFoundError:
            continue  # required on another platform or Python only
        found.add(name)
        waiting += [_normal(re.split(r"[^\w.-]", r, maxsplit=1)[0]) for r in requirements if "extra ==" not in r]
    return found


def _normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def main() -> None:
    """Print the sizes of the packages named on the command line; `a+b` is a group."""
    sizes: list[dict[str, Any]] = []
    missing: dict[str, str] = {}
    for group in sys.argv[1:]:
        names = [distribution(name) for name in group.split("+")]
        try:
            alone = sum(map(package_bytes, names))
        except importlib.metadata.PackageNotFoundError as error:
            missing[group] = f"not installed: {error.name}"
            continue
        everything = closure(names)
        sizes.append(asdict(Size(group, alone, sum(map(package_bytes, everything)), len(everything))))
    print(json.dumps({"sizes": sizes, "missing": missing}))


if __name__ == "__main__":
    main()
