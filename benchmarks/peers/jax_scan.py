"""JAX: layers by hand with lax.scan, the projection of x taken out of the loop; each step jitted as a whole."""

from __future__ import annotations

import jax
import jax.numpy as jnp

from benchmarks.problem import Problem, Way


def prepare(problem: Problem, mode: str, threads: int) -> dict[str, Way]:
    """{way: Way} for a cell.  `threads` is kept by the CPUs that this process may use."""
    x, y = jnp.asarray(problem.x), jnp.asarray(problem.y)
    layers = [tuple(map(jnp.asarray, layer)) for layer in problem.layers]

    def run(layers, x):
        return whole(layers, x, problem.kind, _STEPS[problem.family])

    if mode == "infer":
        jitted = jax.jit(run)
        return {"jit": Way(lambda: jitted(layers, x).block_until_ready())}
    weights = {"layers": layers, "d": jnp.asarray(problem.d), "e": jnp.zeros(1)}
    state = [weights, *(jax.tree.map(jnp.zeros_like, weights) for _ in range(2)), jnp.zeros(())]
    step_of = jax.jit(lambda *given: adam_step(run, *given), donate_argnums=(0, 1, 2, 3))

    def step():
        *state[:], loss = step_of(*state, x, y)
        return loss.block_until_ready()

    return {"jit": Way(step)}


def whole(layers, x, kind, step):
    """The last h: (N, H), of both directions (N, 2H)."""
    if kind == "bidirectional":
        return jnp.concatenate([scan(layers[0], x, step)[0], scan(layers[1], x[:, ::-1], step)[0]], axis=-1)
    for layer in layers:
        h, every = scan(layer, x, step)
        x = every.swapaxes(0, 1)
    return h


def scan(weights, x, step):
    """(the last h (N, H), h of every step (T, N, H)) for x (N, T, F)."""
    W, U, b = weights
    N, H = x.shape[0], U.shape[0]
    of_x, of_h = (b[0], b[1]) if b.ndim == 2 else (b, 0)
    projected = jnp.einsum("ntf,fk->tnk", x, W) + of_x

    def one(carry, z):
        carry = step(carry, z, carry[0] @ U + of_h)
        return carry, carry[0]

    (h, *_), every = jax.lax.scan(one, tuple(jnp.zeros((N, H)) for _ in range(_STATES[step])), projected)
    return h, every


def lstm_step(carry, z, r):
    h, c = carry
    i, f, g, o = jnp.split(z + r, 4, axis=-1)
    c = jax.nn.sigmoid(f) * c + jax.nn.sigmoid(i) * jnp.tanh(g)
    return jax.nn.sigmoid(o) * jnp.tanh(c), c


def gru_step(carry, z, r):
    (h,) = carry
    (z_x, r_x, g_x), (z_h, r_h, g_h) = jnp.split(z, 3, axis=-1), jnp.split(r, 3, axis=-1)
    update = jax.nn.sigmoid(z_x + z_h)
    g = jnp.tanh(g_x + jax.nn.sigmoid(r_x + r_h) * g_h)
    return (update * h + (1 - update) * g,)


def simple_step(carry, z, r):
    return (jnp.tanh(z + r),)


_STEPS = {"lstm": lstm_step, "gru": gru_step, "simple_rnn": simple_step}
_STATES = {lstm_step: 2, gru_step: 1, simple_step: 1}


def adam_step(run, weights, m, v, t, x, y, rate=1e-3, beta1=0.9, beta2=0.999, epsilon=1e-7):
    """(weights, m, v, t, loss) after one step of Adam on the mean squared error."""

    def loss_of(w):
        return jnp.mean((run(w["layers"], x) @ w["d"] + w["e"] - y) ** 2)

    loss, gradients = jax.value_and_grad(loss_of)(weights)
    t = t + 1
    m = jax.tree.map(lambda a, g: beta1 * a + (1 - beta1) * g, m, gradients)
    v = jax.tree.map(lambda a, g: beta2 * a + (1 - beta2) * g * g, v, gradients)
    scale = rate * jnp.sqrt(1 - beta2**t) / (1 - beta1**t)
    weights = jax.tree.map(lambda w, a, b: w - scale * a / (jnp.sqrt(b) + epsilon), weights, m, v)
    return weights, m, v, t, loss
