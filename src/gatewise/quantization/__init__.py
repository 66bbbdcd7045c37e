"""Weights of fewer bits, for prediction: `gatewise.quantize` and the report of what it did."""

from gatewise.quantization.quantizing import quantize
from gatewise.quantization.report import LayerQuantization, OutputDifference, Quantization

__all__ = ["LayerQuantization", "OutputDifference", "Quantization", "quantize"]
