"""Placing the boxes of a directed graph in rows, with few crossings and straight edges.

Rows are the longest paths from the beginnings (Sugiyama, Tagawa & Toda 1981); crossings become few by sorting each
row by the mean place of its neighbours, up and down by turns; and boxes come as near to the mean of their neighbours
as the order allows, which is an isotonic regression (pool adjacent violators).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

_SWEEPS = 12
_WAY_ROOM = 18.0  # width that an edge takes in a row that it passes
Point = tuple[float, float]


@dataclass
class Layout:
    """Where everything is, for a graph that runs from the top down.

    Attributes:
        centers: of the boxes.
        routes: for each edge the points that it passes, one in each row from its first box to its last; the first and
            the last are the box's lower and upper edge.
        size: width and height of the whole.
    """

    centers: list[Point]
    routes: list[list[Point]]
    size: Point


def ranks_of(n: int, edges: Sequence[tuple[int, int]]) -> list[int]:
    """The row of each box: below all that it depends on, and a beginning just above what first needs it."""
    after: list[list[int]] = [[] for _ in range(n)]
    waiting = [0] * n
    for a, b in edges:
        after[a].append(b)
        waiting[b] += 1
    ranks, ready = [0] * n, [k for k in range(n) if waiting[k] == 0]
    beginnings = list(ready)
    while ready:
        a = ready.pop()
        for b in after[a]:
            ranks[b] = max(ranks[b], ranks[a] + 1)
            waiting[b] -= 1
            if waiting[b] == 0:
                ready.append(b)
    for k in beginnings:
        if after[k]:
            ranks[k] = min(ranks[b] for b in after[k]) - 1
    return ranks


def place(sizes: Sequence[Point], edges: Sequence[tuple[int, int]], gap: Point = (36.0, 44.0)) -> Layout:
    """Boxes of these widths and heights in rows; no two of them touch."""
    n = len(sizes)
    ranks = ranks_of(n, edges)
    widths = [size[0] for size in sizes]
    ways: list[list[int]] = []  # of each edge: its boxes and, in the rows between, its own places
    rows: list[list[int]] = [[] for _ in range(max(ranks, default=0) + 1)]
    for k in range(n):
        rows[ranks[k]].append(k)
    for a, b in edges:
        way = [a]
        for rank in range(ranks[a] + 1, ranks[b]):
            rows[rank].append(len(widths))
            way.append(len(widths))
            widths.append(_WAY_ROOM)
        ways.append([*way, b])
    above, below = _neighbours(len(widths), ways)
    rows = _with_few_crossings(rows, above, below)
    xs = _across(rows, widths, above, below, gap[0])
    heights = [max((sizes[k][1] for k in row if k < n), default=0.0) for row in rows]
    tops = [sum(heights[:r]) + gap[1] * r for r in range(len(rows))]
    rank_of = {k: r for r, row in enumerate(rows) for k in row}
    centers = [(xs[k], tops[ranks[k]] + heights[ranks[k]] / 2) for k in range(n)]
    routes = []
    for (a, b), way in zip(edges, ways, strict=True):
        points = [(xs[a], centers[a][1] + sizes[a][1] / 2)]
        if tops[ranks[a]] + heights[ranks[a]] > points[0][1]:
            points.append((xs[a], tops[ranks[a]] + heights[ranks[a]]))
        for k in way[1:-1]:
            r = rank_of[k]
            points += [(xs[k], tops[r]), (xs[k], tops[r] + heights[r])]
        if tops[ranks[b]] < centers[b][1] - sizes[b][1] / 2:
            points.append((xs[b], tops[ranks[b]]))
        routes.append([*points, (xs[b], centers[b][1] - sizes[b][1] / 2)])
    return _from_zero(Layout(centers, routes, (0, sum(heights) + gap[1] * (len(rows) - 1))), sizes)


def _from_zero(layout: Layout, sizes: Sequence[Point]) -> Layout:
    """The layout moved so that its left edge is at 0."""
    edges = [x for route in layout.routes for x, _ in route]
    left = min([*(x - w / 2 for (x, _), (w, _) in zip(layout.centers, sizes, strict=True)), *edges], default=0.0)
    right = max([*(x + w / 2 for (x, _), (w, _) in zip(layout.centers, sizes, strict=True)), *edges], default=0.0)
    centers = [(x - left, y) for x, y in layout.centers]
    routes = [[(x - left, y) for x, y in route] for route in layout.routes]
    return Layout(centers, routes, (right - left, layout.size[1]))


def _neighbours(n: int, ways: Sequence[Sequence[int]]) -> tuple[list[list[int]], list[list[int]]]:
    above: list[list[int]] = [[] for _ in range(n)]
    below: list[list[int]] = [[] for _ in range(n)]
    for way in ways:
        for a, b in zip(way, way[1:], strict=False):
            below[a].append(b)
            above[b].append(a)
    return above, below


def _with_few_crossings(rows: list[list[int]], above: list[list[int]], below: list[list[int]]) -> list[list[int]]:
    best, fewest = [list(row) for row in rows], crossings(rows, below)
    for sweep in range(_SWEEPS):
        if fewest == 0:
            break
        down = sweep % 2 == 0
        order = range(1, len(rows)) if down else range(len(rows) - 2, -1, -1)
        for r in order:
            other = {k: i for i, k in enumerate(rows[r - 1] if down else rows[r + 1])}
            near = above if down else below
            here = {k: i for i, k in enumerate(rows[r])}
            rows[r] = sorted(rows[r], key=lambda k: (_mean([other[m] for m in near[k]], here[k]), here[k]))  # noqa: B023
        found = crossings(rows, below)
        if found < fewest:
            best, fewest = [list(row) for row in rows], found
    return best


def crossings(rows: Sequence[Sequence[int]], below: Sequence[Sequence[int]]) -> int:
    """How many pairs of edges cross."""
    total = 0
    for row, following in zip(rows, rows[1:], strict=False):
        place_of = {k: i for i, k in enumerate(following)}
        ends = [sorted(place_of[m] for m in below[k]) for k in row]
        for i in range(len(ends)):
            for j in range(i + 1, len(ends)):
                total += sum(1 for a in ends[i] for b in ends[j] if a > b)
    return total


def _mean(values: Sequence[float], otherwise: float) -> float:
    return sum(values) / len(values) if values else otherwise


def _across(
    rows: Sequence[Sequence[int]], widths: Sequence[float], above: list[list[int]], below: list[list[int]], gap: float
) -> list[float]:  # fmt: skip
    """The centre of each box across its row."""
    xs = [0.0] * len(widths)
    for row in rows:
        x = 0.0
        for k in row:
            xs[k] = x + widths[k] / 2
            x += widths[k] + gap
        for k in row:
            xs[k] -= x / 2
    for sweep in range(2 * _SWEEPS):
        down = sweep % 2 == 0
        for row in rows if down else reversed(rows):
            near = above if down else below
            wanted = [_mean([xs[m] for m in near[k]] or [xs[m] for m in above[k] + below[k]], xs[k]) for k in row]
            for k, x in zip(row, apart(wanted, [widths[k] for k in row], gap), strict=True):
                xs[k] = x
    return xs


def apart(wanted: Sequence[float], widths: Sequence[float], gap: float) -> list[float]:
    """The places nearest to those wanted (least squares) at which things of these widths stand in order, apart."""
    offsets, x = [], 0.0
    for k, width in enumerate(widths):
        x += (widths[k - 1] / 2 + gap + width / 2) if k else 0.0
        offsets.append(x)
    blocks: list[tuple[float, int]] = []  # (mean, how many)
    for value, offset in zip(wanted, offsets, strict=True):
        blocks.append((value - offset, 1))
        while len(blocks) > 1 and blocks[-2][0] > blocks[-1][0]:
            (a, n), (b, m) = blocks[-2], blocks[-1]
            blocks[-2:] = [((a * n + b * m) / (n + m), n + m)]
    flat = [mean for mean, n in blocks for _ in range(n)]
    return [value + offset for value, offset in zip(flat, offsets, strict=True)]
