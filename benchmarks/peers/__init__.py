"""Who takes part.  Each module here prepares one library for a problem; it is imported in that peer's own process."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from benchmarks.grid import KINDS, MODES

OURS = "gatewise"
LAYERS = ("lstm", "gru", "simple_rnn", "bidirectional", "stacked")
"""The kinds of cells that every peer takes part in."""


@dataclass(frozen=True)
class Peer:
    """A library that takes part.

    prepare: "module:function" with `function(problem, mode, threads) -> {way: Way}`.
    distributions: installed packages whose versions are noted.   environment: variables of its process.
    kinds: of cells that it takes part in.   threads: how many it is given; None for as many as all get.
    """

    name: str
    prepare: str
    distributions: tuple[str, ...]
    modes: tuple[str, ...] = MODES
    environment: Mapping[str, str] = field(default_factory=dict)
    threads: int | None = None
    kinds: tuple[str, ...] = LAYERS

    def takes(self, kind: str, mode: str) -> bool:
        """Whether it takes part in cells of this kind, in this mode."""
        return kind in self.kinds and mode in self.modes


def _keras(backend: str, package: str) -> Peer:
    return Peer(
        f"keras-{backend}", "keras_model:prepare", ("keras", package),
        modes=(*MODES, "fit"), environment={"KERAS_BACKEND": backend, "TF_CPP_MIN_LOG_LEVEL": "3"},
        kinds=(*LAYERS, "masked"),
    )  # fmt: skip


_ALL = (
    Peer(OURS, "ours:prepare", ("gatewise", "numpy"), modes=(*MODES, "fit"), kinds=KINDS),
    Peer("pytorch", "pytorch:prepare", ("torch",), kinds=(*LAYERS, "masked")),
    # Small cells, and busy machines, suit PyTorch better with one thread.
    Peer("pytorch-1-thread", "pytorch:prepare", ("torch",), threads=1, kinds=(*LAYERS, "masked")),
    Peer("onnxruntime", "onnx_runtimes:prepare_onnxruntime", ("onnxruntime",), modes=("infer",)),
    Peer("openvino", "onnx_runtimes:prepare_openvino", ("openvino",), modes=("infer",)),
    Peer("jax", "jax_scan:prepare", ("jax",)),
    _keras("tensorflow", "tensorflow"),
    _keras("jax", "jax"),
    _keras("torch", "torch"),
)
PEERS = {peer.name: peer for peer in _ALL}


def chosen(text: str) -> list[str]:
    """The peers' names in `all`, `none` or a comma-separated list; gatewise itself always takes part.

    Raises:
        ValueError: for a name that is not known.
    """
    others = [name for name in PEERS if name != OURS]
    if text in ("all", "none"):
        return others if text == "all" else []
    names = [name.strip() for name in text.split(",") if name.strip() != OURS]
    unknown = [name for name in names if name not in others]
    if unknown:
        raise ValueError(f"There is no peer {unknown[0]!r}; the peers are {', '.join(others)}.")
    return names
