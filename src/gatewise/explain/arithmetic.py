"""Sums and products as data: what a count is, step by step, so that every text writes the same arithmetic."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Number:
    """A number, and the letter that stands for it in the general formula (None for a plain number)."""

    value: int
    letter: str | None = None


@dataclass(frozen=True)
class Sum:
    """Terms added up."""

    terms: tuple[Expression, ...]

    @property
    def value(self) -> int:
        return sum(term.value for term in self.terms)


@dataclass(frozen=True)
class Product:
    """Factors multiplied."""

    factors: tuple[Expression, ...]

    @property
    def value(self) -> int:
        return math.prod(factor.value for factor in self.factors)


@dataclass(frozen=True)
class Power:
    """A number times itself."""

    base: Number
    exponent: int

    @property
    def value(self) -> int:
        return self.base.value**self.exponent


Expression = Number | Sum | Product | Power


def plus(*terms: Expression | int) -> Expression:
    """The terms' sum; a single term stays as it is."""
    found = tuple(_expression(term) for term in terms)
    return found[0] if len(found) == 1 else Sum(found)


def times(*factors: Expression | int) -> Product:
    """The factors' product."""
    return Product(tuple(_expression(factor) for factor in factors))


def written(expression: Expression, letters: bool = False) -> str:
    """`4 x ((5 + 10) x 10 + 10)`; with `letters`, `4 x ((F + H) x H + H)`."""
    if isinstance(expression, Number):
        return expression.letter if letters and expression.letter else str(expression.value)
    if isinstance(expression, Power):
        return f"{written(expression.base, letters)}^{expression.exponent}"
    if isinstance(expression, Sum):
        return " + ".join(written(term, letters) for term in expression.terms)
    return " x ".join(
        f"({written(factor, letters)})" if isinstance(factor, Sum) else written(factor, letters)
        for factor in expression.factors
    )


def equation(expression: Expression) -> str:
    """The arithmetic with its result: `4 x ((5 + 10) x 10 + 10) = 640`; `0` alone for a plain number."""
    if isinstance(expression, Number):
        return str(expression.value)
    return f"{written(expression)} = {expression.value}"


def _expression(value: Expression | int) -> Any:
    return Number(value) if isinstance(value, int) else value
