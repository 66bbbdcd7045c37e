// LSTM: forward over whole sequences.
//
//     z = x[t] W + h[t-1] U + b      i, f, o = s(z_i), s(z_f), s(z_o)     g = a(z_c)
//     c[t] = f c[t-1] + i g          h[t] = o a(c[t])
//
// The idea: a tile of packed weights (gated.h) ends holding all four gates of its units, and the rest of the
// step is arithmetic on that tile.
#pragma once

#include "forward_cell.h"

namespace gatewise {
namespace GATEWISE_ISA {

template <class T>
static Index lstm_packed_size(Index F, Index H) {
    return packed_gates_size<T>(F, H, H, 4);
}

template <class T>
static void lstm_pack(View2<const T> W, View2<const T> U, const T* b, Index F, Index H, T* packed) {
    pack_gates(W, U, b, F, H, H, 4, packed);
}

// The gates and states of one block of units in one row.
template <class T>
struct LstmUnits {
    typename Simd<T>::V i, f, g, o, c, h;
};

template <class T>
GW_INLINE LstmUnits<T> lstm_units(const T* sums, typename Simd<T>::V c, Activation a, Activation s) {
    constexpr int L = Simd<T>::kLanes;
    LstmUnits<T> u;
    u.i = activate<T>(s, load(sums));
    u.f = activate<T>(s, load(sums + L));
    u.g = activate<T>(a, load(sums + 2 * L));
    u.o = activate<T>(s, load(sums + 3 * L));
    u.c = fma(u.f, c, u.i * u.g);
    u.h = u.o * activate<T>(a, u.c);
    return u;
}

template <class T, class Q = T>
struct LstmForwardCell : ForwardCell<T, LstmForward<T>, 4, Second::kSame, true, Q> {
    using Base = ForwardCell<T, LstmForward<T>, 4, Second::kSame, true, Q>;
    using Base::in, Base::L, Base::masked, Base::width;
    using typename Base::V;

    T* c_state;  // (N, width)

    LstmForwardCell(const LstmForward<T>& given, View3<const Q> x, const SequenceOrder& order,
                    Workspace& workspace)
        : Base(given, x, order, 4 * blocks_of<T>(given.sizes.H), given.mask.data != nullptr, workspace),
          c_state((T*)workspace.take(sizeof(T) * given.sizes.N * width)) {}

    // The initial states.
    void start() {
        Base::start();
        for (Index n = 0; n < in.sizes.N; ++n)
            for (Index u = 0; u < width; u += L)
                store(c_state + n * width + u, this->of_row(in.c0, n, u, this->units_from(u)));
    }

    // For the usual pair the activations are constants, and the compiler leaves no choice in the loop.
    void epilogue(Index t, Index n, Index rows, Index p, const Q* of_tile) {
        TileSums<T> space;
        const T* sums = this->real_sums(rows, p, of_tile, space.at);
        if (in.activation == Activation::tanh && in.recurrent_activation == Activation::sigmoid)
            finish_rows(t, n, rows, p, sums, Activation::tanh, Activation::sigmoid);
        else finish_rows(t, n, rows, p, sums, in.activation, in.recurrent_activation);
    }

    GW_MEMBER void finish_rows(Index t, Index n0, Index rows, Index p, const T* sums, Activation a,
                               Activation s) {
        const Index u = p * L, some = this->units_from(u);
        for (Index r = 0; r < rows; ++r, sums += 4 * L) {
            const Index n = n0 + r;
            T* c_row = c_state + n * width + u;
            if (masked(n, t)) {
                copy_states(t, n, u, some);
                continue;
            }
            const LstmUnits<T> units = lstm_units<T>(sums, load(c_row), a, s);
            store(c_row, units.c);
            this->keep_h(t, n, u, some, units.h);
            this->keep(in.c, in.c_last, t, n, u, some, units.c);
            if (in.gates) {
                T* gates = this->gates_at(in.gates, t, n, u, 4);
                store_first(gates, units.i, some);
                store_first(gates + in.sizes.H, units.f, some);
                store_first(gates + 2 * in.sizes.H, units.g, some);
                store_first(gates + 3 * in.sizes.H, units.o, some);
            }
            if (in.z) this->keep_gates(in.z, t, n, u, some, 4, sums);
        }
    }

    // What a masked step does: nothing, to states; its gates are zero.
    void copy_states(Index t, Index n, Index u, Index some) {
        const V zeros[4] = {};
        this->keep_h(t, n, u, some, this->h_before(t, n, u));
        this->keep(in.c, in.c_last, t, n, u, some, load(c_state + n * width + u));
        if (in.gates) this->keep_gates(in.gates, t, n, u, some, 4, (const T*)zeros);
        if (in.z) this->keep_gates(in.z, t, n, u, some, 4, (const T*)zeros);
    }
};

// `x` are the inputs as elements.
template <class T, class Q>
static void run_lstm_forward(const LstmForward<T>& in, View3<const Q> x, Workspace& workspace) {
    const Division division = divide_forward<Q>(in, 4, 4);
    LstmForwardCell<T, Q> cell(in, x, order_of(in, division, workspace), workspace);
    Team team(division.threads);
    cell.start();
    run_recurrence<Q>(cell, team, division.by_units, in.sizes.N, in.sizes.T, cell.panels());
}

template <class T>
static void lstm_forward(const LstmForward<T>& in) {
    if (in.sizes.N == 0) return;
    Workspace workspace;
    run_lstm_forward(in, in.x, workspace);
}

}  // namespace GATEWISE_ISA
}  // namespace gatewise
