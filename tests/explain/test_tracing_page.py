"""What docs/tracing.md shows is so: its examples run."""

import pathlib
import re

import pytest

from gatewise import config

PAGE = pathlib.Path(__file__).resolve().parents[2] / "docs/tracing.md"


def test_the_examples_run(tmp_path, monkeypatch):
    for module in ("xarray", "h5netcdf", "pandas"):
        pytest.importorskip(module)
    monkeypatch.chdir(tmp_path)
    config.reset_names()
    examples = re.findall(r"```python\n(.*?)```", PAGE.read_text(encoding="utf-8"), flags=re.DOTALL)
    assert len(examples) == 4
    names = {}
    for example in examples:
        exec(compile(example, "docs/tracing.md", "exec"), names)
    assert {path.name for path in tmp_path.iterdir()} == {"trace.npz", "long.nc"}
