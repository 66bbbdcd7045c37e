"""What becomes of masks in a layer: which one it is called with, and which its outputs have."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import Any

from gatewise import masks, tree


class PassesMasks:
    """The part of `Layer` that deals with masks."""

    name: str
    takes_list: bool
    is_operation: bool
    compute_mask: Any
    _uses_call: bool

    supports_masking = False  # a mask goes on to the output

    @property
    def may_create_mask(self) -> bool:
        """True if the output may have a mask although no input has one."""
        return self._uses_call

    def select_masks(self, leaf_masks: Sequence[Any], structure: Any) -> Any:
        """The `mask` argument for inputs with these masks: the first's, or a list where the layer takes lists."""
        if self.takes_list or (structure is not None and structure.first_is_list):
            return list(leaf_masks)
        return leaf_masks[0]

    def masks_after(self, inputs: Sequence[Any], outputs: Sequence[Any], mask: Any) -> list[Any]:
        """The mask of each output."""
        if self._uses_call:
            found = [masks.mask_of(y) for y in outputs]
            if any(m is not None for m in found):
                return found
        if not self.supports_masking:
            if mask is not None and not self.is_operation:
                warnings.warn(
                    f"Layer '{self.name}' (of type {type(self).__name__}) was passed an input with a mask attached "
                    "to it. "
                    "However, this layer does not support masking and will therefore destroy the mask information.",
                    stacklevel=3,
                )
            return [None] * len(outputs)
        result = self.compute_mask(inputs[0] if len(inputs) == 1 else list(inputs), mask)
        flat = result if isinstance(result, list | tuple) else [result]
        return [*flat, *[None] * (len(outputs) - len(flat))]

    def _attach_masks(self, leaves: Sequence[Any], y: Any, mask: Any) -> None:
        if mask is None and not self.may_create_mask:
            return
        flat = list(tree.leaves(y))
        for leaf, found in zip(flat, self.masks_after(leaves, flat, mask), strict=False):
            if found is not None:
                masks.attach(leaf, found)
