// LSTM: forward over whole sequences.
//
//     z = x[t] W + h[t-1] U + b      i, f, o = s(z_i), s(z_f), s(z_o)     g = a(z_c)
//     c[t] = f c[t-1] + i g          h[t] = o a(c[t])
//
// The idea: a tile of packed weights (gated.h) ends holding all four gates of its units, and the rest of the
// step is arithmetic on that tile. The states h and c rest in compact buffers of their own, h in two, one
// being read while the other is written.
#pragma once

#include "activations.h"
#include "gated.h"

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

template <class T>
struct LstmForwardCell {
    static constexpr int L = Simd<T>::kLanes;
    using V = typename Simd<T>::V;

    const LstmForward<T>& in;
    Index width;    // H rounded up to whole vectors: a row of the state buffers
    T* h_state[2];  // (N, width) each; what the next step multiplies: h, times h_dropout where given
    T* c_state;     // (N, width)
    T* h_plain;     // (N, width), h without dropout, kept only for masked steps under dropout
    StepInput<T> input;

    Index columns(Index) const { return 4; }
    Index depth() const { return in.sizes.F + in.sizes.H; }
    const T* panel(Index p) const { return in.packed + p * depth() * 4 * L; }
    const T* bias(Index p) const { return in.packed + (width / L * depth() + p) * 4 * L; }

    // The initial states.
    void start() {
        const Index N = in.sizes.N, H = in.sizes.H;
        for (Index n = 0; n < N; ++n)
            for (Index u = 0; u < width; u += L) {
                const Index some = min_of(L, H - u);
                const V h = in.h0.data ? load_first(in.h0.data + n * in.h0.stride + u, some) : V{};
                const V c = in.c0.data ? load_first(in.c0.data + n * in.c0.stride + u, some) : V{};
                store(h_state[0] + n * width + u, dropped(n, u, some, h));
                store(c_state + n * width + u, c);
                if (h_plain) store(h_plain + n * width + u, h);
            }
    }

    V dropped(Index n, Index u, Index some, V h) const {
        return in.h_dropout.data ? h * load_first(in.h_dropout.data + n * in.h_dropout.stride + u, some) : h;
    }

    void prepare(Index p0, Index p1) { input.prepare(*this, p0, p1, width / L); }
    void begin_step(Index t, Index row0, Index row1) { input.begin_step(t, row0, row1); }

    TileWork<T> work(Index t, Index n, Index p) const {
        const Index F = in.sizes.F, H = in.sizes.H;
        const Segment<T> of_h = {h_state[t & 1] + n * width, width, 1, H, panel(p) + F * 4 * L};
        const Index panel_stride = depth() * 4 * L;
        if (input.projected) {
            const Index row = width * 4;
            return {{of_h, {}},       1,
                    panel_stride,     input.projected + (n * in.sizes.T + t) * row + p * 4 * L,
                    in.sizes.T * row, 4 * L};
        }
        return {{input.segment(t, n, panel(p)), of_h}, 2, panel_stride, bias(p), 0, 4 * L};
    }

    // For the usual pair the activations are constants, and the compiler leaves no choice in the loop.
    void epilogue(Index t, Index n, Index rows, Index p, const T* sums) {
        if (in.activation == Activation::tanh && in.recurrent_activation == Activation::sigmoid)
            finish_rows(t, n, rows, p, sums, Activation::tanh, Activation::sigmoid);
        else finish_rows(t, n, rows, p, sums, in.activation, in.recurrent_activation);
    }

    __attribute__((always_inline)) inline void finish_rows(Index t, Index n0, Index rows, Index p,
                                                           const T* sums, Activation a, Activation s) {
        const Index u = p * L, some = min_of(L, in.sizes.H - u);
        for (Index r = 0; r < rows; ++r, sums += 4 * L) {
            const Index n = n0 + r;
            T* c_row = c_state + n * width + u;
            if (in.mask.data && !in.mask.data[n * in.mask.outer + t * in.mask.inner]) {
                copy_states(t, n, u, some);
                continue;
            }
            const LstmUnits<T> units = lstm_units<T>(sums, load(c_row), a, s);
            store(c_row, units.c);
            store(h_state[(t + 1) & 1] + n * width + u, dropped(n, u, some, units.h));
            if (h_plain) store(h_plain + n * width + u, units.h);
            keep(t, n, u, some, units.h, units.c);
            if (in.gates) {
                T* gates = in.gates + ((n * in.sizes.T + t) * 4) * in.sizes.H + u;
                store_first(gates, units.i, some);
                store_first(gates + in.sizes.H, units.f, some);
                store_first(gates + 2 * in.sizes.H, units.g, some);
                store_first(gates + 3 * in.sizes.H, units.o, some);
            }
            if (in.z) keep_sums(in.z, t, n, u, some, sums);
        }
    }

    // What a masked step does: nothing, to states; its gates are zero.
    void copy_states(Index t, Index n, Index u, Index some) {
        const V zeros[4] = {};
        const V stepped = load(h_state[t & 1] + n * width + u);
        store(h_state[(t + 1) & 1] + n * width + u, stepped);
        keep(t, n, u, some, h_plain ? load(h_plain + n * width + u) : stepped, load(c_state + n * width + u));
        if (in.gates) keep_sums(in.gates, t, n, u, some, (const T*)zeros);
        if (in.z) keep_sums(in.z, t, n, u, some, (const T*)zeros);
    }

    void keep_sums(T* to, Index t, Index n, Index u, Index some, const T* sums) const {
        to += ((n * in.sizes.T + t) * 4) * in.sizes.H + u;
        for (Index gate = 0; gate < 4; ++gate)
            store_first(to + gate * in.sizes.H, load(sums + gate * L), some);
    }

    void keep(Index t, Index n, Index u, Index some, V h, V c) const {
        if (in.h.data) store_first(in.h.data + n * in.h.outer + t * in.h.inner + u, h, some);
        if (in.c.data) store_first(in.c.data + n * in.c.outer + t * in.c.inner + u, c, some);
        if (t + 1 < in.sizes.T) return;
        if (in.h_last.data) store_first(in.h_last.data + n * in.h_last.stride + u, h, some);
        if (in.c_last.data) store_first(in.c_last.data + n * in.c_last.stride + u, c, some);
    }
};

template <class T>
static void lstm_forward(const LstmForward<T>& in) {
    const Index N = in.sizes.N, steps = in.sizes.T, F = in.sizes.F, H = in.sizes.H;
    if (N == 0) return;
    const Index blocks = blocks_of<T>(H), width = blocks * Simd<T>::kLanes;
    const double flops = 8.0 * N * width * (F + H + 16);
    Division division = divide_recurrence(N, steps, blocks, flops, sizeof(T) * 4 * width * (F + H));
    if (in.x_dropout.data && division.by_units) division = {1, false};
    Team team(division.threads);

    Workspace workspace;
    const auto take = [&](Index count) { return (T*)workspace.take(sizeof(T) * count); };
    LstmForwardCell<T> cell = {in,
                               width,
                               {take(N * width), take(N * width)},
                               take(N * width),
                               nullptr,
                               {in.x, in.x_dropout, N, steps, F}};
    if (in.mask.data && in.h_dropout.data) cell.h_plain = take(N * width);
    cell.input.take(workspace, width * 4);
    cell.start();
    run_recurrence<T>(cell, team, division.by_units, N, steps, blocks);
}

}  // namespace GATEWISE_ISA
}  // namespace gatewise
