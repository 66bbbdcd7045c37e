"""What layers without gates hold, and what wrappers add, in words."""

from __future__ import annotations

from collections.abc import Callable

from gatewise.explain.accounting import LayerAccount
from gatewise.explain.arithmetic import equation, plus, written
from gatewise.explain.document import Block, Formulas, Paragraph, Table
from gatewise.explain.language import Words
from gatewise.explain.phrases import call_text, option_texts, shape_text

Sentence = Callable[[LayerAccount, Words], str]


def layer_blocks(account: LayerAccount, words: Words) -> list[Block]:
    """The formula, a sentence on what the numbers are, their table, and what the options do."""
    told = _SENTENCES.get(account.kind) or _SENTENCES.get(account.cls)
    options: list[Block] = [Paragraph(text) for text in option_texts(account, words)]
    if account.kind in _WRAPPERS:
        sentence = [Paragraph(told(account, words))] if told else []
        return [*_sum_of_parts(account), *sentence, *options]
    if not account.size:
        return [Paragraph(words._("No weights: this layer computes without parameters."))]
    own = sum(matrix.size for matrix in account.matrices)
    blocks: list[Block] = []
    if account.arithmetic is not None and own:
        letters, numbers = written(account.arithmetic, letters=True), equation(account.arithmetic)
        blocks.append(Formulas((letters, numbers) if letters != written(account.arithmetic) else (numbers,)))
    blocks += [Paragraph(told(account, words))] if told else []
    blocks += _table(account, words) if own else []
    if own < account.size:
        blocks += _sum_of_parts(account)
    return [*blocks, *options]


def _sum_of_parts(account: LayerAccount) -> list[Block]:
    """The numbers of the layer itself and of those inside it added up, where there is something to add."""
    own = sum(matrix.size for matrix in account.matrices)
    parts = [*([own] if own else []), *(layer.size for layer in account.inside if layer.size)]
    return [Formulas((equation(plus(*parts)),))] if len(parts) > 1 else []


def _table(account: LayerAccount, words: Words) -> list[Block]:
    """The layer's own weights by shape."""
    _ = words._
    rows = [
        (m.name, shape_text(m.shape), written(m.arithmetic) if m.arithmetic else "", words.count(m.size))
        for m in account.matrices
    ]
    sizes = [matrix.size for matrix in account.matrices]
    total = (_("together"), "", written(plus(*sizes)), words.count(sum(sizes)))
    header = (_("weight"), _("shape"), _("arithmetic"), _("parameters"))
    return [Table(header, (*rows, total) if len(rows) > 1 else tuple(rows), right=(3,), total=len(rows) > 1)]


# --- wrappers --------------------------------------------------------------------------------------------------


def _time_distributed(account: LayerAccount, words: Words) -> str:
    _, steps = words._, account.sizes["steps"]
    inner = account.inside[0]
    adds = words.ngettext(
        "TimeDistributed itself adds nothing. It applies {inner} to every time step, with the same {n} "
        "parameter each time, so it is counted once.",
        "TimeDistributed itself adds nothing. It applies {inner} to every time step, with the same {n} "
        "parameters each time, so they are counted once.",
        account.size,
    ).format(inner=call_text(inner), n=words.count(account.size))
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
    return words.joined(adds, times_used, alike if inner.kind == "dense" else "")


def _bidirectional(account: LayerAccount, words: Words) -> str:
    _ = words._
    mode = account.options.get("merge_mode", "concat")
    halves = _(
        "Two layers, each with weights of its own: one reads the sequence from its beginning, the other from its end. "
        "Bidirectional itself adds nothing."
    )
    merged = {
        "concat": _("Their outputs are joined, so the next layer sees both lengths together."),
        "sum": _("Their outputs are added."),
        "mul": _("Their outputs are multiplied number by number."),
        "ave": _("The mean of their outputs goes on."),
        None: _("Both outputs are returned."),
    }[mode]
    return words.joined(halves, merged)


def _rnn(account: LayerAccount, words: Words) -> str:
    return words._("RNN itself adds nothing: it runs its cell over the steps, with the same weights every time.")


def _stack(account: LayerAccount, words: Words) -> str:
    return words._("At each step the cells run one after another: the output of each is the input of the next.")


_WRAPPERS = ("time_distributed", "bidirectional", "rnn", "stack")


# --- layers ----------------------------------------------------------------------------------------------------


def _dense(account: LayerAccount, words: Words) -> str:
    _, F, units = words._, account.sizes["features"] or 0, account.sizes["units"] or 0
    biased = any(matrix.name == "bias" for matrix in account.matrices)
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
    return text.format(total=account.size, F=F, units=units)


def _embedding(account: LayerAccount, words: Words) -> str:
    text = words._(
        "A table: for each of the integers 0 to {last} a row of {n} numbers, which stands in the integer's place. How "
        "long the sequences are does not count."
    )
    return text.format(last=(account.sizes["input_dim"] or 1) - 1, n=account.sizes["output_dim"])


def _convolution(account: LayerAccount, words: Words) -> str:
    text = words._(
        "Each filter has a weight for every feature at every place of its window, and a bias if there is one. The same "
        "filters serve every place of the input, so its length does not count."
    )
    return text


def _conv_lstm(account: LayerAccount, words: Words) -> str:
    text = words._(
        "An LSTM whose products are convolutions: three gates and the candidate, 4 x {filters} channels in all, for "
        "the input (kernel) and for h[t-1] (recurrent_kernel). Neither steps nor the size of the picture count."
    )
    return text.format(filters=account.sizes.get("filters"))


def _batch_normalization(account: LayerAccount, words: Words) -> str:
    return words._(
        "gamma and beta are trained, one each for a feature. The moving mean and variance are taken from the data and "
        "used in prediction; they are counted, but not trained."
    )


def _layer_normalization(account: LayerAccount, words: Words) -> str:
    return words._("A factor and, if there is one, an offset for each number that is normalised; both are trained.")


def _attention_heads(account: LayerAccount, words: Words) -> str:
    text = words._(
        "{heads} heads. Query, key and value are each projected to {size} numbers a head, and what the heads put out "
        "is projected back: four Dense layers, as it were. The length of the sequences does not count."
    )
    return text.format(heads=account.sizes.get("num_heads"), size=account.sizes.get("key_dim"))


_SENTENCES: dict[str, Sentence] = {
    "time_distributed": _time_distributed,
    "bidirectional": _bidirectional,
    "rnn": _rnn,
    "stack": _stack,
    "dense": _dense,
    "Embedding": _embedding,
    "Conv1D": _convolution,
    "Conv2D": _convolution,
    "ConvLSTM1D": _conv_lstm,
    "ConvLSTM2D": _conv_lstm,
    "ConvLSTM3D": _conv_lstm,
    "BatchNormalization": _batch_normalization,
    "LayerNormalization": _layer_normalization,
    "MultiHeadAttention": _attention_heads,
}
"""By the account's kind, or the name of the layer's class."""
