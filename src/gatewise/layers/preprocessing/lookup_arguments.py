"""The arguments of StringLookup and IntegerLookup: what they may be, and what is said where they are something else."""

from __future__ import annotations

from typing import Any, TypeGuard

METHODS = ("floormod", "farmhash")
"""Ways to choose among several places for unknown tokens."""


def is_whole(value: Any) -> TypeGuard[int]:
    """True for integers, Python's and NumPy's; not for True and False."""
    return hasattr(value, "__index__") and not isinstance(value, bool) and getattr(value, "ndim", 0) == 0


def sizes(max_tokens: Any, num_oov_indices: Any, pad_to_max_tokens: bool, cls: str) -> tuple[int | None, int]:
    """`max_tokens` and `num_oov_indices` as integers.

    Raises:
        ValueError: unless they are integers, the first (or None) above 1, the second not below 0.
    """
    if max_tokens is not None and not (is_whole(max_tokens) and max_tokens > 1):
        raise ValueError(f"{cls}: if set, `max_tokens` must be an integer greater than 1; got {max_tokens!r}.")
    if pad_to_max_tokens and max_tokens is None:
        raise ValueError(f"{cls}: with pad_to_max_tokens=True, `max_tokens` must be set.")
    if not (is_whole(num_oov_indices) and num_oov_indices >= 0):
        raise ValueError(f"{cls}: `num_oov_indices` must be an integer of at least 0; got {num_oov_indices!r}.")
    return None if max_tokens is None else int(max_tokens), int(num_oov_indices)


def method(value: Any, cls: str) -> str:
    """`oov_method`; ValueError unless it is one of those known."""
    if value not in METHODS:
        raise ValueError(f"{cls}: oov_method is 'floormod' or 'farmhash'; got {value!r}.")
    return value


def salt(value: Any, is_hashed: bool, cls: str) -> list[int] | None:
    """The key under which unknown tokens are hashed, as two integers, or None.

    Raises:
        ValueError: for anything else, and where tokens are not hashed.
    """
    if value is None:
        return None
    if not is_hashed:
        raise ValueError(f"{cls}: `salt` can only be used with oov_method='farmhash'.")
    pair = [value, value] if is_whole(value) else list(value) if isinstance(value, list | tuple) else []
    if len(pair) != 2 or not all(is_whole(part) for part in pair):
        raise ValueError(f"{cls}: salt is an integer or two of them; got {value!r}.")
    return [int(part) for part in pair]


def refuse_file(config: dict[str, Any], cls: str) -> None:
    """Raise ValueError if a configuration names a file to read the vocabulary from: it may come from anywhere."""
    if isinstance(config.get("vocabulary"), str):
        raise ValueError(
            f"The configuration of a {cls} names the file {config['vocabulary']!r} as its vocabulary; files named "
            "inside a configuration are not read. Make the layer, and call set_vocabulary(path)."
        )
