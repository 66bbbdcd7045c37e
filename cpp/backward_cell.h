// What the backward passes of all recurrent layers share: the way back through the recurrent weights.
//
// The idea: going back in time, dh = dz[t+1] U^T is again a tile with an epilogue: the sums are dh, and the
// derivatives of a step follow on the spot. U^T is packed in panels [panels][depth][columns][lanes].
#pragma once

#include "activations.h"
#include "forward_cell.h"

namespace gatewise {
namespace GATEWISE_ISA {

template <class T, class In>
struct BackwardCell {
    static constexpr int L = Simd<T>::kLanes;
    static constexpr Second kSecond = Second::kSame;
    using V = typename Simd<T>::V;

    const In& in;
    const SequenceOrder order;
    const Index width;  // H rounded up to whole vectors
    const Index deep;   // columns of U, from the first one given on, that dz is multiplied with
    const T* packed;    // their transpose, in panels
    const T* zeros;     // a panel's width of them

    // Packs columns [first, first + depth) of U.
    BackwardCell(const In& given, const SequenceOrder& sorted, Index first, Index depth, Workspace& workspace)
        : in(given), order(sorted), width(blocks_of<T>(given.sizes.H) * L), deep(depth) {
        T* to = (T*)workspace.take(sizeof(T) * depth * width);
        T* nothing = (T*)workspace.take(sizeof(T) * kMostColumns * L);
        std::memset(nothing, 0, sizeof(T) * kMostColumns * L);
        pack_transposed<T>({in.U.data + first, in.U.stride}, in.sizes.H, depth, to);
        packed = to;
        zeros = nothing;
    }

    Index panels() const { return ceil_div(width, kMostColumns * L); }
    GW_MEMBER Index columns(Index p) const { return min_of(kMostColumns, width / L - p * kMostColumns); }
    Index depth() const { return deep; }
    const T* panel(Index p) const { return packed + p * deep * kMostColumns * L; }
    GW_MEMBER Index time(Index step) const { return in.sizes.T - 1 - step; }
    GW_MEMBER bool masked(Index n, Index t) const {
        return in.mask.data && is_masked(in.mask, order.sequence(n), t);
    }
    bool counts(Index n, Index t) const { return t >= 0 && t < in.sizes.T && !masked(n, t); }
    // Rows that count at this step of the way back, or did at the one before.
    Index active_rows(Index step, Range rows) const {
        Index end = rows.end;
        const Index t = time(step);
        while (in.mask.data && end > rows.begin && !counts(end - 1, t) && !counts(end - 1, t + 1)) --end;
        return end;
    }

    void prepare(Index, Index) {}
    bool begin_step(Index, Range) { return false; }

    // Rows of dz, `row` numbers for a sequence, times all of U's columns that were packed.
    TileWork<T> product(const T* dz, Index row, Index p) const {
        return {{{dz, row, 1, deep, panel(p)}, {}}, 1, deep * kMostColumns * L, zeros, 0, 0};
    }
    TileWork<T> no_product() const { return {{{}, {}}, 0, deep * kMostColumns * L, zeros, 0, 0}; }

    GW_MEMBER Index units_from(Index u) const { return min_of(L, in.sizes.H - u); }
    GW_MEMBER V of_row(View2<const T> states, Index n, Index u, Index some) const {
        return states.data ? load_first(states.data + order.sequence(n) * states.stride + u, some) : V{};
    }
    // Row n of these units in a gradient of every step, or in what a step left.
    GW_MEMBER V at(View3<const T> of, Index n, Index t, Index u, Index some) const {
        return of.data ? load_first(of.data + order.sequence(n) * of.outer + t * of.inner + u, some) : V{};
    }
    // What arrives at h[t-1] through U, given what arrives at h[t-1] times its multipliers.
    GW_MEMBER V dropped(Index n, Index u, Index some, V dh) const {
        return in.h_dropout.data ? dh * of_row(in.h_dropout, n, u, some) : dh;
    }

    // The gradients that the caller gives for h[t].
    GW_MEMBER V given_dh(Index step, Index n, Index u, Index some) const {
        const V dh = at(in.dh, n, time(step), u, some);
        return step ? dh : dh + of_row(in.dh_last, n, u, some);
    }
    GW_MEMBER V state_before(View3<const T> states, View2<const T> first, Index n, Index t, Index u,
                             Index some) const {
        return t ? at(states, n, t - 1, u, some) : of_row(first, n, u, some);
    }

    // The derivative of an activation whose output is y; `z` (its inputs) where that is needed.
    GW_MEMBER V slope(Activation a, V y, const T* z, Index some) const {
        return derivative<T>(a, y, z ? load_first(z, some) : V{});
    }
};

// How the work of a way back is divided; `depth` columns of U.
template <class T, class In>
static Division divide_backward(const In& in, Index depth) {
    const Index width = blocks_of<T>(in.sizes.H) * Simd<T>::kLanes;
    const Index panels = ceil_div(width, kMostColumns * Simd<T>::kLanes);
    const double flops = 2.0 * in.sizes.N * width * (depth + 64);
    return divide_recurrence(in.sizes.N, in.sizes.T, panels, flops, sizeof(T) * depth * width);
}

}  // namespace GATEWISE_ISA
}  // namespace gatewise
