"""Which rows are for training, for validation and for the test."""

from __future__ import annotations

from typing import Any

import numpy as np

from gatewise import random, suggest
from gatewise.arguments import describe
from gatewise.data.table import ME, Table, time_text

PARTS = ("train", "validation", "test")
_EXAMPLES = {
    "time": "(0.7, 0.15, 0.15), or the times at which parts begin: {'validation': '2025-01-01', 'test': '2026-01-01'}",
    "group": "(0.7, 0.15, 0.15), or the groups of the parts: {'validation': ['B'], 'test': ['C']}",
}


def parts_of(table: Table, split: Any, split_by: str, seed: int | None) -> tuple[np.ndarray, tuple[str, ...]]:
    """(rows,) the number of each row's part (-1: none), and the names of the parts.

    Args:
        split: fractions of the rows (of each group) or of the groups; or a dictionary.
        split_by: "time" or "group".
        seed: of the choice of groups.
    """
    if split_by not in ("time", "group"):
        raise ValueError(f"{ME}: split_by is 'time' or 'group'; got {split_by!r}.")
    if split_by == "group" and table.group_names == [None]:
        raise ValueError(f"{ME}: split_by='group' needs the column that tells the groups apart: group=...")
    if isinstance(split, dict):
        return _by_begin(table, split) if split_by == "time" else _by_group_names(table, split)
    fractions = _fractions(split, split_by)
    return _by_fraction(table, fractions) if split_by == "time" else _by_group_fraction(table, fractions, seed)


def _fractions(split: Any, split_by: str) -> np.ndarray:
    fits = isinstance(split, tuple | list) and 1 <= len(split) <= 3
    if not fits or any(isinstance(f, bool) or not isinstance(f, int | float | np.number) for f in split):
        raise ValueError(f"{ME}: split is {_EXAMPLES[split_by]}; got {split!r}.")
    fractions = np.array(split, "float64")
    if not (fractions > 0).all() or abs(fractions.sum() - 1) > 1e-9:
        raise ValueError(
            f"{ME}: the fractions of split must be above 0 and add up to 1, as (0.7, 0.15, 0.15); got {split!r}, "
            f"which add up to {fractions.sum():g}."
        )
    return fractions


def _by_fraction(table: Table, fractions: np.ndarray) -> tuple[np.ndarray, tuple[str, ...]]:
    """The first rows of each group train, and so on."""
    parts = np.empty(len(table), int)
    for group in range(len(table.group_names)):
        rows = np.flatnonzero(table.groups == group)
        ends = np.round(np.cumsum(fractions) * len(rows)).astype(int)
        parts[rows] = np.searchsorted(ends, np.arange(len(rows)), side="right")
    _note_overlap(table, parts)
    return parts, PARTS[: len(fractions)]


def _note_overlap(table: Table, parts: np.ndarray) -> None:
    """Say so where one group's training reaches into the time of another group's later parts."""
    if table.time is None or len(table.group_names) == 1 or not (parts > 0).any() or not (parts == 0).any():
        return
    last, first = table.time[parts == 0].max(), table.time[parts > 0].min()
    if last >= first:
        table.notes.append(
            f"The groups cover different times: training reaches to {time_text(last)}, and elsewhere later parts begin "
            f"at {time_text(first)}. Where groups move together, cut all at one time: "
            f"split={{'validation': ..., 'test': ...}}."
        )


def _by_begin(table: Table, split: dict[str, Any]) -> tuple[np.ndarray, tuple[str, ...]]:
    """Parts begin at given times."""
    if table.time is None:
        raise ValueError(f"{ME}: a split at given times needs the column of times: time=...")
    if not split or list(split) not in (["validation"], ["test"], ["validation", "test"]):
        raise ValueError(f"{ME}: split is {_EXAMPLES['time']}; got {split!r}.")
    begins = [_as_time(begin, table.time, name) for name, begin in split.items()]
    if any(b <= a for a, b in zip(begins, begins[1:], strict=False)):
        raise ValueError(f"{ME}: the test part must begin after the validation part; got {split!r}.")
    return np.searchsorted(np.array(begins), table.time, side="right"), ("train", *split)


def _as_time(begin: Any, time: np.ndarray, name: str) -> Any:
    """A time of the kind that the rows have."""
    try:
        if time.dtype.kind == "M":
            if isinstance(begin, int | float):
                raise ValueError
            found = np.datetime64(begin).astype("datetime64[ns]")
        else:
            found = float(begin)
    except (TypeError, ValueError):
        kind = "a date, as '2025-01-01'" if time.dtype.kind == "M" else "a number"
        raise ValueError(f"{ME}: split: the {name} part must begin at {kind}; got {describe(begin)}.") from None
    return found


def _by_group_fraction(table: Table, fractions: np.ndarray, seed: int | None) -> tuple[np.ndarray, tuple[str, ...]]:
    """Whole groups, drawn by chance."""
    count = len(table.group_names)
    ends = np.round(np.cumsum(fractions) * count).astype(int)
    names = PARTS[: len(fractions)]
    sizes = np.diff(ends, prepend=0)
    if not sizes.all():
        raise ValueError(
            f"{ME}: with {count} groups the fractions {tuple(fractions.tolist())} leave none for the "
            f"{names[int(np.argmin(sizes))]} part; give more groups or other fractions."
        )
    order = random.next_generator(seed).permutation(count)
    part_of_group = np.empty(count, int)
    part_of_group[order] = np.searchsorted(ends, np.arange(count), side="right")
    return part_of_group[table.groups], names


def _by_group_names(table: Table, split: dict[str, Any]) -> tuple[np.ndarray, tuple[str, ...]]:
    """Whole groups, as named; without "train" all others train."""
    wrong = [key for key in split if key not in PARTS]
    if wrong or not split or not all(isinstance(groups, list | tuple | set) for groups in split.values()):
        raise ValueError(f"{ME}: split is {_EXAMPLES['group']}; got {split!r}.")
    part_of_group: dict[Any, str] = {}
    for part, groups in split.items():
        for group in groups:
            if group not in table.group_names:
                raise ValueError(f"{ME}: split: {suggest.unknown('group', group, map(str, table.group_names))}")
            if group in part_of_group:
                raise ValueError(f"{ME}: split: group {group!r} is in two parts, {part_of_group[group]} and {part}.")
            part_of_group[group] = part
    names = tuple(part for part in PARTS if part in split or part == "train")
    rest = -1 if "train" in split else 0
    left_out = [group for group in table.group_names if group not in part_of_group]
    if left_out and rest == -1:
        table.notes.append(f"{len(left_out)} groups are in no part: {', '.join(map(str, left_out[:5]))}.")
    codes = [names.index(part_of_group[g]) if g in part_of_group else rest for g in table.group_names]
    return np.array(codes)[table.groups], names
