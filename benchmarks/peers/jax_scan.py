"""JAX: an LSTM by hand with lax.scan, the projection of x taken out of the loop; each step jitted as a whole."""

from __future__ import annotations

import jax
import jax.numpy as jnp

from benchmarks.problem import Problem, Way


def prepare(problem: Problem, mode: str, threads: int) -> dict[str, Way]:
    """{way: Way} for a cell.  `threads` is kept by the CPUs that this process may use."""
    x, y = jnp.asarray(problem.x), jnp.asarray(problem.y)
    weights = {name: jnp.asarray(getattr(problem, name)) for name in "WUbd"}
    if mode == "infer":
        run = jax.jit(lstm)
        return {"jit": Way(lambda: run(weights, x).block_until_ready())}
    weights["e"] = jnp.zeros(1)
    state = [weights, *(jax.tree.map(jnp.zeros_like, weights) for _ in range(2)), jnp.zeros(())]
    jitted = jax.jit(adam_step, donate_argnums=(0, 1, 2, 3))

    def step():
        *state[:], loss = jitted(*state, x, y)
        return loss.block_until_ready()

    return {"jit": Way(step)}


def lstm(weights, x):
    """The last h (N, H) for x (N, T, F)."""
    N, H = x.shape[0], weights["U"].shape[0]
    projected = jnp.einsum("ntf,fk->tnk", x, weights["W"]) + weights["b"]

    def step(carry, z):
        h, c = carry
        i, f, g, o = jnp.split(z + h @ weights["U"], 4, axis=-1)
        c = jax.nn.sigmoid(f) * c + jax.nn.sigmoid(i) * jnp.tanh(g)
        return (jax.nn.sigmoid(o) * jnp.tanh(c), c), None

    (h, _), _ = jax.lax.scan(step, (jnp.zeros((N, H)), jnp.zeros((N, H))), projected)
    return h


def adam_step(weights, m, v, t, x, y, rate=1e-3, beta1=0.9, beta2=0.999, epsilon=1e-7):
    """(weights, m, v, t, loss) after one step of Adam on the mean squared error."""

    def loss_of(w):
        return jnp.mean((lstm(w, x) @ w["d"] + w["e"] - y) ** 2)

    loss, gradients = jax.value_and_grad(loss_of)(weights)
    t = t + 1
    m = jax.tree.map(lambda a, g: beta1 * a + (1 - beta1) * g, m, gradients)
    v = jax.tree.map(lambda a, g: beta2 * a + (1 - beta2) * g * g, v, gradients)
    scale = rate * jnp.sqrt(1 - beta2**t) / (1 - beta1**t)
    weights = jax.tree.map(lambda w, a, b: w - scale * a / (jnp.sqrt(b) + epsilon), weights, m, v)
    return weights, m, v, t, loss
