"""Windows that cannot leak: against loops that try every row, and with everything outside the training part changed."""

import subprocess
import sys

import numpy as np
import pandas as pd
import polars as pl
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from gatewise import Sequential, layers
from gatewise.data import windows


@st.composite
def frames(draw):
    """(columns, arguments of windows): several series in one frame, their rows mixed, some missing, some with holes."""
    chance = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    rows = {"time": [], "group": [], "a": [], "b": []}
    for group in range(draw(st.integers(1, 3))):
        n = draw(st.integers(20, 60))
        time = np.cumsum(chance.choice([1, 1, 1, 1, 1, 1, 1, 9], n)) if draw(st.booleans()) else np.arange(n)
        rows["time"] += (time + draw(st.integers(0, 5))).tolist()
        rows["group"] += [f"g{group}"] * n
        for name in "ab":
            values = np.round(chance.normal(5, 3, n), 2)
            values[chance.random(n) < draw(st.sampled_from([0, 0.02]))] = np.nan
            rows[name] += values.tolist()
    order = chance.permutation(len(rows["a"]))
    columns = {name: np.array(values)[order] for name, values in rows.items()}
    splits = [(0.6, 0.2, 0.2), (0.7, 0.3), (1.0,), {"validation": 25, "test": 35}]
    options = {
        "inputs": draw(st.sampled_from([["a"], ["a", "b"]])),
        "targets": draw(st.sampled_from([["a"], "b", ["b", "a"]])),
        "steps_in": draw(st.integers(1, 4)), "steps_out": draw(st.integers(1, 3)), "gap": draw(st.integers(0, 2)),
        "stride": draw(st.integers(1, 3)), "time": "time", "group": "group", "split": draw(st.sampled_from(splits)),
        "irregular": draw(st.sampled_from(["cut", "ignore"])), "history": draw(st.booleans()),
        "scale": draw(st.sampled_from(["standard", "minmax", "robust", None])),
        "missing": draw(st.sampled_from(["drop", "forward", "keep"])), "dtype": "float64",
    }  # fmt: skip
    return columns, options


def made(columns, options):
    try:
        return windows(columns, **options)
    except ValueError as error:
        assert "no window" in str(error) or "no values in the training rows" in str(error), error
        assume(False)


def by_loops(columns, options):
    """{part: [(rows of inputs, rows of targets)]}: every place tried, one row after another."""
    o, time = options, columns["time"]
    names = ["train", "validation", "test"]
    series = {g: np.flatnonzero(columns["group"] == g) for g in dict.fromkeys(columns["group"].tolist())}
    series = {g: rows[np.argsort(time[rows])] for g, rows in series.items()}
    found = {name: [] for name in names}
    targets = [o["targets"]] if isinstance(o["targets"], str) else o["targets"]
    for rows in series.values():
        usual = np.median(np.diff(time[rows]))
        part = []
        for k, row in enumerate(rows):
            if isinstance(o["split"], dict):
                part.append(sum(bool(time[row] >= begin) for begin in o["split"].values()))
            else:
                part.append(sum(k >= round(end * len(rows)) for end in np.cumsum(o["split"])))
        last_start = {}
        length = o["steps_in"] + o["gap"] + o["steps_out"]
        for k in range(len(rows) - length + 1):
            inside = range(k, k + length)
            ahead = inside[o["steps_in"] + o["gap"] :]
            steps = [time[rows[j + 1]] - time[rows[j]] for j in inside[:-1]]
            holes = [j for j, s in zip(inside, steps, strict=False) if s > 1.5 * usual or s < usual / 1.5]
            if holes and o["irregular"] == "cut":
                last_start.clear()
                continue
            if len({part[j] for j in (ahead if o["history"] else inside)}) > 1:
                continue
            key = part[ahead[0]]
            if key in last_start and k - last_start[key] < o["stride"]:
                continue
            last_start[key] = k
            if np.isnan([columns[t][rows[j]] for t in targets for j in ahead]).any():
                continue
            seen = inside[: o["steps_in"]]
            if o["missing"] == "drop" and np.isnan([columns[i][rows[j]] for i in o["inputs"] for j in seen]).any():
                continue
            found[names[key]].append((rows[list(seen)], rows[list(ahead)]))
    return found


@settings(max_examples=120, deadline=None)
@given(frames())
def test_the_windows_that_loops_find(drawn):
    columns, options = drawn
    assume(options["missing"] != "forward")
    w = made(columns, options)
    targets = [options["targets"]] if isinstance(options["targets"], str) else options["targets"]
    expected = by_loops(columns, options)
    for name, part in w.parts.items():
        x, y = part.arrays()
        assert part.count == len(expected[name])
        assert part.target_rows.tolist() == [rows.tolist() for _, rows in expected[name]]
        for k, (seen, ahead) in enumerate(expected[name]):
            given_x = np.stack([columns[c][seen] for c in options["inputs"]], axis=1)
            given_y = np.stack([columns[c][ahead] for c in targets], axis=1)
            np.testing.assert_allclose(w.scaler.inputs.inverse_transform(x[k]), given_x, atol=1e-9)
            full = y[k].reshape(options["steps_out"], len(targets))
            np.testing.assert_allclose(w.scaler.targets.inverse_transform(full), given_y, atol=1e-9)
            assert np.array_equal(part.truth()[k].reshape(full.shape), given_y)


@settings(max_examples=120, deadline=None)
@given(frames(), st.integers(0, 2**32 - 1))
def test_nothing_outside_the_training_part_reaches_it(drawn, seed):
    columns, options = drawn
    w = made(columns, options)
    outside = w.table.frame_rows[w.row_parts != 0]
    changed = {name: values.copy() for name, values in columns.items()}
    for name in "ab":
        changed[name][outside] = np.random.default_rng(seed).normal(1e6, 1e6, len(outside))
    again = made(changed, options)
    for ours, theirs in zip(w.train.arrays(), again.train.arrays(), strict=True):
        np.testing.assert_array_equal(ours, theirs)
    for scale, other in zip(_scales(w), _scales(again), strict=True):
        assert np.array_equal(scale.centre, other.centre) and np.array_equal(scale.spread, other.spread)


def _scales(w):
    return [w.scaler.inputs, w.scaler.targets]


@settings(max_examples=120, deadline=None)
@given(frames())
def test_no_later_value_reaches_an_earlier_window(drawn):
    """Forecasts are made at a time: what comes after the last input, and is no target, changes nothing in x."""
    columns, options = drawn
    w = made(columns, options)
    part = list(w.parts.values())[-1]
    k = part.count // 2
    last_input = int(part.starts[k]) + options["steps_in"] - 1
    same_group = np.flatnonzero(w.table.groups == w.table.groups[last_input])
    later = w.table.frame_rows[same_group[(same_group > last_input) & (w.row_parts[same_group] > 0)]]
    changed = {name: values.copy() for name, values in columns.items()}
    for name in "ab":
        gone = np.isnan(changed[name][later])
        changed[name][later] = np.where(gone, np.nan, -1e5)
    again = made(changed, options)
    np.testing.assert_array_equal(part.arrays()[0][k], list(again.parts.values())[-1].arrays()[0][k])


@settings(max_examples=60, deadline=None)
@given(frames())
def test_the_scale_is_that_of_the_training_rows(drawn):
    columns, options = drawn
    w = made(columns, options)
    trains = w.table.frame_rows[w.row_parts == 0]
    for scale in _scales(w):
        for k, name in enumerate(scale.names):
            values = columns[name][trains]
            values = values[~np.isnan(values)]
            expected = {
                "standard": lambda v: (v.mean(), v.std()),
                "minmax": lambda v: (v.min(), v.max() - v.min()),
                "robust": lambda v: (np.median(v), np.percentile(v, 75) - np.percentile(v, 25)),
                None: lambda v: (0, 1),
            }[options["scale"]](values)
            assert scale.centre[k] == pytest.approx(expected[0]) and scale.spread[k] == pytest.approx(expected[1] or 1)


def test_no_row_is_in_windows_of_two_parts():
    w = windows(np.arange(100.0), targets=0, steps_in=5, steps_out=2, gap=1)
    seen = []
    for part in w.parts.values():
        rows = part.starts[:, None] + np.arange(8)
        seen.append(set(rows.ravel().tolist()))
    assert not (seen[0] & seen[1] or seen[1] & seen[2] or seen[0] & seen[2])
    assert [len(s) for s in seen] == [70, 15, 15]


def test_history_reaches_back_with_inputs_alone():
    w = windows(np.arange(100.0), targets=0, steps_in=5, split=(0.7, 0.15, 0.15), history=True, scale=None)
    assert [part.count for part in w.parts.values()] == [65, 15, 15]
    assert w.validation.arrays()[0][0, :, 0].tolist() == [65, 66, 67, 68, 69]
    assert w.validation.arrays()[1][:, 0].tolist() == list(range(70, 85))


def test_missing_values():
    values = np.arange(30.0)
    values[[4, 12]] = np.nan
    options = {"targets": 0, "steps_in": 3, "split": (0.5, 0.5), "scale": None}
    with pytest.raises(ValueError, match="column 0 has 2 missing values, the first at row 4.*missing='drop'"):
        windows(values, **options)
    dropped = windows(values, missing="drop", **options).train
    assert [int(r) for r in dropped.starts] == [0, 5, 6, 7, 8]
    kept = windows(values, missing="keep", **options).train
    assert [int(r) for r in kept.starts] == [0, 2, 3, 4, 5, 6, 7, 8, 10, 11]
    assert np.isnan(kept.arrays()[0]).sum() == 5
    forward = windows(values, missing="forward", **options).train
    assert forward.starts.tolist() == kept.starts.tolist()
    assert forward.arrays()[0][3, :, 0].tolist() == [3, 5, 6]


def test_nothing_is_filled_across_parts():
    values = np.arange(20.0)
    values[10] = np.nan  # the first of validation: the value before it is training's
    w = windows(values, targets=0, steps_in=2, split=(0.5, 0.5), missing="forward", scale=None)
    assert w.validation.starts[0] == 11
    w = windows(values, targets=0, steps_in=2, split=(0.5, 0.5), missing="forward", scale=None, history=True)
    assert w.validation.arrays()[0][:, :, 0].tolist()[:2] == [[9, 9], [9, 11]]


@pytest.mark.parametrize("library", [pd.DataFrame, pl.DataFrame, dict])
def test_frames_of_several_libraries(library):
    days = np.datetime64("2024-01-01") + np.arange(60).astype("timedelta64[D]")
    frame = library({"day": days.tolist(), "shop": ["A", "B"] * 30, "sales": np.arange(60) % 7, "open": [True] * 60})
    w = windows(frame, targets="sales", steps_in=3, time="day", group="shop", split={"validation": "2024-02-10"})
    assert w.inputs == ["sales", "open"] and w.table.group_names == ["A", "B"]
    assert w.train.times.max() < np.datetime64("2024-02-10") <= w.validation.times.min()
    assert w.train.groups[0] == "A" and w.train.groups[-1] == "B" and w.test is None


def test_nulls_of_frames_are_missing_values():
    for frame in (pd.DataFrame({"v": [1.0, None] + [2.0] * 20}), pl.DataFrame({"v": [1, None] + [2] * 20})):
        with pytest.raises(ValueError, match="column 'v' has 1 missing value, the first at row 1"):
            windows(frame, targets="v", steps_in=2, split=(1,))


def test_the_index_of_a_pandas_frame_is_its_time():
    index = pd.date_range("2024-01-01", periods=40, freq="h", tz="Europe/Berlin")
    frame = pd.DataFrame({"v": np.arange(40.0)}, index=index)[::-1]
    w = windows(frame, targets="v", steps_in=3, time="index", split=(1.0,), scale=None)
    assert w.train.arrays()[1][:, 0].tolist() == list(range(3, 40))
    assert w.notes == ["The rows were not in the order of time; they are now."]


def test_whole_groups_are_held_out():
    frame = {"g": np.repeat(list("abcdefghij"), 10), "v": np.arange(100.0)}
    options = {"targets": "v", "steps_in": 3, "group": "g", "split_by": "group"}
    w = windows(frame, split=(0.6, 0.2, 0.2), seed=1, **options)
    held = [set(part.groups) for part in w.parts.values()]
    assert [len(h) for h in held] == [6, 2, 2] and set.union(*held) == set("abcdefghij")
    again = windows(frame, split=(0.6, 0.2, 0.2), seed=1, **options)
    assert [set(part.groups) for part in again.parts.values()] == held
    w = windows(frame, split={"validation": ["c"], "test": ["a", "b"]}, **options)
    assert [sorted(set(part.groups)) for part in w.parts.values()] == [list("defghij"), ["c"], ["a", "b"]]
    w = windows(frame, split={"train": ["a"], "test": ["b"]}, **options)
    assert list(w.parts) == ["train", "test"] and w.validation is None
    assert "8 groups are in no part: c, d, e, f, g." in w.notes


def test_groups_of_several_columns():
    frame = {"a": [1] * 10 + [2] * 10, "b": ["x", "y"] * 10, "v": np.arange(20.0)}
    w = windows(frame, targets="v", steps_in=2, group=["a", "b"], split=(1.0,), scale=None)
    assert w.table.group_names == [(1, "x"), (1, "y"), (2, "x"), (2, "y")]
    assert w.train.arrays()[0][0, :, 0].tolist() == [0, 2]


class Logarithm:
    """A scaler of somebody's own."""

    def fit(self, values):
        self.seen = values.copy()

    def transform(self, values):
        return np.log(values)

    def inverse_transform(self, values):
        return np.exp(values)


def test_scalers_of_the_users():
    values = np.arange(1.0, 61)
    own = Logarithm()
    w = windows(values, targets=0, steps_in=3, scale=own, dtype="float64")
    assert not hasattr(own, "seen") and w.scaler.inputs.scaler.seen[:, 0].tolist() == values[:42].tolist()
    x, y = w.train.arrays()
    assert np.array_equal(x[0, :, 0], np.log(values[:3]))
    np.testing.assert_allclose(w.unscale(y), w.train.truth(), rtol=1e-12)
    w = windows(values, targets=0, steps_in=3, scale=lambda rows: (rows.max(axis=0), [2.0]), dtype="float64")
    assert w.train.arrays()[0][0, 0, 0] == (1 - 42) / 2


def test_targets_may_stay_as_they_are():
    w = windows(np.arange(1.0, 61), targets=0, steps_in=3, scale_targets=False)
    assert w.train.arrays()[1][0, 0] == 4 and w.unscale([[5.0]]).tolist() == [[5.0]]


def test_shapes_of_targets_and_predictions():
    values = np.random.default_rng(0).normal(3, 2, (80, 2))
    shapes = {(1, (0,)): (1,), (3, (0,)): (3,), (1, (0, 1)): (2,), (3, (0, 1)): (3, 2)}
    for (steps, targets), shape in shapes.items():
        w = windows(values, targets=list(targets), steps_in=4, steps_out=steps, dtype="float64")
        y = w.test.arrays()[1]
        assert y.shape[1:] == shape == w.test.truth().shape[1:] == w.test.persistence().shape[1:]
        np.testing.assert_allclose(w.unscale(y), w.test.truth())
        flat = w.unscale(y.reshape(len(y), -1))
        np.testing.assert_allclose(flat, w.test.truth().reshape(len(y), -1))


def test_persistence():
    values = np.arange(60.0)
    w = windows(values, targets=0, steps_in=4, steps_out=5, gap=1, split=(1.0,))
    assert w.train.persistence()[0].tolist() == [3] * 5
    # The season: of rows 5, 6, 7, 8, 9 the last known a multiple of 4 before.
    assert w.train.persistence(period=4)[0].tolist() == [1, 2, 3, 0, 1]


def test_a_model_trains_on_the_parts():
    values = np.sin(np.arange(300) / 5)
    w = windows(values, targets=0, steps_in=8, steps_out=2, batch_size=16, seed=0)
    model = Sequential([layers.Input((8, 1)), layers.LSTM(4), layers.Dense(2)])
    model.compile("adam", "mse")
    history = model.fit(w.train, validation_data=w.validation, epochs=2, verbose=0).history
    x, y = w.validation.arrays()
    assert history["val_loss"][-1] == pytest.approx(model.evaluate(x, y, verbose=0), rel=1e-5)
    predicted = model.predict(w.test, verbose=0)
    assert np.array_equal(predicted, model.predict(w.test.arrays()[0], batch_size=16, verbose=0))
    assert w.unscale(predicted).shape == w.test.truth().shape


def test_training_is_shuffled_and_the_rest_is_not():
    w = windows(np.arange(100.0), targets=0, steps_in=3, scale=None, batch_size=7, seed=4)
    first, second = (np.concatenate([y for _, y in w.train])[:, 0].tolist() for _ in range(2))
    assert first != second and sorted(first) == sorted(second) == w.train.arrays()[1][:, 0].tolist()
    assert np.concatenate([y for _, y in w.test])[:, 0].tolist() == w.test.arrays()[1][:, 0].tolist()
    assert [len(y) for _, y in w.test.batches(5)] == [5, 5, 2] and len(w.test.batches(5)) == 3


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_windows_are_not_copied_beforehand():
    code = """
import numpy as np
from gatewise.data import windows
w = windows(np.zeros((400_000, 2)), targets=0, steps_in=2000, dtype="float64")  # all windows: 9 GB
x, y = next(iter(w.train))
assert x.shape == (32, 2000, 2)
print(open("/proc/self/status").read().split("VmHWM:")[1].split()[0])
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert int(done.stdout) < 500_000  # KiB


def test_numpy_alone_is_enough_and_what_is_missing_is_named():
    code = """
import sys, numpy as np
sys.modules["narwhals"] = sys.modules["matplotlib"] = sys.modules["pandas"] = None
from gatewise.data import windows
w = windows(np.arange(60.0), targets=0, steps_in=3)
w.describe()
def told(call):
    try:
        call()
    except ImportError as error:
        print(error)
told(w.draw)
class Frame:
    columns, dtypes = ["v"], ["f"]
told(lambda: windows(Frame(), targets="v", steps_in=3))
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines() == [
        'Pictures need matplotlib: pip install "gatewise[plot]"',
        'Data frames are read with narwhals: pip install "gatewise[frames]"',
    ]


def test_the_description():
    days = np.datetime64("2024-01-01") + np.arange(100).astype("timedelta64[D]")
    days[50:] += np.timedelta64(5, "D")
    w = windows({"day": days, "v": np.arange(100.0)}, targets="v", steps_in=6, steps_out=2, time="day", stride=2)
    assert w.describe().splitlines() == [
        "100 rows. A window is 6 rows of the inputs and the next 2 rows of the targets; one begins every 2 rows.",
        "Inputs: v. Targets: v.",
        "",
        "part            rows  windows  unused rows   targets from, to",
        "train             70       29            0   2024-01-07, 2024-03-15",
        "validation        15        4            1   2024-03-22, 2024-03-29",
        "test              15        4            1   2024-04-06, 2024-04-13",
        "",
        "Scaled (standard) by the 70 training rows alone:",
        "  inputs, (centre, spread): v (34.5, 20.21)",
        "  targets, (centre, spread): v (34.5, 20.21)",
        "",
        "1 of the steps in time are clearly longer or shorter than usual, the first from time 2024-02-19 to time "
        "2024-02-25; no window goes across (irregular='cut').",
        "No window crosses from one part into the next: no row is in windows of two parts.",
    ]
    assert repr(w) == "<Windows of 6 steps for the next 2 (train: 29, validation: 4, test: 4)>"
    assert repr(w.test) == "<test part: 4 windows in 1 batches>"


def test_groups_of_different_times_are_noted():
    frame = {"t": np.r_[0:40, 100:140], "g": ["a"] * 40 + ["b"] * 40, "v": np.arange(80.0)}
    w = windows(frame, targets="v", steps_in=2, time="t", group="g")
    assert any("training reaches to 127, and elsewhere later parts begin at 28" in note for note in w.notes)


@pytest.mark.parametrize("ending", [".png", ".svg"])
def test_the_picture(tmp_path, ending):
    days = np.datetime64("2024-01-01") + np.arange(80).astype("timedelta64[D]")
    frame = {
        "day": np.tile(days, 7),
        "g": np.repeat(list("abcdefg"), 80),
        "v": np.random.default_rng(0).normal(size=560),
    }
    figure = windows(frame, targets="v", steps_in=5, time="day", group="g").draw(tmp_path / f"windows{ending}")
    assert (tmp_path / f"windows{ending}").stat().st_size > 10_000
    assert len(figure.axes) == 10 and "2 more groups are not drawn" in figure.get_suptitle()
    bars = figure.axes[1].patches
    # Of training's 51 windows the first and the last 3, of the 7 of validation and of test all: inputs and targets.
    assert len(bars) == 2 * (6 + 7 + 7)
    assert len({bar.get_hatch() for bar in bars}) == 3  # told apart without colour


def good():
    return {"t": np.arange(40), "g": ["a"] * 20 + ["b"] * 20, "v": np.arange(40.0), "w": np.ones(40)}


NOT_IN_ORDER = {**good(), "t": np.r_[0:20, 0:20]}


@pytest.mark.parametrize(
    ("frame", "options", "error", "said"),
    [
        (3, {}, TypeError, "frame must be an array .rows, columns., a dictionary of columns, or a pandas"),
        ({}, {}, ValueError, "got no columns"),
        ({"v": [1, 2], "w": [1]}, {}, ValueError, r"the same number of rows.*'v': \(2,\), 'w': \(1,\)"),
        ({"v": []}, {}, ValueError, "the frame has no rows"),
        (pl.LazyFrame({"v": [1]}), {}, TypeError, r"\.collect\(\)"),
        (good(), {"targets": "sales"}, ValueError, "targets: unknown column 'sales'. .*Known: g, t, v, w"),
        (good(), {"targets": None}, ValueError, "targets: none was given"),
        (good(), {"targets": ["v", "v"]}, ValueError, "targets must name different columns"),
        (good(), {"inputs": ["vv"]}, ValueError, "inputs: unknown column 'vv'. Did you mean 'v'"),
        (good(), {"inputs": []}, ValueError, "inputs must name different columns, at least one"),
        (good(), {"group": "h"}, ValueError, "group: unknown column 'h'"),
        (good(), {"time": "times"}, ValueError, "time: unknown column 'times'. Known: g, t, v, w"),
        (good(), {"inputs": "g"}, TypeError, "column 'g' holds values such as .*a.*; inputs .* must be numbers"),
        ({"v": np.arange(9).astype("M8[D]")}, {}, TypeError, "column 'v' holds dates"),
        ({"v": [1.0, np.inf]}, {}, ValueError, "column 'v' is infinite in row 1; write NaN"),
        (good(), {"steps_in": 0}, ValueError, "steps_in.*positive integer"),
        (good(), {"steps_out": 1.5}, ValueError, "steps_out.*positive integer"),
        (good(), {"gap": -1}, ValueError, "gap is the number of rows between .* would be known beforehand"),
        (good(), {"stride": 0}, ValueError, "stride.*positive integer"),
        (good(), {"batch_size": 0}, ValueError, "batch_size.*positive integer"),
        (good(), {"history": "yes"}, ValueError, "history is True or False; got 'yes'"),
        (good(), {"scale_targets": "no"}, ValueError, "scale_targets is True or False; got 'no'"),
        (good(), {"shuffle": None}, ValueError, "shuffle is True or False; got None"),
        (good(), {"irregular": "maybe"}, ValueError, "irregular is one of 'cut', 'refuse', 'ignore'; got 'maybe'"),
        (good(), {"missing": "fill"}, ValueError, "missing is one of 'refuse', 'drop', 'forward', 'keep'; got 'fill'"),
        (good(), {"seed": -1}, ValueError, "A seed is a non-negative integer"),
        (good(), {"dtype": "int32"}, ValueError, "float32 or float64"),
        (good(), {"split": (0.7, 0.2)}, ValueError, "add up to 1.*which add up to 0.9"),
        (good(), {"split": (1.2, -0.2)}, ValueError, "must be above 0"),
        (good(), {"split": 0.7}, ValueError, r"split is \(0.7, 0.15, 0.15\), or the times"),
        (good(), {"split": {"validation": 3}}, ValueError, "a split at given times needs the column of times"),
        (good(), {"split": {"valid": 3}, "time": "t"}, ValueError, "split is .*or the times at which parts begin"),
        (good(), {"split": {"validation": "x"}, "time": "t"}, ValueError, "the validation part must begin at a number"),
        (good(), {"split": {"validation": 9, "test": 9}, "time": "t"}, ValueError, "must begin after the valid"),
        (good(), {"split_by": "day"}, ValueError, "split_by is 'time' or 'group'; got 'day'"),
        (good(), {"split_by": "group"}, ValueError, "needs the column that tells the groups apart"),
        (good(), {"split_by": "group", "group": "g"}, ValueError, "with 2 groups .* leave none for the test part"),
        (good(), {"split_by": "group", "group": "g", "split": {"test": ["c"]}}, ValueError, "unknown group 'c'"),
        (good(), {"split_by": "group", "group": "g", "split": {"test": "a"}}, ValueError, "or the groups of the parts"),
        (
            good(),
            {"split_by": "group", "group": "g", "split": {"validation": ["a"], "test": ["a"]}},
            ValueError,
            "group 'a' is in two parts, validation and test",
        ),
        (good(), {"scale": "standart"}, ValueError, "unknown scale 'standart'. Did you mean 'standard'"),
        (good(), {"scale": Logarithm}, ValueError, "the class Logarithm; give an object of it: scale=Logarithm"),
        (good(), {"scale": 3}, ValueError, "scale is one of 'standard', 'minmax', 'robust', None, a function"),
        (good(), {"scale": lambda rows: 3}, ValueError, r"must return \(centre, spread\); it returned int 3"),
        (good(), {"scale": lambda rows: ([1] * 9, 1)}, ValueError, "two arrays of 2 numbers, one for each column"),
        ({"v": [np.nan] * 20 + [1.0] * 9}, {"missing": "drop"}, ValueError, "'v' has no values in the training rows"),
        (good(), {"steps_in": 9}, ValueError, "the validation part has 6 rows and no window: one takes 10 rows"),
        (NOT_IN_ORDER, {"time": "t"}, ValueError, "rows 0 and 20 have the same time 0; if the frame holds several"),
        ({**good(), "t": ["x"] * 40}, {"time": "t"}, TypeError, "time column 't' must hold numbers, dates, or"),
        ({**good(), "t": [np.nan] * 40}, {"time": "t"}, ValueError, "time column 't' has no time in row 0"),
        ({**good(), "g": [None] * 40}, {"group": "g"}, ValueError, "row 0 has no group"),
        (
            {**good(), "t": np.r_[0:20, 30:50]},
            {"time": "t", "irregular": "refuse"},
            ValueError,
            "1 of the steps .* the first from time 19 to time 30. irregular='cut' lets no window go across",
        ),
        (
            {**good(), "t": np.cumsum([1, 1, 1, 9] * 10)},
            {"time": "t", "steps_in": 4},
            ValueError,
            "no window.*irregular='ignore' takes them as equal",
        ),
    ],
)  # fmt: skip
def test_bad_arguments(frame, options, error, said):
    arguments = {
        "targets": "v",
        "inputs": ["v", "w"] if isinstance(frame, dict) and "w" in frame else None,
        "steps_in": 2,
    }
    with pytest.raises(error, match=f"(?s){said}"):
        windows(frame, **{**arguments, **options})


def test_series_that_are_measured_more_and_less_often():
    """What is a hole in an hourly series is usual in a daily one."""
    frame = {
        "shop": ["hourly"] * 100 + ["daily"] * 40,
        "time": np.r_[np.arange(100), 24 * np.arange(40)],
        "sold": np.arange(140.0),
    }
    w = windows(frame, targets="sold", steps_in=3, time="time", group="shop", split=(0.5, 0.5))
    assert w.train.groups.count("hourly") == 50 - 3 and w.train.groups.count("daily") == 20 - 3
    assert not any("irregular" in note for note in w.notes)


def test_bad_calls_of_what_is_made():
    w = windows(np.arange(60.0), targets=0, steps_in=4, steps_out=3)
    with pytest.raises(ValueError, match=r"predictions must have the shape \(n, 3, 1\) .* got \(2, 5\)"):
        w.unscale(np.zeros((2, 5)))
    with pytest.raises(ValueError, match="a period of 5 rows reaches beyond the 4 that a window knows"):
        w.test.persistence(5)
    with pytest.raises(ValueError, match="batch_size.*positive integer"):
        w.test.batches(0)


def test_a_scaler_that_changes_the_shape():
    class Halved(Logarithm):
        def transform(self, values):
            return values[::2]

    with pytest.raises(ValueError, match="Halved.transform made an array of shape .*the shape must stay"):
        windows(np.arange(1.0, 60), targets=0, steps_in=4, scale=Halved())
