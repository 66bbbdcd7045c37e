"""PyTorch: nn.LSTM, nn.GRU, nn.RNN, batch first; fused Adam; packed sequences where there is padding."""

from __future__ import annotations

import numpy as np
import torch

from benchmarks.grid import lengths
from benchmarks.problem import Problem, Way

_MODULES = {"lstm": torch.nn.LSTM, "gru": torch.nn.GRU, "simple_rnn": torch.nn.RNN}
_ORDERS = {"lstm": "ifco", "gru": "rzh", "simple_rnn": "h"}  # PyTorch calls the candidates g and n


def prepare(problem: Problem, mode: str, threads: int) -> dict[str, Way]:
    """{way: Way} for a cell."""
    torch.set_num_threads(threads)
    module, x = _module(problem), torch.from_numpy(problem.x)
    inputs = {"module": x}
    if problem.kind == "masked":
        real = torch.tensor(lengths(problem.cell))
        packed = torch.nn.utils.rnn.pack_padded_sequence(x, real, batch_first=True, enforce_sorted=False)
        inputs = {"packed": packed, "dense": x}
    if mode == "train":
        return {
            name.replace("module", "step"): Way(
                _training_step(_module(problem), given, problem), lambda loss: loss.detach().numpy(), name != "dense"
            )
            for name, given in inputs.items()
        }
    module.eval()
    return {
        name: Way(_inference(module, given), lambda h: _flat(h, problem).numpy(), name != "dense")
        for name, given in inputs.items()
    }


def _module(problem: Problem) -> torch.nn.RNNBase:
    """The module with the problem's weights."""
    family = problem.family
    options = {"bidirectional": {"bidirectional": True}, "stacked": {"num_layers": 2}}.get(problem.kind, {})
    module = _MODULES[family](problem.cell.F, problem.cell.H, batch_first=True, **options)
    for k in range(len(problem.layers)):
        W, U, b = problem.gates(_ORDERS[family], k)
        of_x, of_h = b if b.ndim == 2 else (b, np.zeros_like(b))
        place = {"bidirectional": "l0" + "_reverse" * k, "stacked": f"l{k}"}.get(problem.kind, "l0")
        arrays = {"weight_ih": W.T, "weight_hh": U.T, "bias_ih": of_x, "bias_hh": of_h}
        with torch.no_grad():
            for name, array in arrays.items():
                getattr(module, f"{name}_{place}").copy_(torch.from_numpy(array.copy()))
    return module


def _last(found: tuple) -> torch.Tensor:
    """h of the last step, (layers and directions, N, H)."""
    h = found[1]
    return h[0] if isinstance(h, tuple) else h


def _flat(h: torch.Tensor, problem: Problem) -> torch.Tensor:
    """(N, H) of the last layer, (N, 2H) of both directions."""
    return torch.cat((h[0], h[1]), dim=1) if problem.kind == "bidirectional" else h[-1]


def _inference(module: torch.nn.RNNBase, x):
    def infer() -> torch.Tensor:
        with torch.inference_mode():
            return _last(module(x))

    return infer


def _training_step(module: torch.nn.RNNBase, x, problem: Problem):
    head = torch.nn.Linear(len(problem.d), 1)
    with torch.no_grad():
        head.weight.copy_(torch.from_numpy(problem.d.T.copy()))
        head.bias.zero_()
    y = torch.from_numpy(problem.y)
    optimizer = torch.optim.Adam([*module.parameters(), *head.parameters()], lr=1e-3, eps=1e-7, fused=True)

    def step() -> torch.Tensor:
        optimizer.zero_grad(set_to_none=True)
        h = _flat(_last(module(x)), problem)
        loss = torch.nn.functional.mse_loss(head(h), y)
        loss.backward()
        optimizer.step()
        return loss

    return step
