"""Builds the native module and puts it into src/, for work on the sources.

    python tools/build_inplace.py [--debug] [--stub]

The module is written beside the old one and renamed over it, so a running Python is never disturbed.
`--stub` also writes src/gatewise/kernels/_native.pyi anew.
"""

import argparse
import os
import pathlib
import shutil
import subprocess
import sys
import sysconfig

ROOT = pathlib.Path(__file__).resolve().parent.parent
BUILD = ROOT / "build" / f"inplace-{sysconfig.get_config_var('SOABI')}"
PACKAGE = ROOT / "src" / "gatewise"


def build(debug: bool) -> pathlib.Path:
    """Runs CMake; returns the module's path in the build folder."""
    kind = "Debug" if debug else "Release"
    generator = ["-G", "Ninja"] if shutil.which("ninja") else []
    configure = ["cmake", "-S", ROOT, "-B", BUILD, *generator, f"-DCMAKE_BUILD_TYPE={kind}"]
    subprocess.run([*configure, f"-DPython_EXECUTABLE={sys.executable}"], check=True, stdout=subprocess.DEVNULL)
    subprocess.run(["cmake", "--build", BUILD, "--parallel", str(os.cpu_count())], check=True)
    return next(p for p in BUILD.glob("_native*") if p.suffix in {".so", ".pyd"})


def place(built: pathlib.Path, target: pathlib.Path) -> None:
    """Copies a file into place in one step."""
    beside = target.with_name(target.name + f".{os.getpid()}.new")
    shutil.copy2(built, beside)
    os.replace(beside, target)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--debug", action="store_true", help="without optimization")
    parser.add_argument("--stub", action="store_true", help="write the module's stub anew")
    options = parser.parse_args()
    os.environ["PATH"] = str(pathlib.Path(sys.executable).parent) + os.pathsep + os.environ.get("PATH", "")
    built = build(options.debug)
    place(built, PACKAGE / "kernels" / built.name)
    if options.stub:
        stub = PACKAGE / "kernels" / "_native.pyi"
        subprocess.run(
            [sys.executable, "-m", "nanobind.stubgen", "-q", "-m", "_native", "-i", BUILD, "-o", stub], check=True
        )
    for catalogue in (BUILD / "gatewise").rglob("*.mo"):
        place(catalogue, PACKAGE / catalogue.relative_to(BUILD / "gatewise"))
    print(f"built {built.name}")


if __name__ == "__main__":
    main()
