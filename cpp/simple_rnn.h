// The simple recurrent layer: forward over whole sequences.
//
//     h[t] = a(x[t] W + h[t-1] U + b)
//
// The idea: four blocks of units fill a panel; the sums of a tile are the states but for the activation.
#pragma once

#include "forward_cell.h"

namespace gatewise {
namespace GATEWISE_ISA {

template <class T>
static Index simple_rnn_packed_size(Index F, Index H) {
    return packed_size<T, kMostColumns, Second::kSame>(F, H, blocks_of<T>(H));
}

template <class T>
static void simple_rnn_pack(View2<const T> W, View2<const T> U, const T* b, Index F, Index H, T* packed) {
    constexpr Index kAcross = kMostColumns * Simd<T>::kLanes;
    const Index panels = ceil_div(H, kAcross);
    T* bias = packed + panels * (F + H) * kAcross;
    for (Index u = 0; u < H; u += kAcross, packed += (F + H) * kAcross, bias += kAcross) {
        const Index some = min_of(H - u, kAcross), vectors = min_of(kMostColumns, blocks_of<T>(H - u));
        pack_panel(W.data + u, W.stride, F, some, vectors, packed);
        pack_panel(U.data + u, U.stride, H, some, vectors, packed + F * vectors * Simd<T>::kLanes);
        if (b) pack_panel(b + u, 0, 1, some, vectors, bias);
        else zero_row(bias, kAcross);
    }
}

template <class T, class Q = T>
struct SimpleRnnCell : ForwardCell<T, SimpleRnnForward<T>, kMostColumns, Second::kSame, false, Q> {
    using Base = ForwardCell<T, SimpleRnnForward<T>, kMostColumns, Second::kSame, false, Q>;
    using Base::in, Base::L, Base::masked;
    using typename Base::V;

    SimpleRnnCell(const SimpleRnnForward<T>& given, View3<const Q> x, const SequenceOrder& order,
                  Workspace& workspace)
        : Base(given, x, order, blocks_of<T>(given.sizes.H), given.mask.data != nullptr, workspace) {}

    void epilogue(Index t, Index n, Index rows, Index p, const Q* of_tile) {
        TileSums<T> space;
        const T* sums = this->real_sums(rows, p, of_tile, space.at);
        if (in.activation == Activation::tanh) finish_rows(t, n, rows, p, sums, Activation::tanh);
        else finish_rows(t, n, rows, p, sums, in.activation);
    }

    GW_MEMBER void finish_rows(Index t, Index n0, Index rows, Index p, const T* sums, Activation a) {
        const Index count = this->columns(p);
        for (Index n = n0; n < n0 + rows; ++n)
            for (Index c = 0; c < count; ++c, sums += L) {
                const Index u = (p * kMostColumns + c) * L, some = this->units_from(u);
                const bool counts = !masked(n, t);
                const V z = counts ? load(sums) : V{};
                this->keep_h(t, n, u, some, counts ? activate<T>(a, z) : this->h_before(t, n, u));
                if (in.z) this->keep_gates(in.z, t, n, u, some, 1, (const T*)&z);
            }
    }
};

// `x` are the inputs as elements.
template <class T, class Q>
static void run_simple_rnn_forward(const SimpleRnnForward<T>& in, View3<const Q> x, Workspace& workspace) {
    const Division division = divide_forward<Q>(in, kMostColumns, 1);
    SimpleRnnCell<T, Q> cell(in, x, order_of(in, division, workspace), workspace);
    Team team(division.threads);
    cell.start();
    run_recurrence<Q>(cell, team, division.by_units, in.sizes.N, in.sizes.T, cell.panels());
}

template <class T>
static void simple_rnn_forward(const SimpleRnnForward<T>& in) {
    if (in.sizes.N == 0) return;
    Workspace workspace;
    run_simple_rnn_forward(in, in.x, workspace);
}

}  // namespace GATEWISE_ISA
}  // namespace gatewise
