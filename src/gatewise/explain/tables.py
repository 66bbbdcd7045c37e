"""The two tables of `summary()`: Keras 3's box and Keras 2's ruled lines, from plain rows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from gatewise.explain.text_width import cell_lines, padded

_BYTE_UNITS = ("B", "KB", "MB", "GB", "TB", "PB")


@dataclass(frozen=True)
class Row:
    """One layer's line.

    Attributes:
        name, cls, output_shape, params: as text.
        connections: where its inputs come from, "lstm[0][1]".
        trainable: "Y", "N", or "-" for a layer without weights.
        level: how deep inside other models it is.
    """

    name: str
    cls: str
    output_shape: str
    params: str
    connections: tuple[str, ...] = ()
    trainable: str = "-"
    level: int = 0

    @property
    def title(self) -> str:
        return f"{'   ' * self.level}{'└ ' if self.level else ''}{self.name} ({self.cls})"


@dataclass(frozen=True)
class Sheet:
    """All that a summary says.

    Attributes:
        name: the model's.
        rows: one for each layer.
        chain: True if the layers simply follow each other, so that connections need no column.
        trainable, non_trainable, optimizer: (how many numbers, how many bytes); optimizer is None where there is none.
    """

    name: str
    rows: tuple[Row, ...]
    chain: bool
    trainable: tuple[int, int]
    non_trainable: tuple[int, int]
    optimizer: tuple[int, int] | None = None

    @property
    def total(self) -> tuple[int, int]:
        found = [self.trainable, self.non_trainable, self.optimizer or (0, 0)]
        return sum(count for count, _ in found), sum(n_bytes for _, n_bytes in found)


def readable_bytes(n_bytes: float) -> str:
    """A number of bytes as Keras writes it: "640.00 B", "2.50 KB"."""
    for unit in _BYTE_UNITS[:-1]:
        if n_bytes < 1024:
            return f"{n_bytes:.2f} {unit}"
        n_bytes /= 1024
    return f"{n_bytes:.2f} {_BYTE_UNITS[-1]}"


def box_text(
    sheet: Sheet,
    terminal_columns: int = 80,
    line_length: int | None = None,
    positions: Sequence[float] | None = None,
    show_trainable: bool = False,
) -> str:
    """The summary as Keras 3 prints it.

    Args:
        terminal_columns: the terminal's width; the table is at most 4 less.
        line_length: the table's width instead.
        positions: where the columns end, as fractions of the width or in characters.

    Raises:
        ValueError: if a column would be less than 4 characters wide.
    """
    header, align = ["Layer (type)", "Output Shape", "Param #"], ["left", "left", "right"]
    default_length, ends = (88, [0.45, 0.80, 1.0]) if sheet.chain else (108, [0.3, 0.56, 0.74, 1.0])
    if not sheet.chain:
        header.append("Connected to")
        align.append("left")
    ends = list(positions or ends)
    if show_trainable:
        default_length += 12
        header.append("Trainable")
        align.append("center")
    length = line_length or min(default_length, terminal_columns - 4)
    widths = _fitted(_column_widths(ends, length, 0.90 if show_trainable else None), length)
    rows = [_fields(sheet, row, show_trainable) for row in sheet.rows]
    lines = [f'Model: "{sheet.name}"', *_box(header, rows, align, widths)]
    lines += [f" {label}: {count:,} ({readable_bytes(n_bytes)})" for label, (count, n_bytes) in _totals(sheet)]
    return "\n".join(lines) + "\n"


def ruled_text(
    sheet: Sheet,
    line_length: int | None = None,
    positions: Sequence[float] | None = None,
    show_trainable: bool = False,
    heading: bool = True,
) -> str:
    """The summary as Keras 2 printed it.

    Args:
        line_length: the width; default 65, or 98 with connections.
        positions: where the columns end, as fractions of the width or in characters.
        heading: whether the model's name stands above, as in TensorFlow; Keras 2.2 had none.
    """
    header = ["Layer (type)", "Output Shape", "Param #"]
    length, ends = (65, [0.45, 0.85, 1.0]) if sheet.chain else (98, [0.33, 0.55, 0.67, 1.0])
    if not sheet.chain:
        header.append("Connected to")
    ends = list(positions or ends)
    if show_trainable:
        length += 11
        header.append("Trainable")
    length = line_length or length
    widths = _column_widths(ends, length, (length - 11) / length if show_trainable else None)
    rule = "_" * length
    lines = [f'Model: "{sheet.name}"'] if heading else []
    lines += [rule, _ruled_line(header, widths), "=" * length]
    for index, row in enumerate(sheet.rows):
        first, *more = row.connections or ("",)
        params = row.params.replace(",", "").replace("0 (unbuilt)", "unbuilt")  # the column is 10 characters wide
        fields = [row.title, row.output_shape, params, *([] if sheet.chain else [first])]
        lines.append(_ruled_line([*fields, row.trainable] if show_trainable else fields, widths))
        lines += [_ruled_line(["", "", "", connection], widths) for connection in more if not sheet.chain]
        lines.append(rule if index < len(sheet.rows) - 1 else "=" * length)
    lines += [f"{label}: {count:,}" for label, (count, _) in _totals(sheet)]
    return "\n".join([*lines, rule])


def _totals(sheet: Sheet) -> list[tuple[str, tuple[int, int]]]:
    found = [
        ("Total params", sheet.total),
        ("Trainable params", sheet.trainable),
        ("Non-trainable params", sheet.non_trainable),
    ]
    return found if sheet.optimizer is None else [*found, ("Optimizer params", sheet.optimizer)]


def _fields(sheet: Sheet, row: Row, show_trainable: bool) -> list[str]:
    fields = [row.title, row.output_shape, row.params]
    if not sheet.chain:
        fields.append(", ".join(row.connections) or "-")
    return [*fields, row.trainable] if show_trainable else fields


def _column_widths(ends: Sequence[float], length: int, shrunk: float | None) -> list[int]:
    """Columns that end at these places; with `shrunk`, all in that part of the width and one more after them.

    Raises:
        ValueError: if a column would be less than 4 characters wide.
    """
    characters = length if max(ends) <= 1 else 1
    if shrunk is not None:
        ends = [end * shrunk for end in ends] + [length / characters]
    widths: list[int] = []
    for end in ends:
        widths.append(int(end * characters) - sum(widths))
        if widths[-1] < 4:
            raise ValueError(
                f"Insufficient console width to print summary: {length} characters leave {widths[-1]} for column "
                f"{len(widths)} of {len(ends)}. Give a larger line_length, or other positions."
            )
    return widths


def _fitted(widths: Sequence[int], length: int) -> list[int]:
    """Widths of what stands between the lines of a box of `length`, a space on each side included."""
    found = [min(width + 2, length - len(widths) - 1) for width in widths]
    excess, left = sum(found) - (length - len(widths) - 1), len(found)
    for index, width in enumerate(found):
        share = min(width, round(excess / left)) if excess > 0 else 0
        found[index] = width - share
        excess, left = excess - share, left - 1
    return found


def _box(header: list[str], rows: list[list[str]], align: list[str], widths: list[int]) -> list[str]:
    """The lines of a table with a heavy head."""

    def rule(left: str, line: str, middle: str, right: str) -> str:
        return left + middle.join(line * width for width in widths) + right

    def cells(fields: list[str], line: str) -> list[str]:
        columns = [cell_lines(text, width - 2) for text, width in zip(fields, widths, strict=True)]
        height = max(map(len, columns))
        in_head = line == "┃"
        columns = [[""] * (height - len(c)) * in_head + c + [""] * (height - len(c)) for c in columns]
        found = []
        for k in range(height):
            parts = [
                f" {padded(_flush(column[k], side), width - 2, side)} "
                for column, width, side in zip(columns, widths, align, strict=True)
            ]
            found.append(line + line.join(parts) + line)
        return found

    lines = [rule("┏", "━", "┳", "┓"), *cells(header, "┃"), rule("┡", "━", "╇", "┩")]
    for index, fields in enumerate(rows):
        lines += ([rule("├", "─", "┼", "┤")] if index else []) + cells(fields, "│")
    return [*lines, rule("└", "─", "┴", "┘")]


def _flush(line: str, side: str) -> str:
    return line if side == "left" else line.rstrip()


def _ruled_line(fields: Sequence[str], widths: Sequence[int]) -> str:
    """Fields at the columns' places; what does not fit is cut, one space before the next column."""
    line, end = "", 0
    for field, width in zip(fields, widths, strict=False):
        line = line[:-1] + " " if line else line
        end += width
        line = (line + field)[:end].ljust(end)
    return line.ljust(sum(widths))


__all__ = ["Row", "Sheet", "box_text", "readable_bytes", "ruled_text"]
