"""The checked-in stub of the native module is the one nanobind writes."""

import pathlib
import subprocess
import sys

import pytest

from gatewise.kernels import _native

pytest.importorskip("nanobind")


def test_the_stub_is_current(tmp_path):
    module = pathlib.Path(_native.__file__)
    written = tmp_path / "_native.pyi"
    command = [sys.executable, "-m", "nanobind.stubgen", "-q", "-m", "_native", "-i", module.parent, "-o", written]
    subprocess.run(command, check=True)
    stub = module.with_name("_native.pyi")
    assert written.read_text() == stub.read_text(), "run: python tools/build_inplace.py --stub"
