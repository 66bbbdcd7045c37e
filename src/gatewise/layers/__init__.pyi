"""The list of the layers: a line a file, read by type checkers, by editors and, at run time, by __init__.py."""

from gatewise.layer import Layer as Layer
from gatewise.layers.bidirectional import Bidirectional as Bidirectional
from gatewise.layers.core import Activation as Activation
from gatewise.layers.core import Dropout as Dropout
from gatewise.layers.core import Masking as Masking
from gatewise.layers.dense import Dense as Dense
from gatewise.layers.input_layer import Input as Input
from gatewise.layers.input_layer import InputLayer as InputLayer
from gatewise.layers.lstm import LSTM as LSTM
from gatewise.layers.lstm import LSTMCell as LSTMCell
from gatewise.layers.recurrent import RNN as RNN
from gatewise.layers.registry import REGISTRY as REGISTRY
from gatewise.layers.registry import deserialize as deserialize
from gatewise.layers.registry import serialize as serialize
from gatewise.layers.stacked_cells import StackedRNNCells as StackedRNNCells
from gatewise.layers.time_distributed import TimeDistributed as TimeDistributed

HOMES: dict[str, tuple[str, str]]
"""Where each public name of this package is defined."""
