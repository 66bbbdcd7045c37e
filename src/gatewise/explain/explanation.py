"""Explanations: an account put into words, in English, Chinese or German.

`explain` returns an `Explanation`; printing it gives text, a notebook shows HTML, `to_dict()` gives data for JSON.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from gatewise.explain.accounting import LayerAccount
from gatewise.explain.arithmetic import equation, plus, written
from gatewise.explain.counting import account as account_of
from gatewise.explain.document import Block, Formulas, Paragraph, Section, Table, html_of, text_of
from gatewise.explain.language import Words, chosen_language, words_in
from gatewise.explain.lstm_words import LstmWords
from gatewise.explain.phrases import option_texts, shape_text, symbolic_shape


@dataclass(frozen=True)
class Explanation:
    """An account in words.

    Attributes:
        account: the numbers.   lang: "en", "zh" or "de".   sections: the words.
    """

    account: LayerAccount
    lang: str
    sections: tuple[Section, ...]

    def __str__(self) -> str:
        return text_of(self.sections)

    def __repr__(self) -> str:
        return f"<Explanation of {self.account.name} ({self.account.cls}), lang={self.lang!r}; print() it>"

    def to_dict(self) -> dict[str, Any]:
        """Numbers and words as plain values, ready for JSON."""
        return {
            "language": self.lang,
            "account": self.account.to_dict(),
            "sections": [section.to_dict() for section in self.sections],
        }

    def to_html(self) -> str:
        """A fragment of HTML that needs no style sheet and no script."""
        return html_of(self.sections, self.lang)

    _repr_html_ = to_html


def explain(layer: Any, input_shape: Any = None, lang: str | None = None) -> Explanation:
    """Say in words what a layer or a model holds, why there are that many numbers, and what comes out.

    Args:
        layer: a layer or a model; it need not be built if `input_shape` is given, and is not changed.
        input_shape: of one sample: (13, 5) for 13 steps of 5 features; None for any number of steps.
        lang: "en", "zh" or "de"; default what the environment asks for (LANGUAGE, LC_ALL, LC_MESSAGES, LANG), or
            English.

    Raises:
        TypeError: if `layer` is not a layer.
        ValueError: for another language, or if the layer's weights do not exist and no shape is known.
    """
    lang = chosen_language(lang)
    return explanation_of(account_of(layer, input_shape), lang)


def explanation_of(account: LayerAccount, lang: str) -> Explanation:
    """The explanation of an account."""
    words = words_in(lang)
    sections = _model(account, words) if account.kind == "model" else _layer(account, words, 1, in_full=True)
    return Explanation(account, lang, tuple(sections))


# --- one layer -------------------------------------------------------------------------------------------------


def _layer(account: LayerAccount, words: Words, level: int, in_full: bool) -> list[Section]:
    """The sections about a layer, the first of them with its name as heading."""
    title = _title(account, words)
    if account.kind == "lstm":
        text = LstmWords(account, words, level + 1)
        details = text.in_full() if in_full else text.in_short()
        return [Section(title, tuple([*text.headline(), *_sharing(account, words)]), level), *details]
    blocks = _BLOCKS.get(account.kind, _other_blocks)(account, words)
    return [Section(title, (*blocks, *_sharing(account, words)), level), *_inside(account, words, level, in_full)]


def _title(account: LayerAccount, words: Words) -> str:
    title = words.ngettext("{name}: {layer}, {n} parameter", "{name}: {layer}, {n} parameters", account.size)
    return title.format(name=account.name, layer=_call(account), n=words.count(account.size))


def _call(account: LayerAccount) -> str:
    """LSTM(10), TimeDistributed(Dense(1)): the layer as one writes it, with what matters."""
    if account.kind == "time_distributed":
        return f"{account.cls}({_call(account.inside[0])})"
    units = account.sizes.get("units")
    return account.cls if units is None else f"{account.cls}({units})"


def _sharing(account: LayerAccount, words: Words) -> list[Block]:
    """What to say of a layer that is used several times, or whose weights stand under an earlier layer."""
    _, found = words._, []
    if account.uses > 1:
        text = _("The model uses this layer {n} times, with the same weights each time: they count once.")
        found.append(Paragraph(text.format(n=account.uses)))
    if account.counted < account.size:
        text = _("{n} of these parameters belong to a layer above as well and are counted there.")
        found.append(Paragraph(text.format(n=words.count(account.size - account.counted))))
    return found


def _dense_blocks(account: LayerAccount, words: Words) -> list[Block]:
    _, F, units = words._, account.sizes["features"] or 0, account.sizes["units"] or 0
    biased = any(matrix.name == "bias" for matrix in account.matrices)
    assert account.arithmetic is not None
    if units == 1 and biased:
        text = _(
            "{total} = {F} + 1: one weight for each of the {F} features, and one bias. The features are the "
            "last axis of the input; batch and time steps do not count."
        )
    elif biased:
        text = _(
            "Each of the {units} outputs has a weight for each of the {F} features, and a bias. The "
            "features are the last axis of the input; batch and time steps do not count."
        )
    else:
        text = _(
            "Each of the {units} outputs has a weight for each of the {F} features. The features are the "
            "last axis of the input; batch and time steps do not count."
        )
    sentence = text.format(total=account.size, F=F, units=units)
    formulas = Formulas((written(account.arithmetic, letters=True), equation(account.arithmetic)))
    return [formulas, Paragraph(sentence), *_table(account, words), *_option_lines(account, words)]


def _time_distributed_blocks(account: LayerAccount, words: Words) -> list[Block]:
    _, steps = words._, account.sizes["steps"]
    inner = account.inside[0]
    adds = words.ngettext(
        "TimeDistributed itself adds nothing. It applies {inner} to every time step, with the same {n} "
        "parameter each time, so it is counted once.",
        "TimeDistributed itself adds nothing. It applies {inner} to every time step, with the same {n} "
        "parameters each time, so they are counted once.",
        account.size,
    ).format(inner=_call(inner), n=words.count(account.size))
    if steps is None:
        times_used = _("However many steps the input has, the count is the same.")
    else:
        text = words.ngettext(
            "Here there is {steps} step; with any other number the count is the same.",
            "Here there are {steps} steps; with any other number the count is the same.",
            steps,
        )
        times_used = text.format(steps=steps)
    alike = _("Dense on its own does the same to an input (N, T, F), since it works on the last axis.")
    return [Paragraph(words.joined(adds, times_used, alike if inner.kind == "dense" else ""))]


def _other_blocks(account: LayerAccount, words: Words) -> list[Block]:
    if not account.size:
        return [Paragraph(words._("No weights: this layer computes without parameters."))]
    own = sum(matrix.size for matrix in account.matrices)
    blocks = _table(account, words) if own else []
    if account.inside and own < account.size:
        parts = [layer.size for layer in account.inside if layer.size]
        blocks.append(Formulas((equation(plus(*([own] if own else []), *parts)),)))
    return [*blocks, *_option_lines(account, words)]


def _inside(account: LayerAccount, words: Words, level: int, in_full: bool) -> list[Section]:
    """The sections about the layers inside a layer, where they hold something."""
    sections: list[Section] = []
    for layer in account.inside:
        if layer.size:
            seen = not in_full or any(_has_lstm(other) for other in account.inside[: account.inside.index(layer)])
            sections += _layer(layer, words, min(level + 1, 2), in_full=not seen)
    return sections


def _table(account: LayerAccount, words: Words) -> list[Block]:
    """The layer's own weights by shape."""
    _ = words._
    rows = [
        (m.name, shape_text(m.shape), written(m.arithmetic) if m.arithmetic else "", words.count(m.size))
        for m in account.matrices
    ]
    if not rows:
        return []
    sizes = [matrix.size for matrix in account.matrices]
    total = (_("together"), "", written(plus(*sizes)), words.count(sum(sizes)))
    header = (_("weight"), _("shape"), _("arithmetic"), _("parameters"))
    return [Table(header, (*rows, total) if len(rows) > 1 else tuple(rows), right=(3,), total=len(rows) > 1)]


def _option_lines(account: LayerAccount, words: Words) -> list[Block]:
    return [Paragraph(text) for text in option_texts(account, words)]


_BLOCKS: dict[str, Callable[[LayerAccount, Words], list[Block]]] = {
    "dense": _dense_blocks,
    "time_distributed": _time_distributed_blocks,
}


# --- models ----------------------------------------------------------------------------------------------------


def _model(account: LayerAccount, words: Words) -> list[Section]:
    """A table of the layers, the total, and a section for each layer that holds something."""
    _, count, n = words._, words.count, len(account.inside)
    title = words.ngettext("{name}: {n} layer, {total} parameters", "{name}: {n} layers, {total} parameters", n)
    rows = tuple(_rows(account, words))
    header = (_("layer"), _("output"), _("arithmetic"), _("parameters"))
    terms = _total_terms(account)
    total = (_("together"), "", terms if " + " in terms else "", count(account.size))
    blocks: list[Block] = [Table(header, (*rows, total), right=(3,), total=True)]
    blocks += _total(account)
    text = _("{trainable} of them can be trained, {frozen} cannot.")
    blocks.append(
        Paragraph(text.format(trainable=count(account.trainable_size), frozen=count(account.non_trainable_size)))
    )
    named = title.format(name=account.name, n=n, total=count(account.size))
    return [Section(named, tuple(blocks), 1), *_parts(account, words, [])]


def _total_terms(account: LayerAccount) -> str:
    """480 + 11: what the layers add to the model's total."""
    own = sum(matrix.size for matrix in account.matrices if matrix.counted)
    terms = [*([own] if own else []), *(layer.counted for layer in account.inside if layer.counted)]
    return " + ".join(map(str, terms)) or "0"


def _total(account: LayerAccount) -> tuple[Block, ...]:
    """The sum of the layers, where there is more than one to add."""
    terms = _total_terms(account)
    return (Formulas((f"{terms} = {account.counted}",)),) if " + " in terms else ()


def _rows(account: LayerAccount, words: Words, depth: int = 0) -> list[tuple[str, ...]]:
    """A row for each layer, those of a model inside a model indented."""
    rows = []
    for layer in account.inside:
        arithmetic = written(layer.arithmetic) if layer.arithmetic is not None else ""
        name = f"{'  ' * depth}{layer.name} ({_call(layer)})"
        rows.append((name, _output(layer), arithmetic, words.count(layer.counted)))
        if layer.kind == "model":
            inner = _rows(layer, words, depth + 1)
            rows += [(name, output, arithmetic, "") for name, output, arithmetic, _count in inner]
    return rows


def _output(account: LayerAccount) -> str:
    shape = account.output_shape
    if shape is None:
        return "?"
    if isinstance(shape, list):
        return f"[{', '.join(symbolic_shape(tuple(one)) for one in shape)}]"
    return symbolic_shape(tuple(shape)) if isinstance(shape, tuple) else str(shape)


def _parts(account: LayerAccount, words: Words, told: list[str]) -> list[Section]:
    """The sections of the model's layers; what holds for every LSTM is told at the first."""
    sections: list[Section] = []
    for layer in account.inside:
        if not layer.counted:
            continue
        if layer.kind == "model":
            sections.append(Section(_title(layer, words), _total(layer), 2))
            sections += _parts(layer, words, told)
            continue
        sections += _layer(layer, words, 2, in_full="lstm" not in told)
        if _has_lstm(layer):
            told.append("lstm")
    return sections


def _has_lstm(account: LayerAccount) -> bool:
    return account.kind == "lstm" or any(_has_lstm(layer) for layer in account.inside)
