"""Phrases that several explanations share: options, shapes, arithmetic within running text."""

from __future__ import annotations

from gatewise.explain.accounting import LayerAccount
from gatewise.explain.arithmetic import Expression, equation
from gatewise.explain.language import Words
from gatewise.explain.text_width import NO_BREAK


def option_texts(account: LayerAccount, words: Words) -> tuple[str, ...]:
    """A sentence for each argument that differs from its default, and for frozen weights."""
    _, options, H = words._, account.options, account.sizes.get("units") or 0
    known = {
        "use_bias": _("use_bias=False: no bias, so {n} parameters fewer."),
        "unit_forget_bias": _("unit_forget_bias=False: the forget gate's bias begins like the others, not at 1."),
        "go_backwards": _("go_backwards=True: reads from the last step to the first; outputs come in that order."),
        "stateful": _("stateful=True: keeps h and C from batch to batch; the count is the same."),
        "unroll": _("unroll=True: changes neither results nor count."),
        "time_major": _("time_major=True: inputs and output sequences are (T, N, ...), time first."),
        "zero_output_for_mask": _("zero_output_for_mask=True: masked steps put out zeros."),
        "dropout": _("dropout={value}: in training, this part of x is set to zero; no parameters."),
        "recurrent_dropout": _(
            "recurrent_dropout={value}: in training, this part of h[t-1] is set to zero; no parameters."
        ),
        "reset_after": _("reset_after=False: the reset gate comes before the product, with one bias for each gate."),
        "peephole": _("peephole=True: the gates see the cell too, through a weight for each unit."),
        "cell_clip": _("cell_clip={value}: the cell state is cut off at -{value} and {value}; no parameters."),
        "projection_units": _("projection_units={value}: h is projected to {value} numbers by a matrix of its own."),
        "coupled_gates": _("coupled_gates=True: the forget gate is 1 - i, so it has no weights."),
        "layer_norm": _("layer_norm=True: products and cell are normalised (N), times gains that are trained."),
        "zoneout_cell": _("zoneout_cell={value}: in training, this part of C keeps its value at a step."),
        "zoneout_output": _("zoneout_output={value}: in training, this part of h keeps its value at a step."),
        "merge_mode": "",  # told where the two outputs are
    }
    fewer = max(len(account.gates), 1) * H
    texts = [known[name].format(value=value, n=fewer) for name, value in options.items() if known[name]]
    frozen = account.non_trainable_size
    if frozen:
        text = _("Frozen: {n} of the {total} parameters are there, and training does not change them.")
        texts.append(text.format(n=words.count(frozen), total=words.count(account.size)))
    return tuple(texts)


def unbroken(expression: Expression) -> str:
    """The equation for use within running text: no line ends inside it."""
    return equation(expression).replace(" ", NO_BREAK)


def shape_text(shape: tuple[int | None, ...]) -> str:
    """(5, 40), or (40,)."""
    return f"({', '.join(map(str, shape))}{',' if len(shape) == 1 else ''})"


def symbolic_shape(shape: tuple[int | None, ...], time_major: bool = False) -> str:
    """(N, 13, 10) for (None, 13, 10): letters for sizes that may be anything."""
    letters = ["T", "N"] if time_major and len(shape) == 3 else ["N", "T"]
    named = [letters[k] if size is None and k < 2 else str(size) for k, size in enumerate(shape)]
    return f"({', '.join(named)}{',' if len(named) == 1 else ''})"


def call_text(account: LayerAccount) -> str:
    """LSTM(10), Bidirectional(GRU(4)): the layer as one writes it, with what matters."""
    if account.kind == "stack":
        return f"[{', '.join(call_text(cell) for cell in account.inside)}]"
    if account.kind in ("time_distributed", "bidirectional", "rnn"):
        return f"{account.cls}({call_text(account.inside[0])})"
    if {"input_dim", "output_dim"} <= set(account.sizes):
        return f"{account.cls}({account.sizes['input_dim']}, {account.sizes['output_dim']})"
    first = next((account.sizes[name] for name in ("units", "filters") if account.sizes.get(name)), None)
    return account.cls if first is None else f"{account.cls}({first})"
