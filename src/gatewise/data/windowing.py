"""Windows that cannot leak: none crosses a group, a split or a hole in time, and scales come from training alone."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from gatewise.arguments import standard_dtype
from gatewise.data.parts import Part, Tables
from gatewise.data.scaling import Scaler, fitted
from gatewise.data.splitting import parts_of
from gatewise.data.starts import MISSING, Span, Stretches, complete, filled_forward
from gatewise.data.table import ME, Table, irregular_steps, read_table
from gatewise.validation import positive_integer

IRREGULAR = ("cut", "refuse", "ignore")


class Facts(NamedTuple):
    """How windows were cut: for the text and the picture."""

    scale: Any
    scale_targets: bool
    split_by: str
    history: bool
    stretches: Stretches
    incomplete: dict[str, int]


class Windows:
    """Windows of a table in up to three parts; `windows` makes it.

    Attributes:
        train, validation, test: each a `Part`, which `fit`, `evaluate` and `predict` take as it is; None for a part
            that the split does not have.
        scaler: what was learnt of the training rows: `.inputs` and `.targets`.
        inputs, targets: names of the columns.
        span: steps_in, gap, steps_out and stride.
        table: the rows, by group and time.
        row_parts: (rows,) the number of each row's part; -1: none.
        notes: what had to be done, and what one should know.
    """

    def __init__(
        self, table: Table, names: tuple[list[Any], list[Any]], span: Span, scaler: Scaler, row_parts: np.ndarray,
        parts: dict[str, Part], facts: Facts,
    ) -> None:  # fmt: skip
        self.table, self.span, self.scaler, self.row_parts = table, span, scaler, row_parts
        self.inputs, self.targets = names
        self.parts = parts
        self.train = parts["train"]
        self.validation: Part | None = parts.get("validation")
        self.test: Part | None = parts.get("test")
        self.facts = facts
        self.notes = table.notes

    def unscale(self, predictions: Any) -> np.ndarray:
        """What a model predicts, in the units of the targets.

        Args:
            predictions: (n, ...) of the shape of the targets that the model was given, or (n, steps_out, targets), or
                (n, steps_out * targets).

        Returns:
            the same shape, float64.

        Raises:
            ValueError: for another shape.
        """
        return self.train.unscaled(predictions)

    def describe(self) -> str:
        """In words: how many windows each part has, from when to when, and which rows are in none."""
        from gatewise.data.describing import text_of

        return text_of(self)

    def draw(self, path: Any = None) -> Any:
        """The rows in time, the parts and their windows, as a matplotlib figure.

        Args:
            path: where to save it as well: a name that ends in .png, .svg or .pdf.

        Raises:
            ImportError: without matplotlib.
        """
        from gatewise.data.drawing import draw

        return draw(self, path)

    def __repr__(self) -> str:
        counts = ", ".join(f"{name}: {part.count}" for name, part in self.parts.items())
        return f"<Windows of {self.span.steps_in} steps for the next {self.span.steps_out} ({counts})>"


def windows(
    frame: Any,
    *,
    targets: Any,
    steps_in: int,
    steps_out: int = 1,
    inputs: Any = None,
    gap: int = 0,
    stride: int = 1,
    time: Any = None,
    irregular: str = "cut",
    group: Any = None,
    split: Any = (0.7, 0.15, 0.15),
    split_by: str = "time",
    history: bool = False,
    scale: Any = "standard",
    scale_targets: bool = True,
    missing: str = "refuse",
    batch_size: int = 32,
    shuffle: bool = True,
    seed: int | None = None,
    dtype: Any = None,
) -> Windows:
    """Cut a table of rows in time into windows for training, validation and test.

    A window is `steps_in` rows of the inputs, `gap` rows that nobody sees, and `steps_out` rows of the targets.  All of
    them lie in one group, one part and one stretch without holes in time.  Scales are those of the training rows alone.

    Args:
        frame: (rows, columns), a dictionary of columns, or a pandas, polars or other frame.
        targets, inputs: columns by name or number; inputs default to all columns but time and group.
        steps_in, steps_out, gap: the rows of a window.
        stride: rows from one window to the next.
        time: the column of times, by which rows are sorted ("index": a pandas frame's index); None: they are in order.
        irregular: where a step in time is clearly longer or shorter than usual: "cut": no window goes across; "refuse";
            "ignore": as if it were equal.
        group: the column, or columns, that tell series apart.
        split: fractions (train, validation, test) of the rows of each group, the earliest first; or, with `time`,
            {"validation": begin, "test": begin}.
        split_by: "time"; or "group": whole groups are held out, then `split` is fractions of groups (drawn by `seed`)
            or {"validation": [groups], "test": [groups]}.
        history: inputs of validation and test windows may reach back into the part before; their targets never do.
        scale: "standard", "minmax", "robust", None, a function of the training rows that returns (centre, spread), or
            an object with fit, transform and inverse_transform.
        scale_targets: scale the targets too.
        missing: NaN and nulls: "refuse"; "drop": windows with one are left out; "forward": in inputs the last value
            known in the same part stands for it; "keep": inputs keep NaN, for `Masking`.  With the last two, windows
            with a missing target are left out.
        batch_size, shuffle, seed: of the parts, as `fit` runs through them; only the training part is shuffled.
        dtype: of the arrays; default `config.floatx()`.

    Returns:
        the windows; `windows.train` goes into `fit` as it is.

    Raises:
        ValueError, TypeError: naming the argument, the column or the part that will not do.
    """
    span = Span(
        positive_integer(steps_in, "steps_in", ME),
        positive_integer(steps_out, "steps_out", ME),
        _not_negative(gap),
        positive_integer(stride, "stride", ME),
    )
    positive_integer(batch_size, "batch_size", ME)
    for name, chosen in (("history", history), ("scale_targets", scale_targets), ("shuffle", shuffle)):
        if not isinstance(chosen, bool | np.bool_):
            raise ValueError(f"{ME}: {name} is True or False; got {chosen!r}.")
    for name, value, known in (("irregular", irregular, IRREGULAR), ("missing", missing, MISSING)):
        if value not in known:
            raise ValueError(f"{ME}: {name} is one of {', '.join(map(repr, known))}; got {value!r}.")
    table, input_names, target_names = read_table(frame, inputs, targets, time, group)
    row_parts, part_names = parts_of(table, split, split_by, seed)
    if missing == "refuse":
        _refuse_missing(table)
    holes = _holes(table, irregular)
    stretches = Stretches(table.groups, row_parts, holes, history and split_by == "time")
    tables, scaler = _scaled(table, input_names, target_names, row_parts == 0, scale, scale_targets, missing, stretches)
    tables = tables.in_type(np.dtype(standard_dtype(dtype, ME)))
    begins, begin_parts = stretches.starts(span)
    whole = complete(begins, span, tables.x, tables.y, missing == "keep")
    parts = {
        name: Part(name, tables, span, begins[whole & (begin_parts == k)], batch_size, shuffle and k == 0, seed)
        for k, name in enumerate(part_names)
    }
    _refuse_empty(parts, row_parts, span, bool(holes.any()))
    incomplete = {name: int((~whole & (begin_parts == k)).sum()) for k, name in enumerate(part_names)}
    facts = Facts(scale, scale_targets, split_by, history, stretches, incomplete)
    return Windows(table, (input_names, target_names), span, scaler, row_parts, parts, facts)


def _scaled(
    table: Table, inputs: list[Any], targets: list[Any], trains: np.ndarray, scale: Any, scale_targets: bool,
    missing: str, stretches: Stretches,
) -> tuple[Tables, Scaler]:  # fmt: skip
    """All rows scaled by the training rows."""
    x, y = table.matrix(inputs), table.matrix(targets)
    scaler = Scaler(fitted(scale, inputs, x[trains]), fitted(scale if scale_targets else None, targets, y[trains]))
    known_y = filled_forward(y, stretches.number)
    x = filled_forward(x, stretches.number) if missing == "forward" else x
    tables = Tables(table, scaler.inputs.transform(x), scaler.targets.transform(y), y, known_y, scaler.targets)
    return tables, scaler


def _not_negative(gap: Any) -> int:
    if isinstance(gap, bool) or not hasattr(gap, "__index__") or gap < 0:
        raise ValueError(
            f"{ME}: gap is the number of rows between inputs and targets, 0 or more; got {gap!r}. Targets among the "
            "inputs' own rows would be known beforehand."
        )
    return int(gap)


def _holes(table: Table, irregular: str) -> np.ndarray:
    """(rows,) True where a stretch ends because the step from the row before is unusual."""
    uneven = irregular_steps(table)
    if uneven.any():
        first = int(np.argmax(uneven))
        told = (
            f"{int(uneven.sum())} of the steps in time are clearly longer or shorter than usual, the first from "
            f"{table.place(first - 1)} to {table.place(first)}"
        )
        if irregular == "refuse":
            raise ValueError(f"{ME}: {told}. irregular='cut' lets no window go across, 'ignore' takes them as equal.")
        done = "no window goes across" if irregular == "cut" else "they are taken as equal"
        table.notes.append(f"{told}; {done} (irregular={irregular!r}).")
    return uneven if irregular == "cut" else np.zeros(len(table), bool)


def _refuse_missing(table: Table) -> None:
    for name, values in table.columns.items():
        gone = np.isnan(values)
        if count := int(gone.sum()):
            raise ValueError(
                f"{ME}: column {name!r} has {count} missing value{'s' * (count > 1)}, the first at "
                f"{table.place(int(np.argmax(gone)))}. Write missing='drop' to leave out windows with one, 'forward' "
                "to go on with the last value known, 'keep' to leave NaN in the inputs, for Masking."
            )


def _refuse_empty(parts: dict[str, Part], row_parts: np.ndarray, span: Span, has_holes: bool) -> None:
    for k, (name, part) in enumerate(parts.items()):
        if part.count:
            continue
        hint = (
            " The rows are cut at irregular steps in time; irregular='ignore' takes them as equal." if has_holes else ""
        )
        raise ValueError(
            f"{ME}: the {name} part has {int((row_parts == k).sum())} rows and no window: one takes {span.length} "
            f"rows in a row ({span.steps_in} in, gap {span.gap}, {span.steps_out} out) of one group, with no value "
            f"missing. Give a greater part of the rows, shorter windows, or history=True.{hint}"
        )


__all__ = ["Windows", "windows"]
