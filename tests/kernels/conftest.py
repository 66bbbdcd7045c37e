"""Problems that the kernel tests share, and the switch of instruction sets."""

import pathlib
import sys

import pytest

from gatewise.kernels import _native

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))


@pytest.fixture(params=_native.supported_instruction_sets())
def instruction_set(request):
    """Runs the test once on every instruction set of this machine."""
    before = _native.instruction_set()
    _native.use_instruction_set(request.param)
    yield request.param
    _native.use_instruction_set(before)


@pytest.fixture
def threads():
    """`set_threads`, with the number restored afterwards."""
    before = _native.get_threads()
    yield _native.set_threads
    _native.set_threads(before)
