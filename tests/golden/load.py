"""Reads the golden data and compares against it.  Needs only NumPy.

    from golden import load

    for case in load.cases("layers", "lstm"):
        case["spec"], case["calls"], case["arrays"]["w0"]
    load.assert_close(value, case, "c0.y0")            # the tolerance follows from the dtype of `value`

See README.md beside this file for what the fields mean.
"""

from __future__ import annotations

import json
import math
import pathlib
from collections.abc import Iterator
from typing import Any

import numpy as np

ROOT = pathlib.Path(__file__).resolve().parent


def groups(family: str) -> list[str]:
    """Names of the groups of a family."""
    return sorted(p.stem for p in (ROOT / "cases" / family).glob("*.json"))


def cases(family: str, group: str | None = None) -> Iterator[dict[str, Any]]:
    """Yield each case of a group (or of the whole family) with its arrays under case["arrays"]."""
    for name in [group] if group else groups(family):
        base = ROOT / "cases" / family
        document = json.loads((base / f"{name}.json").read_text(encoding="utf-8"))
        packs: dict[str, np.ndarray] = {}
        if (base / f"{name}.npz").exists():
            with np.load(base / f"{name}.npz") as archive:
                packs = {key: archive[key] for key in archive.files}
        for case in document["cases"]:
            case["arrays"] = {
                key: packs[dtype][start : start + math.prod(shape)].reshape(shape)
                for key, (dtype, start, shape) in case.get("arrays", {}).items()
            }
            case["group"] = name
            yield case


def saved_models(engine: str = "keras3") -> Iterator[tuple[dict[str, Any], pathlib.Path]]:
    """Yield (case, folder) for each saved model: config.json, data.npz and the texts of `summary()`."""
    for folder in sorted((ROOT / "cases" / "files" / engine).iterdir()):
        yield json.loads((folder / "case.json").read_text(encoding="utf-8")), folder


def resolve(tree: Any, arrays: dict[str, np.ndarray]) -> Any:
    """Replace each {"$": name} of a call's args or kwargs by that array."""
    if isinstance(tree, dict):
        return arrays[tree["$"]] if "$" in tree else {k: resolve(v, arrays) for k, v in tree.items()}
    if isinstance(tree, list):
        return [resolve(v, arrays) for v in tree]
    return tree


def error(actual: Any, expected: Any) -> float:
    """The measure of all comparisons: max |a - b| / (1 + |b|); nan matches nan, and shapes must be equal."""
    actual, expected = np.asarray(actual, np.float64), np.asarray(expected, np.float64)
    assert actual.shape == expected.shape, f"shape {actual.shape}, expected {expected.shape}"
    same = (actual == expected) | (np.isnan(actual) & np.isnan(expected))
    with np.errstate(invalid="ignore"):
        distance = np.where(same, 0.0, np.abs(actual - expected) / (1.0 + np.abs(expected)))
    return float(np.max(distance, initial=0.0))


def float32_tolerance(case: dict[str, Any]) -> float:
    """20 times the distance of Keras's own float32 result from its float64 result in this case."""
    return 20 * max(case.get("agreement", {}).get("f32 tensorflow", 0.0), 1e-7)


def assert_close(actual: Any, case: dict[str, Any], name: str, float64: float = 1e-13) -> None:
    """Compare with array `name` of the case: its `.f64` twin where `actual` is float64."""
    actual = np.asarray(actual)
    if actual.dtype == np.float64:
        expected, tolerance = case["arrays"][name + ".f64"], float64
    else:
        expected, tolerance = case["arrays"][name], float32_tolerance(case)
    found = error(actual, expected)
    assert found <= tolerance, f"{case['id']} {name}: off by {found:.2e}, allowed {tolerance:.2e}"
