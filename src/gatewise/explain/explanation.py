"""Explanations: an account put into words, in English, Chinese or German.

`explain` returns an `Explanation`; printing it gives text, a notebook shows HTML, `to_dict()` gives data for JSON.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from gatewise import tree
from gatewise.explain.accounting import LayerAccount
from gatewise.explain.arithmetic import written
from gatewise.explain.counting import account as account_of
from gatewise.explain.document import Block, Formulas, Paragraph, Section, Table, html_of, text_of
from gatewise.explain.gated_words import GatedWords
from gatewise.explain.gru_words import GruWords, SimpleRnnWords
from gatewise.explain.language import Words, chosen_language, words_in
from gatewise.explain.layer_words import layer_blocks
from gatewise.explain.lstm_words import LstmWords
from gatewise.explain.phrases import call_text, symbolic_shape

_GATED: dict[str, type[GatedWords]] = {"lstm": LstmWords, "gru": GruWords, "simple_rnn": SimpleRnnWords}


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
    if account.kind in _GATED:
        text = _GATED[account.kind](account, words, level + 1)
        details = text.in_full() if in_full else text.in_short()
        return [Section(title, tuple([*text.headline(), *_sharing(account, words)]), level), *details]
    blocks = layer_blocks(account, words)
    return [Section(title, (*blocks, *_sharing(account, words)), level), *_inside(account, words, level, in_full)]


def _title(account: LayerAccount, words: Words) -> str:
    title = words.ngettext("{name}: {layer}, {n} parameter", "{name}: {layer}, {n} parameters", account.size)
    return title.format(name=account.name, layer=call_text(account), n=words.count(account.size))


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


def _inside(account: LayerAccount, words: Words, level: int, in_full: bool) -> list[Section]:
    """The sections about the layers inside a layer, where they hold something."""
    sections: list[Section] = []
    told: set[str] = set()
    for layer in account.inside:
        if layer.size:
            kinds = _gated_kinds(layer)
            sections += _layer(layer, words, min(level + 1, 2), in_full=in_full and not kinds & told)
            told |= kinds
    return sections


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
    return [Section(named, tuple(blocks), 1), *_parts(account, words, set())]


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
        name = f"{'  ' * depth}{layer.name} ({call_text(layer)})"
        rows.append((name, _output(layer), arithmetic, words.count(layer.counted)))
        if layer.kind == "model":
            inner = _rows(layer, words, depth + 1)
            rows += [(name, output, arithmetic, "") for name, output, arithmetic, _count in inner]
    return rows


def _output(account: LayerAccount) -> str:
    shape = account.output_shape
    if shape is None:
        return "?"
    shapes = [symbolic_shape(one) for one in tree.leaves_of_shapes(shape)]
    return shapes[0] if tree.is_shape(shape) else f"[{', '.join(shapes)}]"


def _parts(account: LayerAccount, words: Words, told: set[str]) -> list[Section]:
    """The sections of the model's layers; what holds for every layer of a kind is told at the first."""
    sections: list[Section] = []
    for layer in account.inside:
        if not layer.counted:
            continue
        if layer.kind == "model":
            sections.append(Section(_title(layer, words), _total(layer), 2))
            sections += _parts(layer, words, told)
            continue
        kinds = _gated_kinds(layer)
        sections += _layer(layer, words, 2, in_full=not kinds & told)
        told |= kinds
    return sections


def _gated_kinds(account: LayerAccount) -> set[str]:
    """The kinds of layers with gates in it: each is told in full once."""
    found = {account.kind} & set(_GATED)
    return found.union(*map(_gated_kinds, account.inside))
