"""The examples of the pages run, each page from its beginning to its end."""

import pathlib

import pytest

DOCS = pathlib.Path(__file__).resolve().parent.parent / "docs"
PAGES = ["attributing.md", "data.md", "diagnosing.md", "drawing.md", "quantization.md", "speed.md", "tracing.md"]


@pytest.mark.parametrize("page", PAGES)
def test_the_examples_run(page, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    fenced = (DOCS / page).read_text(encoding="utf-8").split("```")[1::2]
    blocks = [block.split("\n", 1)[1] for block in fenced if block.startswith("python\n")]
    assert blocks
    names = {}
    for block in blocks:
        exec(compile(block, page, "exec"), names)
