"""The registry of layers and options: every contract test runs over every line of it.

A new layer is tested by a line in one of the lists here, one list a file.
"""

import importlib
import pkgutil

from contract_cases.case import SEQUENCE, Case

CASES = [
    case
    for module in pkgutil.iter_modules(__path__)
    if module.name != "case"
    for case in importlib.import_module(f"{__name__}.{module.name}").CASES
]

__all__ = ["CASES", "SEQUENCE", "Case"]
