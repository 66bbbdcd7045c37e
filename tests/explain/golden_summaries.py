"""Reads a summary that Keras printed back into rows, so that the layout can be tested for layers of any kind."""

from __future__ import annotations

import dataclasses
import re

from gatewise.explain.tables import Row, Sheet

_TOTAL = re.compile(r" ?(Total|Trainable|Non-trainable|Optimizer) params: ([\d,]+)(?: \(([\d.]+) (\w+)\))?")
_POWER = {"B": 0, "KB": 1, "MB": 2}


def sheet_from_box(text: str, with_trainable: bool) -> Sheet:
    """The sheet of a wide Keras 3 summary.

    Names that are cut there are completed from the other rows' names.
    """
    lines = text.splitlines()
    name = lines[0].removeprefix('Model: "').removesuffix('"')
    header = [cell.strip() for cell in lines[2].strip("┃").split("┃")]
    chain = "Connected to" not in header
    rows: list[Row] = []
    for block in _blocks(lines):
        cells = [" ".join(part for part in parts if part) for parts in zip(*block, strict=True)]
        level = (len(block[0][0]) - len(block[0][0].lstrip())) // 3
        title = cells[0].strip().removeprefix("└ ")
        layer, cls = re.fullmatch(r"(.*) \((.*)\)", title).groups()  # type: ignore[union-attr]
        connections = () if chain or cells[3] == "-" else tuple(cells[3].split(", "))
        trainable = cells[-1].strip() if with_trainable else "-"
        rows.append(Row(layer, cls, cells[1], cells[2].strip(), connections, trainable, level))
    names = [row.name for row in rows]
    rows = [_completed(row, names) for row in rows]
    found = {
        label: (int(count.replace(",", "")), round(float(size) * 1024 ** _POWER[unit]))
        for label, count, size, unit in _TOTAL.findall(text)
    }
    return Sheet(name, tuple(rows), chain, found["Trainable"], found["Non-trainable"], found.get("Optimizer"))


def _blocks(lines: list[str]) -> list[list[list[str]]]:
    """For each row of the table its lines, each a list of cells."""
    blocks: list[list[list[str]]] = [[]]
    for line in lines:
        if line.startswith("├"):
            blocks.append([])
        elif line.startswith("│"):
            first, *others = line.strip("│").split("│")
            blocks[-1].append([first[1:].rstrip(), *(cell.strip() for cell in others)])
    return [block for block in blocks if block]


def _completed(row: Row, names: list[str]) -> Row:
    def full(connection: str) -> str:
        if not connection.endswith("…"):
            return connection
        start = connection.removesuffix("…").split("[")[0]
        (match,) = [name for name in names if name.startswith(start)]
        return f"{match}[0][0]"

    return dataclasses.replace(row, connections=tuple(map(full, row.connections)))
