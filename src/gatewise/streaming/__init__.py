"""Models that run one time step at a time: `model.stream(batch_size)` and the state a stream keeps."""

from gatewise.streaming.state import StreamState as StreamState
from gatewise.streaming.stream import Stream as Stream
