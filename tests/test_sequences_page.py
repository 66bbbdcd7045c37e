"""What docs/sequences.md shows is so: its examples run, and the names in its tables exist."""

import pathlib
import re

import gatewise
from gatewise.data import Dataset, Part, Windows

PAGE = (pathlib.Path(__file__).resolve().parent.parent / "docs/sequences.md").read_text(encoding="utf-8")


def test_the_examples_run(capsys):
    names = {}
    for code in re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL):
        exec(compile(code, "docs/sequences.md", "exec"), names)
    printed = capsys.readouterr().out
    assert "(32, 10) 10.0" in printed and "by the 1400 training rows alone" in printed
    assert re.search(r"\d\.\d\d, and \d\.\d\d for the last value known", printed)


def test_the_names_exist():
    for name in re.findall(r"`((?:utils|preprocessing)\.[\w.]+)`", PAGE):
        found = gatewise
        for part in name.split("."):
            found = getattr(found, part)
    known = {*dir(Part), "count"}
    for owner, name in re.findall(r"`(part|w)\.(\w+)", PAGE):
        assert name in (known if owner == "part" else {*dir(Windows), "train", "validation", "test", "scaler"}), name
    chained = PAGE.split("with its first order.")[1].split("do what they do")[0]
    for name in re.findall(r"`(\w+)`", chained):
        assert hasattr(Dataset, name) or name == "len", name
