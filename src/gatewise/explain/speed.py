"""Speed: which kernel each layer runs in, how its work is divided and why, and what time to expect, as data.

How work is divided is asked of the kernels themselves (`kernels.planning`); operations and bytes are counted from the
shapes; the expected time is the largest of three: what the multiply-add units, the caches and the memory need for them.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from gatewise import config, kernels, tree, validation
from gatewise.chains.links import is_chain_class, links_up_to
from gatewise.explain.document import Section, text_of
from gatewise.explain.language import chosen_language
from gatewise.explain.memory import sized_input
from gatewise.explain.speed_rates import Rates, assumed_rates, measured_rates
from gatewise.explain.speed_rules import Shape, Work, work_of
from gatewise.explain.walk import known_input
from gatewise.functional import Functional
from gatewise.graph import SymbolicTensor
from gatewise.layer import Layer

CALL_SECONDS = 2e-6
"""What a call costs before any arithmetic, where one native object runs all layers; see benchmarks."""
LAYER_SECONDS = 6e-6
"""What each layer adds to that where Python goes from one to the next."""


@dataclass(frozen=True)
class Reason:
    """Why something is done so.  kind: which sentence says it; values: what stands in it."""

    kind: str
    values: dict[str, Any]


@dataclass(frozen=True)
class LayerSpeed:
    """One use of a layer.

    Attributes:
        name, cls: the layer's name, and that of its class.
        kernel: what computes it: "lstm", "gru", "simple_rnn", "lstm_variant", "matmul", "numpy", or "python" for
            code of the user's own.
        threads: how many it uses.   by_units: each takes some units and waits at every step; else some sequences.
        projected: x W of all steps comes first.   sorted: sequences with masks are taken longest first.
        flops: floating point operations of its matrix products.   exact: False where some of them are not known.
        bytes: what it reads and writes, weights as often as they come from memory.
        weight_bytes: of its weights.
        limit: what takes the time: "compute", "cache", "memory", "call", or "unknown".
        seconds: the expected time; None where it is not known.
        reasons: why, in the order in which they are told.
    """

    name: str
    cls: str
    kernel: str
    threads: int
    by_units: bool
    projected: bool
    sorted: bool
    flops: int
    exact: bool
    bytes: int
    weight_bytes: int
    limit: str
    seconds: float | None
    reasons: tuple[Reason, ...]

    @property
    def intensity(self) -> float:
        """Operations for each byte."""
        return self.flops / self.bytes if self.bytes else 0.0

    @property
    def flops_per_second(self) -> float | None:
        """The expected rate."""
        return self.flops / self.seconds if self.seconds else None

    def to_dict(self) -> dict[str, Any]:
        found = {name: getattr(self, name) for name in self.__dataclass_fields__ if name != "reasons"}
        found |= {"intensity": self.intensity, "flops_per_second": self.flops_per_second}
        return found | {"reasons": [{"kind": one.kind, **one.values} for one in self.reasons]}


@dataclass(frozen=True)
class Speed:
    """What a call of a layer or a model does, and how long it should take.

    Attributes:
        name: the model's or the layer's.   batch_size: N.   steps: T where it was given.
        training: whether forward pass and way back are meant; else prediction.
        instruction_set: the kernels'.   threads: how many they may use.
        rates: what the machine can do.
        chain: whether one native object runs all layers of a prediction.   chain_reason: why not, or None.
        layers: in the order in which they run.
        lang: the language of the text.
    """

    name: str
    batch_size: int
    steps: int | None
    training: bool
    instruction_set: str
    threads: int
    rates: Rates
    chain: bool
    chain_reason: Reason | None
    layers: tuple[LayerSpeed, ...]
    lang: str = "en"

    @property
    def flops(self) -> int:
        return sum(layer.flops for layer in self.layers)

    @property
    def bytes(self) -> int:
        return sum(layer.bytes for layer in self.layers)

    @property
    def seconds(self) -> float | None:
        """The expected time of a call; None where a layer's is not known."""
        known = [layer.seconds for layer in self.layers]
        if any(seconds is None for seconds in known):
            return None
        fixed = CALL_SECONDS if self.chain else CALL_SECONDS + LAYER_SECONDS * len(known)
        return fixed + sum(seconds for seconds in known if seconds is not None)

    @property
    def flops_per_second(self) -> float | None:
        return None if self.seconds is None else self.flops / self.seconds

    def to_dict(self) -> dict[str, Any]:
        """The numbers as plain values, ready for JSON."""
        reason = self.chain_reason
        return {
            "name": self.name, "batch_size": self.batch_size, "steps": self.steps, "training": self.training,
            "instruction_set": self.instruction_set, "threads": self.threads, "rates": self.rates.to_dict(),
            "chain": self.chain, "chain_reason": None if reason is None else {"kind": reason.kind, **reason.values},
            "flops": self.flops, "bytes": self.bytes, "seconds": self.seconds,
            "layers": [layer.to_dict() for layer in self.layers],
        }  # fmt: skip

    def section(self) -> Section:
        """The same in words and a table."""
        from gatewise.explain.speed_words import section_of

        return section_of(self)

    def __str__(self) -> str:
        return text_of((self.section(),))


def explain_speed(
    layer: Any,
    batch_size: int = 32,
    steps: int | None = None,
    training: bool = False,
    measure: bool = True,
    lang: str | None = None,
) -> Speed:
    """Which kernels a layer or a model runs in and why, and what time a call should take.

    Args:
        layer: a layer that is built, or a Sequential or functional model.
        batch_size: N.
        steps: T, where the input has an open number of time steps.
        training: tell of a training step's forward pass and way back; default of prediction.
        measure: measure the peak of the multiply-add units and the memory (once, in 0.1 s), or assume them.
        lang: "en", "zh" or "de"; default what the environment asks for, or English.

    Raises:
        TypeError: if `layer` is no layer, or a model that only its `call` knows.
        ValueError: for a layer that is not built, for sizes that are none, and where the steps are not known.
    """
    batch_size = validation.positive_integer(batch_size, "batch_size", "explain_speed()")
    uses = list(_uses(layer, batch_size, steps))
    item = uses[0][0]._array_type.itemsize if uses[0][0]._array_type.kind == "f" else 4
    rates = measured_rates(item) if measure else assumed_rates(item)
    chain, reason = _chain(layer)
    return Speed(
        layer.name, batch_size, steps, bool(training), kernels.instruction_set(), config.threads(), rates,
        chain and not training, reason,
        tuple(_layer_speed(one, shapes, made, masked, training, rates) for one, shapes, made, masked in uses),
        chosen_language(lang),
    )  # fmt: skip


_Use = tuple[Layer, list[Shape], list[Shape], bool]


def _uses(layer: Any, batch_size: int, steps: int | None) -> Iterator[_Use]:
    """(layer, shapes of its inputs, of its outputs, whether it is given a mask) of each use."""
    if not isinstance(layer, Layer) or (layer.is_model and not isinstance(layer, Functional)):
        raise TypeError(
            "explain_speed() goes through a layer, or a Sequential or functional model; got "
            f"{type(layer).__name__}. What a subclassed model runs, its call alone knows: ask its layers one by one."
        )
    if not layer.built:
        raise ValueError(
            f"Layer '{layer.name}' ({type(layer).__name__}) is not built, so its shapes are not known. Give it an "
            "Input, or call it on data first."
        )
    if not isinstance(layer, Functional):
        given = known_input(layer, None)
        if given is None:
            raise ValueError(f"Layer '{layer.name}' does not know the shape of its input. Call it on an Input first.")
        shapes = [tuple(given)] if tree.is_shape(given) else [tuple(s) for s in tree.leaves_of_shapes(given)]
        inputs = [
            sized_input(SymbolicTensor(s, layer.dtype), batch_size, steps, layer.name, "explain_speed")
            for s in shapes[:1]
        ]
        outputs = layer.compute_output_shape(tuple(inputs[0].shape))
        made = [tuple(s) for s in tree.leaves_of_shapes(outputs)]
        yield layer, [_sizes(x.shape) for x in inputs], made, False
        return
    known: dict[int, Any] = {
        id(x): sized_input(x, batch_size, steps, layer.name, "explain_speed") for x in layer.inputs
    }
    masked: set[int] = set()
    for step in layer._graph._steps:
        node = step.node
        leaves = [known.get(id(x), x) for x in node.inputs]
        outputs = list(tree.leaves(node.layer._symbolic_outputs(leaves, node.structure)))
        known.update((id(y), new) for y, new in zip(node.outputs, outputs, strict=True))
        is_masked = step.is_given_mask or not masked.isdisjoint(map(id, node.inputs))
        if step.creates_mask or (is_masked and node.layer.supports_masking):
            masked.update(id(y) for y, made in zip(node.outputs, outputs, strict=True) if len(made.shape) > 2)
        yield node.layer, [_sizes(x.shape) for x in leaves], [_sizes(y.shape) for y in outputs], is_masked


def _sizes(shape: Any) -> Shape:
    return tuple(shape)


def _chain(layer: Any) -> tuple[bool, Reason | None]:
    """Whether a prediction is one native call, and why not."""
    if not is_chain_class(layer):
        return False, Reason("chain_class", {"layer": layer.name, "cls": type(layer).__name__})
    found = links_up_to(layer)
    if found is None:
        return False, Reason("chain_graph", {"layer": layer.name})
    _, outside = found
    if outside is None:
        return True, None
    return False, Reason("chain_layer", {"layer": outside.name, "cls": type(outside).__name__})


def _layer_speed(
    layer: Any, inputs: Sequence[Shape], outputs: Sequence[Shape], masked: bool, training: bool, rates: Rates
) -> LayerSpeed:
    work = work_of(layer, inputs, outputs, masked, training)
    seconds, limit = _time(work, rates)
    plan = work.plan
    return LayerSpeed(
        layer.name, type(layer).__name__, work.kernel, work.threads, bool(plan and plan.by_units),
        bool(plan and plan.projected), bool(plan and plan.sorted), work.flops, work.exact, work.bytes,
        work.weight_bytes, limit, seconds, tuple(Reason(kind, values) for kind, values in work.reasons),
    )  # fmt: skip


def _time(work: Work, rates: Rates) -> tuple[float | None, str]:
    """(expected seconds, what takes them)."""
    if work.kernel == "python" or not work.exact:
        return None, "unknown"
    share = work.threads / max(rates.threads, 1)
    needs = {
        "compute": work.padded_flops / (rates.flops * share),
        "cache": work.near_bytes / (rates.cache_bytes * share),
        "memory": work.bytes / rates.memory_bytes,
    }
    limit = max(needs, key=lambda name: needs[name])
    return needs[limit], limit if needs[limit] > CALL_SECONDS / 2 else "call"
