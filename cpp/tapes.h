// A chain of stages in training: forward with what the way back reads, and back with the weights' gradients.
//
// The idea: the kernels are those that layers call one by one, with the same arguments in the same order, so
// the numbers are the same to the last bit; only the arrays between them live in one workspace instead of in
// Python. Gradients of weights go straight to where the optimizer reads them.
#pragma once

#include "memory.h"
#include "stages.h"

namespace gatewise {

// A stage's weights as the model holds them, and where their gradients go; null where not wanted.
struct StageParameters {
    Array W, U, b, dW, dU, db;
    bool trained = false;   // whether any gradient is wanted
    bool wants_dx = false;  // whether a stage before this one is trained
};

template <class T>
struct Tape {
    Extent extent;         // of the input
    View3<const T> x;      // the input
    View3<const T> y;      // the output
    Index y_steps;         // T, or 1 where the output is of the last step
    T *h, *c, *gates, *z;  // of recurrent layers; of a GRU c is `recurrent` and z `sums`
};

inline bool needs_sums(const Stage& s) {
    return derivative_needs_input(s.activation) ||
           (s.kind != Kind::simple_rnn && derivative_needs_input(s.recurrent_activation));
}

// How many numbers a stage keeps of each step, there and back.
inline double numbers_kept(const Stage& s) {
    const double gates = facts(s.kind).gates;
    if (!is_recurrent(s.kind)) return 2.0 * s.width + s.width_in;
    return s.width * (1 + (gates > 1 ? 1 + gates : 0) + (needs_sums(s) ? gates : 0)) + s.width_in;
}

template <class T, class In>
void fill_forward(In& in, const Stage& s, const Tape<T>& tape) {
    in.sizes = {tape.extent.N, tape.extent.T, s.width_in, s.width};
    in.x = tape.x;
    in.activation = s.activation;
    in.h = {tape.h, tape.extent.T * s.width, s.width};
}

template <class T>
void forward_lstm(const Stage& s, const StageParameters& p, const Tape<T>& tape) {
    const KernelsOf<T>& k = of<T>(kernels());
    Workspace workspace;
    T* packed = static_cast<T*>(workspace.take(sizeof(T) * k.lstm_packed_size(s.width_in, s.width)));
    k.lstm_pack(p.W.view2<const T>(), p.U.view2<const T>(), p.b.as<const T>(), s.width_in, s.width, packed);
    LstmForward<T> in = {};
    fill_forward(in, s, tape);
    in.packed = packed;
    in.recurrent_activation = s.recurrent_activation;
    in.c = {tape.c, in.h.outer, in.h.inner};
    in.gates = tape.gates;
    in.z = tape.z;
    k.lstm_forward(in);
}

template <class T>
void forward_gru(const Stage& s, const StageParameters& p, const Tape<T>& tape) {
    const KernelsOf<T>& k = of<T>(kernels());
    Workspace workspace;
    const Index size = k.gru_packed_size(s.width_in, s.width, s.reset_after);
    T* packed = static_cast<T*>(workspace.take(sizeof(T) * size));
    View2<const T> b;
    if (p.b) b = {p.b.as<const T>(), s.reset_after ? p.b.strides[0] : 0};
    k.gru_pack(p.W.view2<const T>(), p.U.view2<const T>(), b, s.width_in, s.width, s.reset_after, packed);
    GruForward<T> in = {};
    fill_forward(in, s, tape);
    in.packed = packed;
    in.reset_after = s.reset_after;
    in.recurrent_activation = s.recurrent_activation;
    in.gates = tape.gates;
    in.recurrent = tape.c;
    in.sums = tape.z;
    k.gru_forward(in);
}

template <class T>
void forward_simple_rnn(const Stage& s, const StageParameters& p, const Tape<T>& tape) {
    const KernelsOf<T>& k = of<T>(kernels());
    Workspace workspace;
    T* packed = static_cast<T*>(workspace.take(sizeof(T) * k.simple_rnn_packed_size(s.width_in, s.width)));
    k.simple_rnn_pack(p.W.view2<const T>(), p.U.view2<const T>(), p.b.as<const T>(), s.width_in, s.width,
                      packed);
    SimpleRnnForward<T> in = {};
    fill_forward(in, s, tape);
    in.packed = packed;
    in.z = tape.z;
    k.simple_rnn_forward(in);
}

// Runs a recurrent stage and keeps its tape in the workspace.
template <class T>
void forward_recurrent(const Stage& s, const StageParameters& p, Tape<T>& tape, Workspace& workspace) {
    const Index H = s.width, gates = facts(s.kind).gates, rows = tape.extent.N * tape.extent.T;
    const auto take = [&](Index size) { return static_cast<T*>(workspace.take(sizeof(T) * size)); };
    tape.h = take(rows * H);
    tape.c = gates > 1 ? take(rows * H) : nullptr;
    tape.gates = gates > 1 ? take(rows * gates * H) : nullptr;
    tape.z = needs_sums(s) ? take(rows * gates * H) : nullptr;
    if (s.backwards) {
        tape.x.data += (tape.extent.T - 1) * tape.x.inner;
        tape.x.inner = -tape.x.inner;
    }
    if (s.kind == Kind::lstm) forward_lstm(s, p, tape);
    else if (s.kind == Kind::gru) forward_gru(s, p, tape);
    else forward_simple_rnn(s, p, tape);
    const Index steps = tape.extent.T;
    tape.y_steps = s.every_step ? steps : 1;
    tape.y = {tape.h + (s.every_step ? 0 : (steps - 1) * H), steps * H, H};
}

// The stride from row to row where rows lie evenly: they do in contiguous arrays, and where T is 1.
template <class T>
Index row_of(Extent extent, View3<const T> x) {
    return extent.T == 1 ? x.outer : x.inner;
}

template <class T>
void forward_stage(const Stage& s, const StageParameters& p, Tape<T>& tape, Workspace& workspace) {
    if (is_recurrent(s.kind)) return forward_recurrent(s, p, tape, workspace);
    const Index rows = tape.extent.N * tape.extent.T, row = row_of(tape.extent, tape.x);
    T* y = static_cast<T*>(workspace.take(sizeof(T) * rows * s.width));
    if (s.kind == Kind::dense) {
        multiply(s, p.W, p.b, rows, tape.x.data, row, y);
        finish(s, rows, y);
    } else {
        run_activation(s, rows, tape.x.data, row, y);
    }
    tape.y_steps = tape.extent.T;
    tape.y = {y, tape.extent.T * s.width, s.width};
}

template <class T, class In>
void fill_backward(In& in, const Stage& s, const StageParameters& p, const Tape<T>& tape, View3<const T> dy,
                   T* dx) {
    in.sizes = {tape.extent.N, tape.extent.T, s.width_in, s.width};
    in.x = tape.x;
    in.W = p.W.view2<const T>();
    in.U = p.U.view2<const T>();
    in.activation = s.activation;
    in.h = {tape.h, tape.extent.T * s.width, s.width};
    if (s.every_step) in.dh = dy;
    else in.dh_last = {dy.data, dy.outer};
    in.dx = dx;
    in.dW = p.dW.as<T>();
    in.dU = p.dU.as<T>();
    in.db = p.db.as<T>();
}

template <class T>
void backward_recurrent(const Stage& s, const StageParameters& p, const Tape<T>& tape, View3<const T> dy,
                        T* dx) {
    const KernelsOf<T>& k = of<T>(kernels());
    if (s.kind == Kind::simple_rnn) {
        SimpleRnnBackward<T> in = {};
        fill_backward(in, s, p, tape, dy, dx);
        in.z = tape.z;
        return k.simple_rnn_backward(in);
    }
    if (s.kind == Kind::gru) {
        GruBackward<T> in = {};
        fill_backward(in, s, p, tape, dy, dx);
        in.reset_after = s.reset_after;
        in.recurrent_activation = s.recurrent_activation;
        in.gates = tape.gates;
        in.recurrent = tape.c;
        in.sums = tape.z;
        return k.gru_backward(in);
    }
    LstmBackward<T> in = {};
    fill_backward(in, s, p, tape, dy, dx);
    in.recurrent_activation = s.recurrent_activation;
    in.c = {tape.c, in.h.outer, in.h.inner};
    in.gates = tape.gates;
    in.z = tape.z;
    in.consumes_gates = true;  // nobody else sees this tape
    k.lstm_backward(in);
}

// dz of a dense or activation stage from dy, (rows, width) both.
template <class T>
const T* before_finish(const Stage& s, const Tape<T>& tape, Index rows, const T* dy, Workspace& workspace) {
    if (!s.softmax && s.activation == Activation::linear) return dy;
    const KernelsOf<T>& k = of<T>(kernels());
    T* dz = static_cast<T*>(workspace.take(sizeof(T) * rows * s.width));
    if (s.softmax) k.softmax_backward(dy, tape.y.data, dz, rows, s.width);
    else k.activation_backward(s.activation, dy, nullptr, tape.y.data, dz, rows * s.width);
    return dz;
}

template <class T>
void backward_dense(const Stage& s, const StageParameters& p, const Tape<T>& tape, const T* dz, T* dx) {
    const KernelsOf<T>& k = of<T>(kernels());
    const Index rows = tape.extent.N * tape.extent.T, row = row_of(tape.extent, tape.x);
    if (p.dW)
        k.matmul({s.width_in, s.width, rows, tape.x.data, 1, row, dz, s.width, 1, p.dW.as<T>(), s.width, 1,
                  nullptr, false});
    if (p.db) k.column_sums(dz, p.db.as<T>(), rows, s.width);
    if (dx)
        k.matmul({rows, s.width_in, s.width, dz, s.width, 1, p.W.as<const T>(), p.W.strides[1],
                  p.W.strides[0], dx, s.width_in, 1, nullptr, false});
}

// Back through a stage; returns the gradient of its input, null where not wanted.
template <class T>
View3<const T> backward_stage(const Stage& s, const StageParameters& p, const Tape<T>& tape,
                              View3<const T> dy, Workspace& workspace) {
    const Index rows = tape.extent.N * tape.extent.T;
    T* dx = p.wants_dx ? static_cast<T*>(workspace.take(sizeof(T) * rows * s.width_in)) : nullptr;
    if (is_recurrent(s.kind)) {
        backward_recurrent(s, p, tape, dy, dx);
    } else {
        const T* dz = before_finish(s, tape, rows, dy.data, workspace);
        if (s.kind == Kind::dense) backward_dense(s, p, tape, dz, dx);
        else dx = const_cast<T*>(dz);
    }
    return {dx, tape.extent.T * s.width_in, s.width_in};
}

}  // namespace gatewise
