// One layer of a chain of layers, and running it in prediction: what streams and chains share.
//
// The idea: a stage says which kernel a layer is and how it is set; its weights come apart, because they
// change and a call under way must keep those it began with. Values between stages are views (N, T, width);
// T is 1 where a layer has left the time steps behind.
#pragma once

#include <algorithm>
#include <iterator>
#include <string>
#include <vector>

#include "bindings.h"

namespace gatewise {

enum class Kind { lstm, gru, simple_rnn, dense, masking, activation };

// What the kinds are called, and how many states and gates they have.
struct KindFacts {
    const char* name;
    std::size_t states;
    int gates;
};
constexpr KindFacts kFacts[] = {{"lstm", 2, 4},  {"gru", 1, 3},     {"simple_rnn", 1, 1},
                                {"dense", 0, 0}, {"masking", 0, 0}, {"activation", 0, 0}};
inline const KindFacts& facts(Kind kind) { return kFacts[static_cast<int>(kind)]; }
inline bool is_recurrent(Kind kind) { return facts(kind).states > 0; }

inline Kind read_kind(const char* function, const std::string& name) {
    for (std::size_t k = 0; k < std::size(kFacts); ++k)
        if (name == kFacts[k].name) return static_cast<Kind>(k);
    throw nb::value_error((std::string(function) + ": there is no stage '" + name + "'").c_str());
}

struct StageWeights {
    PackedCell cell;    // recurrent layers
    Array W, b;         // dense layers
    nb::object keeper;  // what owns the weights
};

// A layer from `width_in` numbers to `width` numbers at each step.
struct Stage {
    Kind kind;
    Index width_in = 0, width = 0;
    Activation activation = Activation::linear, recurrent_activation = Activation::linear;
    bool softmax = false;      // in place of the activation
    bool every_step = true;    // recurrent layers: the output of every step, or of the last
    bool backwards = false;    // recurrent layers: from the last step to the first
    bool reset_after = false;  // GRU
    double mask_value = 0;
    bool zero_masked = false;  // masked steps put out zeros

    double flops() const {  // of a step of one sequence
        if (is_recurrent(kind)) return 2.0 * facts(kind).gates * width * (width_in + width + 16);
        return (kind == Kind::dense ? 2.0 * width_in : 20.0) * width;
    }
};

// More than this is not held at once by a chain: layer by layer what is no longer needed is let go of, and
// the time between kernels does not matter.
constexpr double kMostBytesOfAChain = 1 << 25;

// The steps of a call: (N, T).
struct Extent {
    Index N, T;
};

// Where a recurrent layer's states come from and go to, (N, H) each.
template <class T>
struct States {
    View2<const T> h0, c0;
    View2<T> h_last, c_last;
};

// What all recurrent layers are given.
template <class T, class In>
In recurrent_call(const Stage& s, const PackedCell& cell, Extent extent, View3<const T> x,
                  View3<const std::uint8_t> mask, const States<T>& states, View3<T> h) {
    In in = {};
    in.sizes = {extent.N, extent.T, cell.F, cell.H};
    in.x = x;
    in.h0 = states.h0;
    in.mask = mask;
    in.packed = static_cast<const T*>(cell.memory);
    in.activation = s.activation;
    in.h = h;
    in.h_last = states.h_last;
    return in;
}

template <class T>
void run_recurrent(const Stage& s, const PackedCell& cell, Extent extent, View3<const T> x,
                   View3<const std::uint8_t> mask, const States<T>& states, View3<T> h) {
    const KernelsOf<T>& k = of<T>(*cell.made_for);
    if (s.kind == Kind::simple_rnn)
        return k.simple_rnn_forward(
            recurrent_call<T, SimpleRnnForward<T>>(s, cell, extent, x, mask, states, h));
    if (s.kind == Kind::gru) {
        auto in = recurrent_call<T, GruForward<T>>(s, cell, extent, x, mask, states, h);
        in.reset_after = cell.reset_after;
        in.recurrent_activation = s.recurrent_activation;
        return k.gru_forward(in);
    }
    auto in = recurrent_call<T, LstmForward<T>>(s, cell, extent, x, mask, states, h);
    in.recurrent_activation = s.recurrent_activation;
    in.c0 = states.c0;
    in.c_last = states.c_last;
    k.lstm_forward(in);
}

// What a dense or activation stage does last, in place.
template <class T>
void finish(const Stage& s, Index rows, T* y) {
    const KernelsOf<T>& k = of<T>(kernels());
    if (s.softmax) return k.softmax_forward(y, y, rows, s.width);
    if (s.activation != Activation::linear) k.activation_forward(s.activation, y, y, rows * s.width);
}

// y = x W + b. x and y hold one row for each step of each sequence, `row` elements apart in x.
template <class T>
void multiply(const Stage& s, const Array& W, const Array& b, Index rows, const T* x, Index row, T* y) {
    of<T>(kernels()).matmul({rows, s.width, s.width_in, x, row, 1, W.as<const T>(), W.strides[0],
                             W.strides[1], y, s.width, 1, b ? b.as<const T>() : nullptr, false});
}

template <class T>
void run_dense(const Stage& s, const StageWeights& weights, Index rows, const T* x, Index row, T* y) {
    multiply(s, weights.W, weights.b, rows, x, row, y);
    finish(s, rows, y);
}

template <class T>
void run_activation(const Stage& s, Index rows, const T* x, Index row, T* y) {
    for (Index r = 0; r < rows; ++r) std::copy(x + r * row, x + r * row + s.width, y + r * s.width);
    finish(s, rows, y);
}

// Zeros in place of the rows of y that do not count.
template <class T>
void zero_masked(Extent extent, Index width, View3<const std::uint8_t> mask, T* y) {
    for (Index n = 0; n < extent.N; ++n)
        for (Index t = 0; t < extent.T; ++t, y += width)
            if (!mask.data[n * mask.outer + t * mask.inner]) std::fill(y, y + width, T(0));
}

// Rows that are all `value` do not count and become zeros.
template <class T>
void run_masking(const Stage& s, Index rows, const T* x, Index row, T* y, std::uint8_t* mask) {
    const T value = static_cast<T>(s.mask_value);
    for (Index r = 0; r < rows; ++r, x += row, y += s.width) {
        bool counts = false;
        for (Index k = 0; k < s.width; ++k) counts |= value == value ? x[k] != value : x[k] == x[k];
        for (Index k = 0; k < s.width; ++k) y[k] = counts ? x[k] : T(0);
        mask[r] = counts;
    }
}

// The weights of a stage from what Python gives: packed ones, or (W, b or None).
inline StageWeights read_weights(const char* function, const Stage& stage, int item, nb::handle given) {
    StageWeights found;
    if (stage.kind == Kind::masking || stage.kind == Kind::activation) return found;
    bool fits = true;
    if (stage.kind == Kind::dense) {
        const nb::tuple pair = read_tuple(function, "weights", given, 2);
        found.W = read_array(function, "W", pair[0]);
        if (!pair[1].is_none()) found.b = read_array(function, "b", pair[1]);
        const Array &W = found.W, &b = found.b;
        fits = W.kind == 'f' && W.item == item && W.rank == 2 && W.shape[0] == stage.width_in &&
               W.shape[1] == stage.width;
        if (b) fits &= b.kind == 'f' && b.item == item && b.contiguous && b.size() == stage.width;
    } else {
        found.cell = stage.kind == Kind::lstm  ? packed_lstm(given)
                     : stage.kind == Kind::gru ? packed_gru(given)
                                               : packed_simple_rnn(given);
        fits = found.cell.item == item && found.cell.F == stage.width_in && found.cell.H == stage.width;
    }
    if (!fits)
        throw nb::value_error(
            (std::string(function) + ": weights do not have the stage's shape and type").c_str());
    found.keeper = nb::borrow(given);
    return found;
}

// A number in an attribute of a Python object.
inline long long number_in(nb::handle object, nb::handle name) {
    const nb::object value = nb::steal(PyObject_GetAttr(object.ptr(), name.ptr()));
    if (!value.is_valid()) nb::raise_python_error();
    const long long number = PyLong_AsLongLong(value.ptr());
    if (number == -1 && PyErr_Occurred()) nb::raise_python_error();
    return number;
}

// Variables whose memory may be written to: `changed()` says whether that happened since it was last asked.
class Watched {
  public:
    explicit Watched(nb::list variables)
        : clock_name_(nb::steal(PyUnicode_InternFromString("_clock"))),
          stamp_name_(nb::steal(PyUnicode_InternFromString("stamp"))) {
        for (nb::handle variable : variables) variables_.push_back({nb::borrow(variable), -1});
    }

    bool changed() {
        bool found = false;
        for (One& one : variables_) {
            const nb::object clock = nb::steal(PyObject_GetAttr(one.variable.ptr(), clock_name_.ptr()));
            if (!clock.is_valid()) nb::raise_python_error();
            const long long now = number_in(clock, stamp_name_);
            found |= now != one.stamp;
            one.stamp = now;
        }
        return found;
    }

  private:
    struct One {
        nb::object variable;
        long long stamp;
    };
    std::vector<One> variables_;
    nb::object clock_name_, stamp_name_;
};

}  // namespace gatewise
