"""The message catalogues of gatewise.explain.

    python tools/catalogues.py update     take the messages out of the code, into the .pot and the .po files
    python tools/catalogues.py compile    turn each .po into the .mo that the package reads

Building the package compiles them too; `compile` here is for running from the sources.
"""

import argparse
import io
import pathlib

from babel.messages.catalog import Catalog
from babel.messages.extract import extract_from_dir
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po, write_po

ROOT = pathlib.Path(__file__).resolve().parent.parent
SOURCES = ROOT / "src" / "gatewise" / "explain"
LOCALE = SOURCES / "locale"
TEMPLATE = LOCALE / "gatewise.pot"


def extract() -> Catalog:
    """The messages in the code."""
    found = Catalog(project="gatewise", charset="utf-8", header_comment="# Messages of gatewise.explain.", fuzzy=False)
    for filename, _line, message, comments, context in extract_from_dir(SOURCES, [("**.py", "python")]):
        places: list = [(f"explain/{filename}", None)]  # no line numbers: they would change with every edit
        found.add(message, None, places, auto_comments=comments, context=context)
    return found


def catalogues() -> list[pathlib.Path]:
    """The .po files."""
    return sorted(LOCALE.glob("*/LC_MESSAGES/gatewise.po"))


def read(path: pathlib.Path) -> Catalog:
    """The catalogue in a .po file."""
    return read_po(io.StringIO(path.read_text(encoding="utf-8")), locale=path.parent.parent.name)


def write(catalogue: Catalog, path: pathlib.Path) -> None:
    """Write a .po or .pot file, without line numbers and headers that would change it each time or say nothing."""
    buffer = io.BytesIO()
    write_po(buffer, catalogue, width=110, include_lineno=False)
    empty = ("-Date: ", "Project-Id-Version", "FULL NAME", "EMAIL@ADDRESS", "LL@li.org", "Generated-By")
    lines = [line for line in buffer.getvalue().decode("utf-8").splitlines() if not any(e in line for e in empty)]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")


def update() -> None:
    """Bring template and catalogues up to date with the code; new messages are untranslated there."""
    template = extract()
    LOCALE.mkdir(exist_ok=True)
    write(template, TEMPLATE)
    for path in catalogues():
        catalogue = read(path)
        catalogue.update(template, no_fuzzy_matching=True)
        catalogue.obsolete.clear()
        write(catalogue, path)


def compile_all() -> None:
    """Write the .mo beside each .po."""
    for path in catalogues():
        with path.with_suffix(".mo").open("wb") as target:
            write_mo(target, read(path))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("command", choices=["update", "compile"])
    {"update": update, "compile": compile_all}[parser.parse_args().command]()


if __name__ == "__main__":
    main()
