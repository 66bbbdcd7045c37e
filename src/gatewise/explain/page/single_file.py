"""The page's files, and all of them joined into one that needs no server and no network."""

from __future__ import annotations

import base64
import hashlib
import json
import pathlib
import re
from functools import cache
from typing import Any

FOLDER = pathlib.Path(__file__).with_name("static")
ENTRY = "page.js"
_IMPORT = re.compile(r'^import (?:\{[^}]*\} from )?"\./([\w.]+)";\n', re.MULTILINE)


@cache
def static_file(name: str) -> str:
    """The text of one of the page's own files."""
    return (FOLDER / name).read_text(encoding="utf-8")


def modules() -> list[str]:
    """The names of the page's modules, each after those that it imports."""
    order: list[str] = []

    def visit(name: str) -> None:
        for needed in _IMPORT.findall(static_file(name)):
            if needed not in order:
                visit(needed)
        if name not in order:
            order.append(name)

    visit(ENTRY)
    return order


@cache
def joined_script() -> str:
    """All modules as one: what stands at the top of a module has a name that no other module uses."""
    parts = []
    for name in modules():
        text = re.sub(r"^export (?=const|let|function|class|async)", "", _IMPORT.sub("", static_file(name)), flags=re.M)
        parts.append(f"// --- {name}\n{text}")
    return "\n".join(parts)


def served_page(data: dict[str, Any]) -> str:
    """The page for a server: style and modules are files beside it."""
    return _filled(
        policy="", style='<link rel="stylesheet" href="page.css">', data=data,
        script=f'<script type="module" src="{ENTRY}"></script>',
    )  # fmt: skip


def single_page(data: dict[str, Any]) -> str:
    """The page as one file. Its policy allows its own script and style, by their hashes, and no request at all."""
    style, script = static_file("page.css"), joined_script()
    policy = (
        f"default-src 'none'; script-src '{_digest(script)}'; style-src '{_digest(style)}'; img-src data:; "
        "base-uri 'none'; form-action 'none'"
    )
    return _filled(
        policy=f'<meta http-equiv="Content-Security-Policy" content="{policy}">',
        style=f"<style>{style}</style>", data=data, script=f'<script type="module">{script}</script>',
    )  # fmt: skip


def _filled(policy: str, style: str, data: dict[str, Any], script: str) -> str:
    found = static_file("page.html")
    text = f'<script type="application/json" id="gatewise-data">{json_for_html(data)}</script>'
    for name, content in (("policy", policy), ("style", style), ("data", text), ("script", script)):
        found = found.replace(f"<!--{name}-->", content, 1)
    return found


def json_for_html(data: Any) -> str:
    """JSON that may stand inside a script element: no tag and no comment can begin or end in it."""
    text = json.dumps(data, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    for sign in "<>&\u2028\u2029":
        text = text.replace(sign, f"\\u{ord(sign):04x}")
    return text


def _digest(text: str) -> str:
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode("utf-8")).digest()).decode("ascii")
