"""What the README shows is so: its example runs, its ledger is the program's, its links and folders exist."""

import ast
import pathlib
import re
import subprocess
import sys

import gatewise

ROOT = pathlib.Path(__file__).resolve().parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")


def blocks(language):
    """The fenced blocks of a language: of the parts between fences, every second one."""
    fenced = README.split("```")[1::2]
    return [block.split("\n", 1)[1] for block in fenced if block.split("\n", 1)[0] == language]


def test_the_example_runs(tmp_path):
    (code,) = blocks("python")
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=tmp_path, timeout=60)
    assert run.returncode == 0, run.stderr
    assert "651" in run.stdout and "Epoch 3/3" in run.stdout
    assert (tmp_path / "model.keras").exists()


def test_the_ledger_is_what_the_command_prints():
    command = [sys.executable, "-m", "gatewise", "explain", "--units", "10", "--features", "5", "--steps", "13"]
    told = subprocess.run([*command, "--lang", "en"], capture_output=True, text=True, encoding="utf-8", timeout=60)
    printed = {line.rstrip() for line in told.stdout.splitlines()}
    (ledger,) = (block for block in blocks("") if "Gate by gate" in block)
    assert {line.rstrip() for line in ledger.splitlines()} <= printed


def test_links_and_folders_exist():
    for page in [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *(ROOT / "docs").rglob("*.md")]:
        for target in re.findall(r"\]\(([^)#:]+)\)", page.read_text(encoding="utf-8")):
            assert (page.parent / target).exists(), f"{page.name} links to {target}"


def test_the_list_for_type_checkers_is_the_list_of_public_names():
    tree = ast.parse(pathlib.Path(gatewise.__file__).read_text(encoding="utf-8"))
    (checked,) = (node for node in tree.body if isinstance(node, ast.If))
    named = {alias.name for node in checked.body if isinstance(node, ast.ImportFrom) for alias in node.names}
    assert named | {"__version__"} == set(gatewise.__all__)
    assert all(hasattr(gatewise, name) for name in gatewise.__all__)
