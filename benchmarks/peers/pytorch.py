"""PyTorch: nn.LSTM, batch first; training with its fused Adam."""

from __future__ import annotations

import torch

from benchmarks.problem import Problem, Way


def prepare(problem: Problem, mode: str, threads: int) -> dict[str, Way]:
    """{way: Way} for a cell."""
    torch.set_num_threads(threads)
    lstm = torch.nn.LSTM(problem.cell.F, problem.cell.H, batch_first=True)
    W, U, b = problem.gates("ifco")  # PyTorch calls the candidate g; the order is Keras's
    with torch.no_grad():
        lstm.weight_ih_l0.copy_(torch.from_numpy(W.T.copy()))
        lstm.weight_hh_l0.copy_(torch.from_numpy(U.T.copy()))
        lstm.bias_ih_l0.copy_(torch.from_numpy(b))
        lstm.bias_hh_l0.zero_()
    x = torch.from_numpy(problem.x)
    if mode == "train":
        return {"step": Way(_training_step(lstm, x, problem), lambda loss: loss.detach().numpy())}
    lstm.eval()

    def infer() -> torch.Tensor:
        with torch.inference_mode():
            return lstm(x)[1][0]

    return {"module": Way(infer, lambda h: h.numpy())}


def _training_step(lstm: torch.nn.LSTM, x: torch.Tensor, problem: Problem):
    head = torch.nn.Linear(problem.cell.H, 1)
    with torch.no_grad():
        head.weight.copy_(torch.from_numpy(problem.d.T.copy()))
        head.bias.zero_()
    y = torch.from_numpy(problem.y)
    optimizer = torch.optim.Adam([*lstm.parameters(), *head.parameters()], lr=1e-3, eps=1e-7, fused=True)

    def step() -> torch.Tensor:
        optimizer.zero_grad(set_to_none=True)
        h, _ = lstm(x)
        loss = torch.nn.functional.mse_loss(head(h[:, -1]), y)
        loss.backward()
        optimizer.step()
        return loss

    return step
