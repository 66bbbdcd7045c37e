"""The native module in its process: environment, forks, Python threads."""

import os
import subprocess
import sys
import threading

import numpy as np
import pytest
from problems import problem

from gatewise import kernels

SHOW = "from gatewise import kernels as k; print(k.instruction_set(), k.get_threads())"


def run(code, **environment):
    """Runs Python code in a process of its own."""
    variables = {name: value for name, value in os.environ.items() if not name.startswith("GATEWISE_")}
    command = [sys.executable, "-c", code]
    return subprocess.run(command, env=variables | environment, capture_output=True, text=True, timeout=60)


def test_the_environment_chooses_the_instruction_set():
    for name in kernels.supported_instruction_sets():
        assert run(SHOW, GATEWISE_ISA=name).stdout.split()[0] == name
    assert run(SHOW).stdout.split()[0] == kernels.supported_instruction_sets()[-1]
    refused = run(SHOW, GATEWISE_ISA="mmx")
    assert refused.returncode != 0
    assert "GATEWISE_ISA is 'mmx', but this machine runs: baseline" in refused.stderr


def test_the_environment_chooses_the_number_of_threads():
    assert run(SHOW, GATEWISE_THREADS="3").stdout.split()[1] == "3"
    default = int(run(SHOW).stdout.split()[1])
    assert 1 <= default <= (os.cpu_count() or 1)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
@pytest.mark.filterwarnings("ignore:This process:DeprecationWarning")
def test_a_forked_child_computes_the_same(threads):
    threads(2)
    p = problem(40, 10, 30, 64, "float32")
    expected = p.forward(kernels).h  # starts the pool
    child = os.fork()
    if child == 0:
        same = all(np.array_equal(p.forward(kernels).h, expected) for _ in range(3))
        os._exit(0 if same else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert np.array_equal(p.forward(kernels).h, expected)


def test_python_threads_at_once(threads):
    threads(2)
    problems = [problem(30, 8, 20, 40 + 8 * i, "float32") for i in range(4)]
    expected = [p.backward(kernels, p.forward(kernels)) for p in problems]
    wrong = []

    def work(i):
        for _ in range(20):
            results = problems[i].backward(kernels, problems[i].forward(kernels))
            if not all(np.array_equal(a, b) for a, b in zip(results, expected[i], strict=True)):
                wrong.append(i)

    workers = [threading.Thread(target=work, args=(i,)) for i in range(4)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert not wrong


@pytest.mark.skipif(not hasattr(os, "times"), reason="no process times here")
def test_idle_threads_sleep(threads):
    threads(2)
    p = problem(40, 10, 30, 64, "float32")
    p.forward(kernels)
    threading.Event().wait(0.05)
    before = os.times()
    threading.Event().wait(0.5)
    after = os.times()
    assert (after.user + after.system) - (before.user + before.system) < 0.1
