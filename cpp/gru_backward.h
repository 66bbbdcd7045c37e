// GRU: gradients. dz, dr, dg are those of the sums that become z, r and g.
//
//     dz = dh (h[t-1] - g) s'(z)      dg = dh (1 - z) a'(g)
//     reset after the product:   dr = dg q s'(r)    dq = dg r        dh[t-1] = dh z + dz U_z^T + dr U_r^T +
//     dq U_h^T reset before it:           dq = dg U_h^T      dr = dq h[t-1] s'(r)
//                                dh[t-1] = dh z + dq r + dz U_z^T + dr U_r^T
//     dx = [dz dr dg] W^T        dW = x^T [dz dr dg]        dU = h[t-1]^T [dz dr dq], or q^T dg for its last
//     third
//
// The idea: what the products need of all steps is kept as rows [dz dr dg dq], or [dz dr dg]. Going back in
// time the tiles' sums are what arrives through U (backward_cell.h); what arrives directly, dh z, waits in
// `carried`. Where the reset comes before the product a step back has two phases, as forward.
#pragma once

#include "backward_cell.h"
#include "gru.h"
#include "weight_gradients.h"

namespace gatewise {
namespace GATEWISE_ISA {

// What both kinds share: rows of gradients, and how a step begins. `depth` columns of U from `first` on.
template <class T>
struct GruBackwardCell : BackwardCell<T, GruBackward<T>> {
    using Base = BackwardCell<T, GruBackward<T>>;
    using Base::in, Base::L, Base::masked, Base::time, Base::width;
    using typename Base::V;

    const Index gates;  // in a row of gradients
    T* rows;            // (N, T, gates, H), sequences in order
    T* carried;         // (N, width): what arrives at h[t] from h[t+1] without a product

    GruBackwardCell(const GruBackward<T>& given, const SequenceOrder& sorted, Index first, Index depth,
                    Index all_gates, T* all_rows, T* all_carried, Workspace& workspace)
        : Base(given, sorted, first, depth, workspace),
          gates(all_gates),
          rows(all_rows),
          carried(all_carried) {}

    T* row(Index n, Index t, Index gate = 0) const {
        return rows + ((n * in.sizes.T + t) * gates + gate) * in.sizes.H;
    }
    Index between() const { return in.sizes.T * gates * in.sizes.H; }

    // dh of a step: what the tile's sums and `carried` bring; at the end it is dh0.
    V arriving(Index step, Index n, Index u, Index some, V sums) const {
        if (step == 0) return this->given_dh(step, n, u, some);
        const V dh = this->dropped(n, u, some, sums) + load(carried + n * width + u);
        if (step < in.sizes.T) return dh + this->given_dh(step, n, u, some);
        store_first(in.dh0 + this->order.sequence(n) * in.sizes.H + u, dh, some);
        return dh;
    }

    // The gates of a step, its previous state and the slopes of its activations.
    struct Step {
        V z, r, g, before, z_slope, r_slope, g_slope;
    };
    GW_MEMBER Step step_of(Index n, Index t, Index u, Index some, Activation a, Activation s) const {
        const Index H = in.sizes.H, at = (this->order.sequence(n) * in.sizes.T + t) * 3 * H + u;
        const T *gate = in.gates + at, *sum = in.sums ? in.sums + at : nullptr;
        Step step;
        step.z = load_first(gate, some);
        step.r = load_first(gate + H, some);
        step.g = load_first(gate + 2 * H, some);
        step.before = this->state_before(in.h, in.h0, n, t, u, some);
        step.z_slope = this->slope(s, step.z, sum, some);
        step.r_slope = this->slope(s, step.r, sum ? sum + H : nullptr, some);
        step.g_slope = this->slope(a, step.g, sum ? sum + 2 * H : nullptr, some);
        return step;
    }

    // A masked step hands on what it is given.
    void skip(Index n, Index t, Index u, Index some, V dh) const {
        store(carried + n * width + u, dh);
        for (Index gate = 0; gate < gates; ++gate) store_first(row(n, t, gate) + u, V{}, some);
    }

    // Calls f(n, u, some, sums) for each vector of a tile.
    template <class F>
    GW_MEMBER void for_each(Index n0, Index tile_rows, Index p, const T* sums, F f) const {
        const Index count = this->columns(p);
        for (Index n = n0; n < n0 + tile_rows; ++n)
            for (Index c = 0; c < count; ++c, sums += L) {
                const Index u = (p * kMostColumns + c) * L;
                f(n, u, this->units_from(u), load(sums));
            }
    }
};

// ---- reset after the product ------------------------------------------------------------------------

template <class T>
struct GruAfterBackwardCell : GruBackwardCell<T> {
    using Base = GruBackwardCell<T>;
    using Base::carried, Base::in, Base::L, Base::masked, Base::row, Base::time, Base::width;
    using typename Base::V;

    GruAfterBackwardCell(const GruBackward<T>& given, const SequenceOrder& order, T* rows, T* carried,
                         Workspace& workspace)
        : Base(given, order, 0, 3 * given.sizes.H, 4, rows, carried, workspace) {}

    TileWork<T> work(Index step, Index n, Index p) const {
        if (step == 0) return this->no_product();
        const Index H = in.sizes.H, t = time(step) + 1, between = this->between();
        TileWork<T> work = this->product(row(n, t), between, p);
        work.segments[0].depth = 2 * H;
        work.segments[1] = {row(n, t, 3), between, 1, H, this->panel(p) + 2 * H * this->columns(p) * L};
        work.segment_count = 2;
        return work;
    }

    void epilogue(Index step, Index n0, Index rows, Index p, const T* sums) {
        if (usual_activations(in)) step_back(step, n0, rows, p, sums, Activation::tanh, Activation::sigmoid);
        else step_back(step, n0, rows, p, sums, in.activation, in.recurrent_activation);
    }

    GW_MEMBER void step_back(Index step, Index n0, Index rows, Index p, const T* sums, Activation a,
                             Activation s) {
        const Index H = in.sizes.H, t = time(step);
        this->for_each(n0, rows, p, sums, [&](Index n, Index u, Index some, V sum) {
            const V dh = this->arriving(step, n, u, some, sum);
            if (step == in.sizes.T) return;
            if (masked(n, t)) return this->skip(n, t, u, some, dh);
            const auto now = this->step_of(n, t, u, some, a, s);
            const Index tape = (this->order.sequence(n) * in.sizes.T + t) * H + u;
            const V q = load_first(in.recurrent + tape, some);
            const V dg = dh * (broadcast(T(1)) - now.z) * now.g_slope;
            T* to = row(n, t) + u;
            store_first(to, dh * (now.before - now.g) * now.z_slope, some);
            store_first(to + H, dg * q * now.r_slope, some);
            store_first(to + 2 * H, dg, some);
            store_first(to + 3 * H, dg * now.r, some);
            store(carried + n * width + u, dh * now.z);
        });
    }
};

// ---- reset before the product -----------------------------------------------------------------------

// The first phase: dh, dz and dg.
template <class T>
struct GruResetBackwardCell : GruBackwardCell<T> {
    using Base = GruBackwardCell<T>;
    using Base::carried, Base::in, Base::masked, Base::row, Base::time, Base::width;
    using typename Base::V;

    GruResetBackwardCell(const GruBackward<T>& given, const SequenceOrder& order, T* rows, T* carried,
                         Workspace& workspace)
        : Base(given, order, 0, 2 * given.sizes.H, 3, rows, carried, workspace) {}

    TileWork<T> work(Index step, Index n, Index p) const {
        return step == 0 ? this->no_product() : this->product(row(n, time(step) + 1), this->between(), p);
    }

    void epilogue(Index step, Index n0, Index rows, Index p, const T* sums) {
        const Index H = in.sizes.H, t = time(step);
        this->for_each(n0, rows, p, sums, [&](Index n, Index u, Index some, V sum) {
            const V dh = this->arriving(step, n, u, some, sum);
            if (step == in.sizes.T) return;
            if (masked(n, t)) return this->skip(n, t, u, some, dh);
            const auto now = this->step_of(n, t, u, some, in.activation, in.recurrent_activation);
            T* to = row(n, t) + u;
            store_first(to, dh * (now.before - now.g) * now.z_slope, some);
            store_first(to + 2 * H, dh * (broadcast(T(1)) - now.z) * now.g_slope, some);
            store(carried + n * width + u, dh * now.z);
        });
    }
};

// The second phase: dq = dg U_h^T, and dr.
template <class T>
struct GruCandidateBackwardCell : GruBackwardCell<T> {
    using Base = GruBackwardCell<T>;
    using Base::carried, Base::in, Base::masked, Base::row, Base::time, Base::width;
    using typename Base::V;

    GruCandidateBackwardCell(const GruBackward<T>& given, const SequenceOrder& order, T* rows, T* carried,
                             Workspace& workspace)
        : Base(given, order, 2 * given.sizes.H, given.sizes.H, 3, rows, carried, workspace) {}

    TileWork<T> work(Index step, Index n, Index p) const {
        return step == in.sizes.T ? this->no_product()
                                  : this->product(row(n, time(step), 2), this->between(), p);
    }

    void epilogue(Index step, Index n0, Index rows, Index p, const T* sums) {
        const Index t = time(step);
        if (step == in.sizes.T) return;
        this->for_each(n0, rows, p, sums, [&](Index n, Index u, Index some, V sum) {
            if (masked(n, t)) return;
            const auto now = this->step_of(n, t, u, some, in.activation, in.recurrent_activation);
            const V dq = this->dropped(n, u, some, sum);
            store_first(row(n, t, 1) + u, dq * now.before * now.r_slope, some);
            T* to = carried + n * width + u;
            store(to, fma(dq, now.r, load(to)));
        });
    }
};

// ---- the products -----------------------------------------------------------------------------------

// Columns of a matrix, the last of them `gap` further on: dz dr . dq.
template <class T>
struct ColumnsWithGap {
    ColumnsPacked<T> all;
    Index before_gap, gap;
    void panel(Index n, Index width, Index vectors, Index k0, Index depth, T* to) const {
        const Index left = before_gap - n;
        if (left <= 0 || left >= width)
            return all.panel(left <= 0 ? n + gap : n, width, vectors, k0, depth, to);
        const T* from = all.b + k0 * all.depth_stride + n;
        for (Index k = 0; k < depth; ++k, from += all.depth_stride)
            for (Index c = 0; c < vectors * Simd<T>::kLanes; ++c)
                *to++ = c < width ? from[c < left ? c : c + gap] : T(0);
    }
};

template <class T>
static void gru_weight_gradients(const GruBackward<T>& in, const RealSteps& real, const T* rows) {
    const Index H = in.sizes.H, columns = 3 * H, stride = (in.reset_after ? 4 : 3) * H;
    const ColumnsPacked<T> all = {rows, stride, 1};
    weight_gradients<T>(in, real, all, columns, in.dW, (T*)nullptr, in.db, columns);
    if (in.reset_after) {
        const ColumnsWithGap<T> of_U = {all, 2 * H, H};
        T* db = in.db ? in.db + columns : nullptr;
        return weight_gradients<T>(in, real, of_U, columns, (T*)nullptr, in.dU, db, columns);
    }
    if (!in.dU) return;
    weight_gradients<T>(in, real, all, 2 * H, (T*)nullptr, in.dU, (T*)nullptr, columns);
    // U_h multiplies q as W multiplies x.
    GruBackward<T> of_q = {};
    of_q.sizes = {in.sizes.N, in.sizes.T, H, H};
    of_q.x = {in.recurrent, in.sizes.T * H, H};
    of_q.mask = in.mask;
    weight_gradients<T>(of_q, real, ColumnsPacked<T>{rows + 2 * H, stride, 1}, H, in.dU + 2 * H, (T*)nullptr,
                        (T*)nullptr, columns);
}

template <class T>
static void gru_backward(const GruBackward<T>& in) {
    const Index N = in.sizes.N, H = in.sizes.H, gates = in.reset_after ? 4 : 3;
    const Index steps = in.sizes.T + (in.dh0 ? 1 : 0), width = blocks_of<T>(H) * Simd<T>::kLanes;
    Workspace workspace;
    T* rows = (T*)workspace.take(sizeof(T) * (N * in.sizes.T * gates * H + 1));
    T* carried = (T*)workspace.take(sizeof(T) * (N * width + 1));
    const Division division = divide_backward<T>(in, 3 * H);
    const SequenceOrder order = order_of(in, division, workspace);
    if (N > 0 && in.reset_after) {
        GruAfterBackwardCell<T> cell(in, order, rows, carried, workspace);
        Team team(division.threads);
        run_recurrence<T>(cell, team, division.by_units, N, steps, cell.panels());
    } else if (N > 0) {
        GruResetBackwardCell<T> reset(in, order, rows, carried, workspace);
        GruCandidateBackwardCell<T> candidate(in, order, rows, carried, workspace);
        Team team(division.threads);
        run_phases<T>(team, division.by_units, N, steps,
                      Phase<GruResetBackwardCell<T>>{reset, reset.panels()},
                      Phase<GruCandidateBackwardCell<T>>{candidate, candidate.panels()});
    }
    const RealSteps real = real_steps(in.mask, N, in.sizes.T, order, workspace);
    gru_weight_gradients(in, real, rows);
    if (in.dx) input_gradient(in, real, rows, 3 * H, gates * H);
}

}  // namespace GATEWISE_ISA
}  // namespace gatewise
