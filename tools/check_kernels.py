"""Runs the kernels' tests under tools that see wrong memory accesses, undefined behaviour and data races.

    python tools/check_kernels.py address [--quick]    # address and undefined-behaviour sanitizers
    python tools/check_kernels.py thread               # thread sanitizer
    python tools/check_kernels.py valgrind             # memcheck, without AVX-512, which it does not know

Each builds the native module in build/check-..., puts it beside a copy of the Python sources there and runs the tests
against that copy. Linux with GCC; needs its sanitizers' libraries, or valgrind. Arguments after `--` go to pytest, in
place of the tests that are run otherwise. `--quick` is what CI runs: all kinds of kernels, not all sizes.
"""

import argparse
import os
import pathlib
import re
import shutil
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent
REPORTS = ROOT / "build" / "check-reports"  # files, for pytest keeps what is written to the terminal
SANITIZERS = {"address": "address,undefined", "thread": "thread", "valgrind": ""}

ALL = ["tests/kernels", "tests/test_chains.py", "tests/test_streaming_state.py", "tests/test_threads_of_models.py"]
QUICK = [
    "tests/kernels/test_fuzz.py",
    "tests/kernels/test_bad_input.py",
    "tests/kernels/test_sequence_order.py",
    "tests/kernels/test_stream.py",
    "tests/kernels/test_losses.py",
    "tests/kernels/test_whole_table.py",
]
# Valgrind runs everything one at a time and thirty times slower; races need threads, not sizes.
TESTS = {
    "address": ALL,
    "thread": [
        "tests/kernels/test_process.py",
        "tests/kernels/test_whole_table.py",
        "tests/test_threads_of_models.py",
        "tests/test_threads.py",
    ],
    "valgrind": [
        "tests/kernels/test_whole_table.py",
        "tests/kernels/test_sequence_order.py",
        "tests/kernels/test_stream.py",
    ],
}

OPTIONS = {
    # A size that no memory holds must be a MemoryError here too; Python itself never frees all it has.
    "ASAN_OPTIONS": f"detect_leaks=0:allocator_may_return_null=1:exitcode=99:log_path={REPORTS}/address",
    "UBSAN_OPTIONS": f"print_stacktrace=1:log_path={REPORTS}/undefined",
    # Python and NumPy are not built with the sanitizer: what only they touch is not judged.
    "TSAN_OPTIONS": "ignore_noninstrumented_modules=1:die_after_fork=0:exitcode=99:halt_on_error=1"
    f":log_path={REPORTS}/thread",
    "PYTHONMALLOC": "malloc",  # Python's own small blocks would hide what lies beside them
}


def build(kind: str, jobs: int) -> pathlib.Path:
    """Builds the module; returns the folder to import gatewise from."""
    folder = ROOT / "build" / f"check-{kind}"
    generator = ["-G", "Ninja"] if shutil.which("ninja") else []
    debug = f"-DCMAKE_CXX_FLAGS_DEBUG={'-g1' if kind == 'valgrind' else ''}"
    configure = ["cmake", "-S", ROOT, "-B", folder, *generator, "-DCMAKE_BUILD_TYPE=Debug", debug]
    chosen = f"-DGATEWISE_SANITIZE={SANITIZERS[kind]}"
    subprocess.run([*configure, chosen, f"-DPython_EXECUTABLE={sys.executable}"], check=True, stdout=subprocess.DEVNULL)
    subprocess.run(["cmake", "--build", folder, "--target", "_native", "--parallel", str(jobs)], check=True)
    package = folder / "package" / "gatewise"
    shutil.rmtree(package, ignore_errors=True)
    shutil.copytree(ROOT / "src" / "gatewise", package, ignore=shutil.ignore_patterns("*.so", "__pycache__"))
    shutil.copy2(next(folder.glob("_native*.so")), package / "kernels")
    return package.parent


def library(name: str) -> str:
    """Where GCC keeps a library that has to be loaded before Python."""
    asked = subprocess.run(["g++", f"-print-file-name={name}"], check=True, capture_output=True, text=True)
    found = asked.stdout.strip()
    if not os.path.isabs(found):
        sys.exit(f"check_kernels: GCC has no {name} here (Debian: apt install libgcc-12-dev, or of your GCC's version)")
    return os.path.realpath(found)


def environment(kind: str, package: pathlib.Path) -> dict[str, str]:
    """What the tests run in."""
    paths = [str(package), *filter(None, [os.environ.get("PYTHONPATH")])]
    settings = {**os.environ, **OPTIONS, "PYTHONPATH": os.pathsep.join(paths), "PYTHONDONTWRITEBYTECODE": "1"}
    if kind != "valgrind":  # the C++ library before the module's exceptions are first thrown
        first = {"address": "libasan.so", "thread": "libtsan.so"}[kind]
        settings["LD_PRELOAD"] = f"{library(first)} {library('libstdc++.so.6')}"
    return settings


def command(kind: str, tests: list[str]) -> list[str]:
    """The tests' command line."""
    python = [sys.executable, "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider", *tests]
    if kind != "valgrind":
        return python
    if shutil.which("valgrind") is None:
        sys.exit("check_kernels: there is no valgrind here (Debian: apt install valgrind)")
    return ["valgrind", f"--log-file={REPORTS}/%p.log", "--num-callers=40", *python]


def reported(kind: str) -> list[str]:
    """What was found; of memcheck's messages those with a frame of the module, for Python has some of its own."""
    if kind != "valgrind":
        return [log.read_text() for log in sorted(REPORTS.iterdir())]
    messages = [text for log in REPORTS.glob("*.log") for text in re.split(r"(?m)^==\d+== *\n", log.read_text())]
    return [text for text in messages if re.search(r"_native|gatewise::|nanobind::", text) and " at 0x" in text]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("kind", choices=SANITIZERS)
    parser.add_argument("--quick", action="store_true", help="what CI runs")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1, help="compilers at a time")
    parser.add_argument("tests", nargs="*", help="for pytest")
    options = parser.parse_args()
    os.environ["PATH"] = str(pathlib.Path(sys.executable).parent) + os.pathsep + os.environ.get("PATH", "")
    package = build(options.kind, options.jobs)
    tests = options.tests or (QUICK if options.quick else TESTS[options.kind])
    shutil.rmtree(REPORTS, ignore_errors=True)
    REPORTS.mkdir(parents=True)
    ran = subprocess.run(command(options.kind, tests), cwd=ROOT, env=environment(options.kind, package))
    errors = reported(options.kind)
    print(*errors, sep="\n")
    sys.exit(ran.returncode or (99 if errors else 0))


if __name__ == "__main__":
    main()
