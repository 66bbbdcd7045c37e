"""Initializers against what Keras draws: exact values, moments, bounds, fans, orthogonality."""

import math

import numpy as np
import pytest

from gatewise import config, initializers, random
from golden import load

CASES = list(load.cases("losses_metrics", "initializers"))
NAMES = ["glorot_uniform", "orthogonal", "zeros", "ones", "random_normal", "truncated_normal", "he_normal"]


def make(case, **extra):
    return getattr(initializers, case["initializer"]["class"])(**case["initializer"]["kwargs"], **extra)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case["id"])
def test_config_equals_keras(case):
    config = initializers.serialize(make(case))
    if case["initializer"]["class"] != "Identity":  # Keras forgets its gain
        assert config == case["config"]
    again = initializers.deserialize(config)
    assert type(again) is type(make(case))
    assert again.get_config() == make(case).get_config()


@pytest.mark.parametrize("case", [c for c in CASES if "exact" in c["expected"]], ids=lambda case: case["id"])
def test_exact_values(case):
    value = make(case)(case["shape"], dtype="float32")
    assert value.dtype == np.float32
    np.testing.assert_array_equal(value, case["arrays"]["value"])


def draws(case, n=60):
    return np.stack([make(case, seed=seed)(case["shape"], dtype="float64") for seed in range(n)])


@pytest.mark.parametrize("case", [c for c in CASES if "min" in c["expected"]], ids=lambda case: case["id"])
def test_distribution(case):
    expected, values = case["expected"], draws(case)
    assert initializers.compute_fans(case["shape"]) == (case["fan_in"], case["fan_out"])
    deviation = expected["std"]
    # The error of a mean of n draws is std / sqrt(n), of a standard deviation about std / sqrt(2 n); ours and
    # Keras's each have one: five of both together.
    slack = 5 * math.sqrt(2) * deviation / math.sqrt(values.size)
    assert values.mean() == pytest.approx(expected["mean"], abs=slack)
    assert values.std() == pytest.approx(deviation, abs=slack)
    bounded = "niform" in str(case["initializer"]) or "runcated" in str(case["config"])
    if bounded and "untruncated" not in str(case["config"]):
        assert values.max() == pytest.approx(expected["max"], abs=0.15 * deviation)
        assert values.min() == pytest.approx(expected["min"], abs=0.15 * deviation)


@pytest.mark.parametrize("case", [c for c in CASES if "gram" in c["expected"]], ids=lambda case: case["id"])
def test_orthogonal(case):
    for value in draws(case, 3):
        matrix = value.reshape(-1, case["shape"][-1])
        if matrix.shape[0] < matrix.shape[1]:
            matrix = matrix.T
        gain = case["initializer"]["kwargs"].get("gain", 1.0)
        np.testing.assert_allclose(matrix.T @ matrix, gain**2 * np.eye(matrix.shape[1]), atol=1e-12)
    assert draws(case).mean() == pytest.approx(0, abs=5 * case["expected"]["std"] / math.sqrt(draws(case).size))


def test_variance_is_corrected_for_truncation():
    values = initializers.HeNormal(seed=1)((200, 300))
    assert values.dtype == np.float32
    assert values.std() == pytest.approx(math.sqrt(2 / 200), rel=0.01)
    assert np.abs(values).max() < 2.0001 * math.sqrt(2 / 200) / 0.8796


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_dtype_and_shape(name, dtype):
    for shape in [(1, 1), (3, 5), (2, 3, 4)]:
        value = initializers.get(name)(shape, dtype=dtype)
        assert value.shape == shape
        assert value.dtype == dtype
        assert value.flags.writeable


def test_seeds():
    a, b = initializers.GlorotUniform(seed=3), initializers.GlorotUniform(seed=3)
    np.testing.assert_array_equal(a((4, 5)), b((4, 5)))
    np.testing.assert_array_equal(a((4, 5)), a((4, 5)))
    assert not np.array_equal(a((4, 5)), initializers.GlorotUniform(seed=4)((4, 5)))
    generator = random.SeedGenerator(3)
    c = initializers.GlorotUniform(seed=generator)
    assert not np.array_equal(c((4, 5)), c((4, 5)))
    again = initializers.deserialize(initializers.serialize(c))
    np.testing.assert_array_equal(again((2, 2)), initializers.GlorotUniform(random.SeedGenerator(3))((2, 2)))


def test_global_seed():
    random.set_global_seed(11)
    first = [initializers.get("glorot_uniform")((3, 3)) for _ in range(2)]
    random.set_global_seed(11)
    second = [initializers.get("glorot_uniform")((3, 3)) for _ in range(2)]
    np.testing.assert_array_equal(first, second)
    assert not np.array_equal(*first)


@pytest.mark.parametrize("window", ["hann", "hamming", "blackman", "bartlett", "boxcar", None])
def test_stft_is_a_fourier_transform(window):
    frame = np.random.default_rng(0).normal(size=8)
    real = initializers.STFT("real", window, scaling=None, periodic=True)((8, 1, 5), dtype="float64")
    imaginary = initializers.STFT("imag", window, scaling=None, periodic=True)((8, 1, 5), dtype="float64")
    weights = real[:, 0, 0]  # at frequency 0 the kernel is the window
    found = np.einsum("t,tcf->f", frame, real) + 1j * np.einsum("t,tcf->f", frame, imaginary)
    np.testing.assert_allclose(found, np.fft.rfft(frame * weights), atol=1e-12)
    density = initializers.STFT("real", window)((8, 1, 5), dtype="float64")[:, 0, 0]
    assert np.sum(density**2) == pytest.approx(8.0 if window is None else 1.0)
    layer = initializers.get("STFTInitializer")
    assert initializers.deserialize(initializers.serialize(layer)).get_config() == layer.get_config()


@pytest.mark.parametrize("options", [{"side": "x"}, {"window": "x"}, {"scaling": "x"}])
def test_stft_refuses(options):
    with pytest.raises(ValueError, match=next(iter(options))):
        initializers.STFT(**options)
    with pytest.raises(ValueError, match="frame's length"):
        initializers.STFT(window=np.ones(3))((8, 1, 5))


def test_every_name_of_keras():
    """dir(keras.initializers) and the names that keras.initializers.get knows, Keras 3.15."""
    classes = [
        "Constant", "GlorotNormal", "GlorotUniform", "HeNormal", "HeUniform", "Identity", "LecunNormal",
        "LecunUniform", "Ones", "Orthogonal", "RandomNormal", "RandomUniform", "STFT", "TruncatedNormal",
        "VarianceScaling", "Zeros",
    ]  # fmt: skip
    for name in classes:
        cls = getattr(initializers, name)
        for known in (name, config.snake_case(name), cls, cls(), {"class_name": name, "config": {}}):
            assert type(initializers.get(known)) is cls
    more = {"IdentityInitializer": "Identity", "OrthogonalInitializer": "Orthogonal", "STFTInitializer": "STFT"}
    more |= {"normal": "RandomNormal", "uniform": "RandomUniform", "one": "Ones", "zero": "Zeros"}
    for name, meaning in more.items():
        assert type(initializers.get(name)) is getattr(initializers, meaning)
    for name in ("IdentityInitializer", "OrthogonalInitializer", "STFTInitializer", "stft", "deserialize", "serialize"):
        assert hasattr(initializers, name)


def test_get():
    assert initializers.get(None) is None
    assert type(initializers.get("GlorotUniform")) is initializers.GlorotUniform
    assert type(initializers.get(initializers.Ones)) is initializers.Ones
    assert initializers.get(0.5)((2,)).tolist() == [0.5, 0.5]
    for old, new in [("uniform", "RandomUniform"), ("normal", "RandomNormal"), ("zero", "Zeros"), ("one", "Ones")]:
        assert type(initializers.get(old)).__name__ == new

    def mine(shape, dtype=None):
        return np.full(shape, 2.0, dtype)

    assert initializers.get(mine) is mine


def test_configurations_of_keras_2():
    old = {"class_name": "VarianceScaling", "config": {"scale": 1.0, "mode": "fan_avg", "distribution": "uniform",
                                                       "seed": None}}  # fmt: skip
    assert initializers.get(old).distribution == "uniform"
    old = {"class_name": "GlorotUniform", "config": {"seed": 7, "dtype": "float32"}}
    assert initializers.get(old).seed == 7
    assert initializers.VarianceScaling(distribution="normal").distribution == "truncated_normal"


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        (lambda: initializers.get("glorot_unifrom"), "Did you mean 'glorot_uniform'"),
        (lambda: initializers.VarianceScaling(mode="fan"), "mode must be one of fan_in"),
        (lambda: initializers.VarianceScaling(scale=0), "scale must be positive"),
        (lambda: initializers.Orthogonal()((3,)), r"two axes or more; got \(3,\)"),
        (lambda: initializers.Identity()((3,)), r"makes matrices"),
        (lambda: initializers.Initializer()((3,)), "give it a method __call__"),
        (lambda: random.set_global_seed(-1), "non-negative integer; got -1"),
        (lambda: random.next_generator(2.5), "got float 2.5"),
    ],
)
def test_bad_input(wrong, message):
    with pytest.raises((ValueError, TypeError), match=message):
        wrong()
