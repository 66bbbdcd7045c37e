"""Speed in words: a table of the layers, then a sentence for each reason."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from gatewise.explain.document import Paragraph, Points, Section, Table
from gatewise.explain.language import Words, words_in
from gatewise.explain.tables import readable_bytes

if TYPE_CHECKING:
    from gatewise.explain.speed import LayerSpeed, Reason, Speed


def section_of(speed: Speed) -> Section:
    """All of it: title, the machine, a row for each layer, and the reasons."""
    words = words_in(speed.lang)
    _ = words._
    what = _("a training step") if speed.training else _("prediction")
    title = _("Speed of '{name}': {what} of {n} samples").format(name=speed.name, what=what, n=speed.batch_size)
    header = (
        _("layer"), _("kernel"), _("threads"), _("operations"), _("bytes"), _("operations a byte"), _("limit"),
        _("expected time"), _("GFLOP/s"),
    )  # fmt: skip
    rows = [tuple(_row(layer, words)) for layer in speed.layers]
    total = (
        _("in all"), "", "", _operations(speed.flops), readable_bytes(speed.bytes), "", "",
        _duration(speed.seconds, words), _rate(speed.flops_per_second),
    )  # fmt: skip
    table = Table(header, (*rows, total), right=(2, 3, 4, 5, 7, 8), total=True)
    points = tuple(f"{layer.name}: {words.joined(*_told(layer, words))}" for layer in speed.layers if layer.reasons)
    return Section(title, (Paragraph(_machine(speed, words)), table, Paragraph(_chain(speed, words)), Points(points)))


def _machine(speed: Speed, words: Words) -> str:
    _, rates = words._, speed.rates
    known = _("measured") if rates.measured else _("assumed")
    text = _(
        "Kernels for {isa}, up to {threads} threads: at most {peak} GFLOP/s from registers, {memory} GB/s from memory "
        "({known}). Times are estimates: the largest of what arithmetic, caches and memory need."
    )
    return text.format(
        isa=speed.instruction_set, threads=speed.threads, peak=f"{rates.flops / 1e9:.0f}",
        memory=f"{rates.memory_bytes / 1e9:.0f}", known=known,
    )  # fmt: skip


def _row(layer: LayerSpeed, words: Words) -> Iterator[str]:
    yield f"{layer.name} ({layer.cls})"
    yield _kernel(layer.kernel, words)
    yield str(layer.threads)
    yield _operations(layer.flops) if layer.exact or layer.flops else "?"
    yield readable_bytes(layer.bytes)
    yield f"{layer.intensity:.1f}"
    yield _limit(layer.limit, words)
    yield _duration(layer.seconds, words)
    yield _rate(layer.flops_per_second)


def _kernel(kernel: str, words: Words) -> str:
    _ = words._
    known = {"numpy": "NumPy", "python": _("Python, your code"), "matmul": _("matrix product")}
    return known.get(kernel, kernel)


def _limit(limit: str, words: Words) -> str:
    _ = words._
    return {
        "compute": _("arithmetic"), "cache": _("caches"), "memory": _("memory"), "call": _("the call itself"),
        "unknown": _("not known"),
    }[limit]  # fmt: skip


def _chain(speed: Speed, words: Words) -> str:
    _ = words._
    if speed.training:
        return _("Times are of the layers' own work; loss and optimizer come on top.")
    if speed.chain:
        return _("A prediction is one native call through all layers, from the second call on.")
    assert speed.chain_reason is not None
    known = {
        "chain_class": _("Python goes from layer to layer: '{layer}' ({cls}) is none that the native chain takes."),
        "chain_graph": _("Python goes from layer to layer: '{layer}' is no plain row of layers with one input."),
        "chain_layer": _("Python goes from layer to layer: the native chain does not take '{layer}' ({cls})."),
    }
    return known[speed.chain_reason.kind].format(**speed.chain_reason.values)


def _told(layer: LayerSpeed, words: Words) -> Iterator[str]:
    return (_sentence(reason, words) for reason in layer.reasons)


def _sentence(reason: Reason, words: Words) -> str:
    _ = words._
    known = {
        "one_allowed": _("One thread: more are not allowed."),
        "little_work": _("One thread: {flops} operations in all; two are worth while from {least} on."),
        "steps_too_small": _(
            "One thread: a batch of {rows} is too small to divide, and a step's {flops} operations are too few to wait "
            "for each other (from {least} for each thread on)."
        ),
        "by_sequences": _("{threads} threads, each with its share of the {rows} sequences: nobody waits."),
        "by_units_few_rows": _(
            "{threads} threads, each with its share of the units and a wait at every step: a batch of {rows} does not "
            "fill the tiles of {threads} threads ({enough} sequences each do)."
        ),
        "by_units_cache": _(
            "{threads} threads, each with its share of the units and a wait at every step: the {bytes} of weights do "
            "not fit one core's cache ({cache}), a share does."
        ),
        "projected": _("x W of all steps comes first: with fewer than {few} sequences that reads W once."),
        "fused": _("x W and h U are summed in the same registers."),
        "sorted": _("Sequences with masks are taken longest first, so padding costs next to nothing."),
        "weights_near": _("The weights ({bytes}) stay in the cores' caches ({cache} each) from step to step."),
        "weights_far": _("The weights ({bytes}) come from beyond the cores' caches ({cache} each) at every step."),
        "variant": _("The kernel of the LSTM's variants: everything stays in one pass over the steps."),
        "quantized": _("Weights of {storage}."),
        "activation": _("NumPy: the kernels do not know all of these activations: {names}."),
        "python": _("Python, your code: what {cls} computes is not known here."),
        "numpy": _("NumPy, on whole arrays."),
        "parts": _("{count} parts that are counted together; of the first:"),
        "rows_shared": _("{threads} threads share the rows."),
        "one_thread_enough": _("One thread is enough."),
    }
    return known[reason.kind].format(**{name: _value(name, value) for name, value in reason.values.items()})


def _value(name: str, value: Any) -> str:
    if name in ("bytes", "cache"):
        return readable_bytes(value)
    if name in ("flops", "least"):
        return _operations(value)
    return ", ".join(value) if isinstance(value, list) else str(value)


def _operations(count: float) -> str:
    for unit, size in (("T", 1e12), ("G", 1e9), ("M", 1e6), ("k", 1e3)):
        if count >= size:
            return f"{count / size:.3g} {unit}"
    return f"{count:.0f}"


def _duration(seconds: float | None, words: Words) -> str:
    if seconds is None:
        return words._("not known")
    for unit, size in (("s", 1.0), ("ms", 1e-3)):
        if seconds >= size:
            return f"{seconds / size:.3g} {unit}"
    return f"{seconds * 1e6:.3g} µs"


def _rate(flops_per_second: float | None) -> str:
    return "-" if not flops_per_second else f"{flops_per_second / 1e9:.3g}"
