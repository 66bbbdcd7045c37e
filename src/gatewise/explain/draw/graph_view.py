"""The model's graph: a box for each layer with its shapes, types and parameters, models in the model in a frame."""

from __future__ import annotations

from dataclasses import dataclass, replace

from gatewise.explain.draw import measure
from gatewise.explain.draw.canvas import Canvas, Point
from gatewise.explain.draw.graph_facts import Box, GraphFacts
from gatewise.explain.draw.graph_layout import place
from gatewise.explain.draw.palette import FAINT, HEADING, INK, LINES, PAPER, SHADE, SMALL, SOFT
from gatewise.explain.draw.parts import TOP, Drawn, called, counted, heading, rule
from gatewise.explain.draw.svg import number
from gatewise.explain.language import Words

_ROOM = 260.0  # a name is shortened beyond it
_PAD, _LEADING = 12.0, 18.0
_FRAME_TOP, _FRAME = 40.0, 18.0
_BAR = 5.0


@dataclass(frozen=True)
class GraphStyle:
    """What a graph shows: `plot_model`'s arguments, and the parameters of each layer."""

    shapes: bool = True
    dtype: bool = False
    names: bool = True
    activations: bool = False
    trainable: bool = False
    params: bool = True
    nested: bool = True
    rankdir: str = "TB"


@dataclass
class _Drawable:
    """A box with its rows, its size and, in a frame, what is inside."""

    box: Box
    rows: list[tuple[str, str, str]]
    head: tuple[str, str]
    size: Point
    inner: _Placed | None = None


@dataclass
class _Placed:
    """The boxes of a graph and where they are."""

    items: list[_Drawable]
    centers: list[Point]
    routes: list[list[Point]]
    size: Point


def draw_graph(facts: GraphFacts, style: GraphStyle, words: Words) -> Drawn:
    """A model from its inputs to its outputs."""
    canvas, _ = Canvas(), words._
    account = facts.account
    title = called(account)
    texts = [
        words.ngettext("{n} layer", "{n} layers", len(account.inside)).format(n=len(account.inside)),
        counted(account.size, words),
    ]
    if account.non_trainable_size:
        texts.append(_("{n} of them frozen").format(n=words.count(account.non_trainable_size)))
    if not facts.known:
        texts.append(_("how the layers are connected only a run of the model tells"))
    about = ", ".join(texts) + "."
    heading(canvas, title, about)
    if not facts.boxes:
        canvas.text(0, TOP, _("This model has no layers yet."))
        return Drawn(canvas, title, about)
    placed = _place(facts, style, max(account.size, 1), words)
    _draw(canvas, placed, (0.0, float(TOP) - 8), style, max(account.size, 1), words)
    return Drawn(canvas, title, about)


# --- sizes and places --------------------------------------------------------------------------------------------


def _place(facts: GraphFacts, style: GraphStyle, total: int, words: Words) -> _Placed:
    items = [_drawable(box, style, total, words) for box in facts.boxes]
    sideways = style.rankdir in ("LR", "RL")
    sizes = [(item.size[1], item.size[0]) if sideways else item.size for item in items]
    edges = list(facts.edges)
    if not facts.known:  # nothing is known of the order: side by side would be too wide, so one under another
        layout = place(sizes, [(k, k + 1) for k in range(len(items) - 1)], (36.0, 18.0))
        layout.routes = []
    else:
        layout = place(sizes, edges)
    centers, routes, (width, height) = layout.centers, layout.routes, layout.size
    if style.rankdir in ("BT", "RL"):
        centers = [(x, height - y) for x, y in centers]
        routes = [[(x, height - y) for x, y in route] for route in routes]
    if sideways:
        centers = [(y, x) for x, y in centers]
        routes = [[(y, x) for x, y in route] for route in routes]
        width, height = height, width
    return _Placed(items, centers, routes, (width, height))


def _drawable(box: Box, style: GraphStyle, total: int, words: Words) -> _Drawable:
    rows, head = _rows(box, style, words), _head(box, style)
    if box.inner is not None and style.nested and box.inner.boxes:
        inner = _place(box.inner, style, total, words)
        title = measure.width(f"{head[0]}  {head[1]}", HEADING, True)
        width = max(inner.size[0], min(title, _ROOM)) + 2 * _FRAME
        return _Drawable(box, rows, head, (width, inner.size[1] + _FRAME_TOP + _FRAME), inner)
    first = max((measure.width(what, SMALL) for what, _value, _key in rows), default=0.0)
    values = max((measure.width(value, SMALL) for _what, value, _key in rows), default=0.0)
    top = max(measure.width(head[0], HEADING, True), measure.width(head[1], SMALL))
    width = max(min(max(top, first + 14 + values), _ROOM + 60), 84.0) + 2 * _PAD
    height = 28.0 + (15.0 if head[1] else 0.0) + (_LEADING * len(rows) + 10 if rows else 0.0)
    if style.params and box.account.size:
        height += _BAR
    return _Drawable(box, rows, head, (width, height))


def _head(box: Box, style: GraphStyle) -> tuple[str, str]:
    """The box's title and, under it, its class."""
    again = f" ({box.use[0]}/{box.use[1]})" if box.use[1] > 1 else ""
    if not style.names:
        return measure.fitted(box.cls + again, _ROOM, HEADING, True), ""
    name = measure.fitted(box.account.name, _ROOM - 20, HEADING, True) + again
    return name, measure.fitted(box.cls, _ROOM, SMALL)


def _rows(box: Box, style: GraphStyle, words: Words) -> list[tuple[str, str, str]]:
    """What, value, key."""
    _, rows = words._, []
    if style.shapes:
        rows.append((_("input"), _joined(box.inputs), "input"))
        rows.append((_("output"), _joined(box.outputs), "output"))
    if style.dtype and box.dtype:
        rows.append((_("type"), box.dtype, "dtype"))
    if style.activations and box.activation is not None:
        rows.append((_("activation"), measure.fitted(box.activation, 160, SMALL), "activation"))
    if style.params:
        rows.append((_("parameters"), words.count(box.account.size), "params"))
    if style.trainable and box.trainable is not None:
        rows.append((_("trained"), _("yes") if box.trainable else _("no, frozen"), "trainable"))
    return rows


def _joined(shapes: tuple[tuple, ...]) -> str:
    texts = [f"({', '.join(map(str, shape))}{',' if len(shape) == 1 else ''})" for shape in shapes]
    return measure.fitted(", ".join(texts), _ROOM - 40, SMALL) if texts else "?"


# --- drawing -------------------------------------------------------------------------------------------------


def _draw(canvas: Canvas, placed: _Placed, origin: Point, style: GraphStyle, total: int, words: Words) -> None:
    left, top = origin
    for item, (x, y) in zip(placed.items, placed.centers, strict=True):
        corner = (left + x - item.size[0] / 2, top + y - item.size[1] / 2)
        if item.inner is not None:
            _frame(canvas, item, corner, style, total, words)
        else:
            _box(canvas, item, corner, style, total)
    for route in placed.routes:
        _edge(canvas, [(left + x, top + y) for x, y in route], style.rankdir in ("LR", "RL"))


def _frame(canvas: Canvas, item: _Drawable, corner: Point, style: GraphStyle, total: int, words: Words) -> None:
    """A model in the model: a frame with its layers in it."""
    x, y = corner
    width, height = item.size
    canvas.rect(x, y, width, height, SHADE, SOFT, dash="6 4", radius=10)
    room = width - 2 * _FRAME
    box = canvas.fit(x + _FRAME, y + 24, item.head[0], room, HEADING, bold=True)
    if item.head[1] and box.right + 12 + measure.width(item.head[1], SMALL) < x + width - _FRAME:
        canvas.text(box.right + 10, y + 24, item.head[1], SMALL, fill=SOFT)
    assert item.inner is not None
    inner = (x + (width - item.inner.size[0]) / 2, y + _FRAME_TOP)
    _draw(canvas, item.inner, inner, replace(style), total, words)


def _box(canvas: Canvas, item: _Drawable, corner: Point, style: GraphStyle, total: int) -> None:
    (x, y), (width, height), account = corner, item.size, item.box.account
    full = f"{account.name} ({item.box.cls})"
    canvas.rect(x, y, width, height, PAPER, INK, radius=6, title=full)
    line = y + 20
    canvas.text(x + width / 2, line, item.head[0], HEADING, "middle", bold=True, key=f"name:{account.name}",
                title=full)  # fmt: skip
    if item.head[1]:
        line += 15
        canvas.text(x + width / 2, line, item.head[1], SMALL, "middle", fill=SOFT)
    if item.rows:
        line += 8
        rule(canvas, x + _PAD, line, width - 2 * _PAD)
        for what, value, key in item.rows:
            line += _LEADING
            canvas.text(x + _PAD, line - 3, what, SMALL, fill=SOFT)
            canvas.text(x + width - _PAD, line - 3, value, SMALL, "end", key=f"{key}:{account.name}")
    if style.params and account.size:
        whole = width - 2 * _PAD
        canvas.rect(x + _PAD, y + height - _BAR - 4, whole, _BAR, FAINT, None)
        share = max(whole * account.size / total, 1.0)
        canvas.rect(x + _PAD, y + height - _BAR - 4, share, _BAR, LINES[0].stroke, None, key=f"share:{account.name}")


def _edge(canvas: Canvas, points: list[Point], sideways: bool) -> None:
    """A curve through the rows, straight where it passes boxes, with an arrow at its end."""
    for point in points:
        canvas.reach(*point)
    tip, before = points[-1], points[-2]
    length = 8.0
    dx, dy = tip[0] - before[0], tip[1] - before[1]
    along = (1 if dx >= 0 else -1, 0) if sideways else (0, 1 if dy >= 0 else -1)
    base = (tip[0] - along[0] * length, tip[1] - along[1] * length)
    d = f"M {_xy(points[0])}"
    for a, b in zip(points, [*points[1:-1], base], strict=False):
        if a[0] == b[0] or a[1] == b[1]:
            d += f" L {_xy(b)}"
            continue
        if sideways:
            middle = (a[0] + b[0]) / 2
            d += f" C {_xy((middle, a[1]))} {_xy((middle, b[1]))} {_xy(b)}"
        else:
            middle = (a[1] + b[1]) / 2
            d += f" C {_xy((a[0], middle))} {_xy((b[0], middle))} {_xy(b)}"
    canvas.path(d, INK, key="edge")
    canvas.head(base, tip)


def _xy(point: Point) -> str:
    return f"{number(point[0])} {number(point[1])}"
