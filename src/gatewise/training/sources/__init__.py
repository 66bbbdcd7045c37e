"""Where batches come from: arrays in memory and in files, frames, other libraries' tensors, iterables."""
