"""Running gatewise as a process, as a user does."""

import os
import subprocess
import sys


def gatewise(*arguments, cwd=None, seconds=60, stdin="", **environment):
    """Run `python -m gatewise` with these arguments; returns the finished process, its output as text."""
    unwanted = ("LANG", "LANGUAGE", "LC_ALL", "LC_MESSAGES")
    env = {name: value for name, value in os.environ.items() if name not in unwanted}
    env |= {"PYTHONIOENCODING": "utf-8", **environment}
    command = [sys.executable, "-m", "gatewise", *map(str, arguments)]
    return subprocess.run(
        command, capture_output=True, text=True, encoding="utf-8", timeout=seconds, cwd=cwd, env=env, input=stdin
    )
