// LSTM: gradients.
//
//     dh = dy + dz[t+1] U^T        do = dh a(c[t])          dc += dh o a'(c[t])
//     di = dc g    df = dc c[t-1]    dg = dc i    dz = each of these times its activation's derivative
//     dx = dz W^T    dW = x^T dz    dU = h[t-1]^T dz    db = sum of dz
//
// The idea: going back in time, dz[t+1] U^T is again a tile with an epilogue: the sums are dh, and the gate
// derivatives follow on the spot. dz of all steps is kept; the gradients of the weights are then one matrix
// product [x | h[t-1] | 1]^T dz over all (n, t), and dx another. Nothing that is not wanted is computed.
#pragma once

#include "lstm.h"

namespace gatewise {
namespace GATEWISE_ISA {

template <class T>
struct LstmBackwardCell {
    static constexpr int L = Simd<T>::kLanes;
    using V = typename Simd<T>::V;

    const LstmBackward<T>& in;
    Index width;      // H rounded up to whole vectors
    const T* packed;  // U^T in panels: [panels][4H][vectors][L]
    const T* zeros;   // a panel's width of them
    T* dz;            // (N, T, 4H)
    T* dc_state;      // (N, width)
    T* dh_state;      // (N, width): dh of a masked step, which passes to the step before; or null

    Index vectors() const { return width / L; }
    Index columns(Index p) const { return min_of(kMostColumns, vectors() - p * kMostColumns); }
    Index time(Index step) const { return in.sizes.T - 1 - step; }
    bool masked(Index n, Index t) const {
        return in.mask.data && !in.mask.data[n * in.mask.outer + t * in.mask.inner];
    }

    Index depth() const { return 4 * in.sizes.H; }
    const T* panel(Index p) const { return packed + p * depth() * kMostColumns * L; }

    void prepare(Index, Index) {}
    void begin_step(Index, Index, Index) {}

    TileWork<T> work(Index step, Index n, Index p) const {
        const Index row = in.sizes.T * depth();
        const T* later = dz + n * row + (time(step) + 1) * depth();  // not there at step 0
        const Segment<T> segment = {later, row, 1, depth(), panel(p)};
        return {{segment, {}}, step > 0, depth() * kMostColumns * L, zeros, 0, 0};
    }

    void epilogue(Index step, Index n, Index rows, Index p, const T* sums) {
        const Index count = columns(p);
        for (Index r = 0; r < rows; ++r)
            for (Index c = 0; c < count; ++c, sums += L) {
                const Index u = (p * kMostColumns + c) * L;
                const V dh = arriving(step, n + r, u, load(sums));
                if (step == in.sizes.T) leave(n + r, u, dh);
                else if (in.activation == Activation::tanh && in.recurrent_activation == Activation::sigmoid)
                    step_back(step, n + r, u, dh, Activation::tanh, Activation::sigmoid);
                else step_back(step, n + r, u, dh, in.activation, in.recurrent_activation);
            }
    }

    // dh of a step as far as it comes from the step after it.
    V arriving(Index step, Index n, Index u, V from_tile) const {
        const Index later = time(step) + 1;
        if (step > 0 && masked(n, later)) return load(dh_state + n * width + u);
        if (!in.h_dropout.data) return from_tile;
        return from_tile *
               load_first(in.h_dropout.data + n * in.h_dropout.stride + u, min_of(L, in.sizes.H - u));
    }

    void leave(Index n, Index u, V dh) const {
        const Index some = min_of(L, in.sizes.H - u);
        store_first(in.dh0 + n * in.sizes.H + u, dh, some);
        store_first(in.dc0 + n * in.sizes.H + u, load(dc_state + n * width + u), some);
    }

    V slope(Activation a, Index gate, V y, const T* z, Index some) const {
        return derivative<T>(a, y, z ? load_first(z + gate * in.sizes.H, some) : V{});
    }

    __attribute__((always_inline)) inline void step_back(Index step, Index n, Index u, V dh, Activation a,
                                                         Activation s) {
        const Index H = in.sizes.H, t = time(step), some = min_of(L, H - u), row = (n * in.sizes.T + t) * H;
        const auto add = [&](V sum, const T* from) { return from ? sum + load_first(from, some) : sum; };
        dh = add(dh, in.dh.data ? in.dh.data + n * in.dh.outer + t * in.dh.inner + u : nullptr);
        V dc = step ? load(dc_state + n * width + u) : V{};
        dc = add(dc, in.dc.data ? in.dc.data + n * in.dc.outer + t * in.dc.inner + u : nullptr);
        if (step == 0) {
            dh = add(dh, in.dh_last.data ? in.dh_last.data + n * in.dh_last.stride + u : nullptr);
            dc = add(dc, in.dc_last.data ? in.dc_last.data + n * in.dc_last.stride + u : nullptr);
        }
        T* to = dz + row * 4 + u;
        if (masked(n, t)) {
            store(dh_state + n * width + u, dh);
            store(dc_state + n * width + u, dc);
            for (Index gate = 0; gate < 4; ++gate) store_first(to + gate * H, V{}, some);
            return;
        }
        const T* gates = in.gates + row * 4 + u;
        const T* z = in.z ? in.z + row * 4 + u : nullptr;
        const V i = load_first(gates, some), f = load_first(gates + H, some);
        const V g = load_first(gates + 2 * H, some), o = load_first(gates + 3 * H, some);
        const V c = load_first(in.c.data + row + u, some);
        const V before = t ? load_first(in.c.data + row - H + u, some)
                           : add(V{}, in.c0.data ? in.c0.data + n * in.c0.stride + u : nullptr);
        const V y = activate<T>(a, c);
        dc = fma(dh * o, derivative<T>(a, y, c), dc);
        store_first(to, dc * g * slope(s, 0, i, z, some), some);
        store_first(to + H, dc * before * slope(s, 1, f, z, some), some);
        store_first(to + 2 * H, dc * i * slope(a, 2, g, z, some), some);
        store_first(to + 3 * H, dh * y * slope(s, 3, o, z, some), some);
        store(dc_state + n * width + u, dc * f);
    }
};

// Rows of [x | h[t-1] | 1]^T, packed tile by tile; depth runs over (n, t). Masked steps count as x = 0,
// whatever is there.
template <class T>
struct WeightGradientRows {
    static constexpr Rows kRows = Rows::kAcross;
    const LstmBackward<T>& in;
    Index x_rows, h_rows;  // F and H, or 0 where that gradient is not wanted
    const T* packed = nullptr;

    // A row of x or h, and its multipliers; null where it counts as zeros.
    struct Source {
        const T *values, *factor;
    };
    Source x_source(Index n, Index t) const {
        const bool masked = in.mask.data && !in.mask.data[n * in.mask.outer + t * in.mask.inner];
        return {masked ? nullptr : in.x.data + n * in.x.outer + t * in.x.inner,
                in.x_dropout.data ? in.x_dropout.data + n * in.x_dropout.stride : nullptr};
    }
    Source h_source(Index n, Index t) const {
        const T* first = in.h0.data ? in.h0.data + n * in.h0.stride : nullptr;
        return {t ? in.h.data + (n * in.sizes.T + t - 1) * in.sizes.H : first,
                in.h_dropout.data ? in.h_dropout.data + n * in.h_dropout.stride : nullptr};
    }

    static void copy(T* to, const Source& from, Index begin, Index end) {
        if (!from.values)
            for (Index m = begin; m < end; ++m) *to++ = T(0);
        else if (from.factor)
            for (Index m = begin; m < end; ++m) *to++ = from.values[m] * from.factor[m];
        else copy_few(to, from.values + begin, 1, end - begin);
    }

    // Rows [m0, m1), one tile's, of all (n, t) in the block.
    void pack_tile(Index m0, Index m1, Index k0, Index depth, T* to) const {
        const Index x_end = min_of(m1, x_rows), h_begin = max_of(m0, x_rows),
                    h_end = min_of(m1, x_rows + h_rows);
        Index n = k0 / in.sizes.T, t = k0 % in.sizes.T;
        for (Index k = 0; k < depth; ++k, to += m1 - m0) {
            if (m0 < x_end) copy(to, x_source(n, t), m0, x_end);
            if (h_begin < h_end) copy(to + (h_begin - m0), h_source(n, t), h_begin - x_rows, h_end - x_rows);
            if (m1 > x_rows + h_rows) to[m1 - 1 - m0] = T(1);
            if (++t == in.sizes.T) {
                t = 0;
                ++n;
            }
        }
    }

    void block(Index m0, Index m1, Index k0, Index depth, T* to) {
        packed = to;
        const RowTiles tiles = split_rows(m1 - m0);
        for (Index i = 0, m = m0; i < tiles.count; ++i) {
            const Index r = tiles.height + (i < tiles.taller);
            pack_tile(m, m + r, k0, depth, to);
            to += r * depth;
            m += r;
        }
    }
    Segment<T> segment(Index m, Index r, Index m0, Index, Index depth) const {
        return {packed + (m - m0) * depth, 1, r, depth, nullptr};
    }
};

// The rows of that product go to dW, dU and db.
template <class T>
struct IntoWeightGradients {
    T *dW, *dU, *db;
    Index x_rows, h_rows, columns;
    T* row(Index m) const {
        if (m < x_rows) return dW + m * columns;
        return m < x_rows + h_rows ? dU + (m - x_rows) * columns : db;
    }
    void start(Index, Index, Index width, T* sums) const { zero_row(sums, width); }
    void resume(Index m, Index n, Index width, T* sums) const { copy_row(sums, row(m) + n, width); }
    void finish(Index m, Index n, Index width, const T* sums, bool) const {
        copy_row(row(m) + n, sums, width);
    }
};

// dx, each sequence's times its dropout multipliers.
template <class T>
struct IntoInputGradient {
    T* dx;
    Index F, steps;
    View2<const T> factor;
    void start(Index, Index, Index width, T* sums) const { zero_row(sums, width); }
    void resume(Index m, Index n, Index width, T* sums) const { copy_row(sums, dx + m * F + n, width); }
    void finish(Index m, Index n, Index width, const T* sums, bool last) const {
        T* to = dx + m * F + n;
        copy_row(to, sums, width);
        if (!last || !factor.data) return;
        const T* by = factor.data + m / steps * factor.stride + n;
        for (Index i = 0; i < width; ++i) to[i] *= by[i];
    }
};

// dW, dU and db from dz (N, T, columns), where wanted.
template <class T>
static void lstm_weight_gradients(const LstmBackward<T>& in, const T* dz, Index columns) {
    const Index depth = in.sizes.N * in.sizes.T;
    const Index x_rows = in.dW ? in.sizes.F : 0, h_rows = in.dU ? in.sizes.H : 0;
    const ColumnsPacked<T> from = {dz, columns, 1};
    const IntoWeightGradients<T> into = {in.dW, in.dU, in.db, x_rows, h_rows, columns};
    gemm<T>(x_rows + h_rows + (in.db ? 1 : 0), columns, depth, WeightGradientRows<T>{in, x_rows, h_rows},
            from, into);
}

// dx from dz (N, T, columns).
template <class T>
static void lstm_input_gradient(const LstmBackward<T>& in, const T* dz, Index columns) {
    const Index depth = columns, rows = in.sizes.N * in.sizes.T;
    if (in.sizes.F < Simd<T>::kLanes && !in.x_dropout.data)  // few columns: see matmul
        return matmul<T>({rows, in.sizes.F, depth, dz, depth, 1, in.W.data, 1, in.W.stride, in.dx, in.sizes.F,
                          1, nullptr, false});
    const ColumnsPacked<T> from = {in.W.data, 1, in.W.stride};
    const IntoInputGradient<T> into = {in.dx, in.sizes.F, in.sizes.T, in.x_dropout};
    gemm<T>(rows, in.sizes.F, depth, RowsInPlace<T>{dz, depth}, from, into);
}

template <class T>
static void lstm_backward(const LstmBackward<T>& in) {
    constexpr int L = Simd<T>::kLanes;
    const Index N = in.sizes.N, steps = in.sizes.T, H = in.sizes.H, depth = 4 * H;
    const Index vectors = blocks_of<T>(H), width = vectors * L, panels = ceil_div(vectors, kMostColumns);
    Workspace workspace;
    const auto take = [&](Index count) { return (T*)workspace.take(sizeof(T) * count); };
    T* dz = take(N * steps * depth + 1);
    if (N > 0) {
        T* packed = take(depth * width);
        T* zeros = take(kMostColumns * L);
        std::memset(zeros, 0, sizeof(T) * kMostColumns * L);
        pack_transposed(in.U, H, depth, packed);
        LstmBackwardCell<T> cell = {
            in, width, packed, zeros, dz, take(N * width), in.mask.data ? take(N * width) : nullptr};
        const double flops = 2.0 * N * width * (depth + 64);
        const Division division = divide_recurrence(N, steps, panels, flops, sizeof(T) * depth * width);
        Team team(division.threads);
        run_recurrence<T>(cell, team, division.by_units, N, steps + (in.dh0 ? 1 : 0), panels);
    }
    if (in.dW || in.dU || in.db) lstm_weight_gradients(in, dz, depth);
    if (in.dx) lstm_input_gradient(in, dz, depth);
}

}  // namespace GATEWISE_ISA
}  // namespace gatewise
