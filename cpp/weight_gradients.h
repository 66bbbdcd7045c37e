// The products after a backward pass: gradients of the weights and of the inputs from dz of all steps.
//
//     dW = x^T dz    dU = h[t-1]^T dz    db = sum of dz    dx = dz W^T
//
// The idea: those of the weights are one matrix product [x | h[t-1] | 1]^T dz over all (n, t) that count,
// with the rows left out that nobody wants. The rows are packed from where x and h lie, so nothing is copied
// before. dz may hold the sequences in an order of its own (sequence_order.h).
#pragma once

#include "forward_cell.h"

namespace gatewise {
namespace GATEWISE_ISA {

// Rows of [x | h[t-1] | 1]^T, packed tile by tile; depth runs over the steps that count.
template <class T, class In>
struct WeightGradientRows : BalancedTiles {
    static constexpr Rows kRows = Rows::kAcross;
    const In& in;
    const RealSteps& real;
    Index x_rows, h_rows;  // F and H, or 0 where that gradient is not wanted
    const T* packed = nullptr;

    WeightGradientRows(const In& given, const RealSteps& steps, Index of_x, Index of_h)
        : in(given), real(steps), x_rows(of_x), h_rows(of_h) {}

    // A row of x or h, and its multipliers; null where it counts as zeros.
    struct Source {
        const T *values, *factor;
    };
    GW_MEMBER Source x_source(Index n, Index t) const {
        return {in.x.data + n * in.x.outer + t * in.x.inner,
                in.x_dropout.data ? in.x_dropout.data + n * in.x_dropout.stride : nullptr};
    }
    GW_MEMBER Source h_source(Index n, Index t) const {
        const T* first = in.h0.data ? in.h0.data + n * in.h0.stride : nullptr;
        return {t ? in.h.data + (n * in.sizes.T + t - 1) * in.sizes.H : first,
                in.h_dropout.data ? in.h_dropout.data + n * in.h_dropout.stride : nullptr};
    }

    static GW_MEMBER void copy(T* to, const Source& from, Index begin, Index end) {
        if (!from.values)
            for (Index m = begin; m < end; ++m) *to++ = T(0);
        else if (from.factor)
            for (Index m = begin; m < end; ++m) *to++ = from.values[m] * from.factor[m];
        else copy_few(to, from.values + begin, 1, end - begin);
    }

    // Rows [m0, m1), one tile's, of all (n, t) in the block.
    GW_MEMBER void pack_tile(Index m0, Index m1, Index k0, Index depth, T* to) const {
        const Index x_end = min_of(m1, x_rows), h_begin = max_of(m0, x_rows),
                    h_end = min_of(m1, x_rows + h_rows);
        for (Index k = k0; k < k0 + depth; ++k, to += m1 - m0) {
            const Index step = real.row(k), n = step / in.sizes.T, t = step % in.sizes.T;
            if (m0 < x_end) copy(to, x_source(n, t), m0, x_end);
            if (h_begin < h_end) copy(to + (h_begin - m0), h_source(n, t), h_begin - x_rows, h_end - x_rows);
            if (m1 > x_rows + h_rows) to[m1 - 1 - m0] = T(1);
        }
    }

    void block(Index m0, Index m1, Index k0, Index depth, T* to) {
        packed = to;
        for (Index m = m0, r; m < m1; m += r, to += r * depth) {
            r = tile_rows(m, m1);
            pack_tile(m, m + r, k0, depth, to);
        }
    }
    Segment<T> segment(Index m, Index r, Index m0, Index, Index depth) const {
        return {packed + (m - m0) * depth, 1, r, depth, nullptr};
    }
};

// The rows of that product go to dW, dU and db, whose own rows lie `stride` apart.
template <class T>
struct IntoWeightGradients {
    T *dW, *dU, *db;
    Index x_rows, h_rows, stride;
    T* row(Index m) const {
        if (m < x_rows) return dW + m * stride;
        return m < x_rows + h_rows ? dU + (m - x_rows) * stride : db;
    }
    void start(Index, Index, Index width, T* sums) const { zero_row(sums, width); }
    void resume(Index m, Index n, Index width, T* sums) const { copy_row(sums, row(m) + n, width); }
    void finish(Index m, Index n, Index width, const T* sums, bool) const {
        copy_row(row(m) + n, sums, width);
    }
};

// Rows of dz where they lie; a tile's must lie together.
template <class T>
struct RealRows {
    static constexpr Rows kRows = Rows::kAlongDepth;
    const T* dz;
    Index stride;
    const RealSteps& real;
    void block(Index, Index, Index, Index, T*) {}
    Index tile_rows(Index m, Index m1) const {
        const Index most = min_of(m1 - m, 2 * kMostRows), length = real.run(m, most);
        return length == 2 * kMostRows ? kMostRows : ceil_div(length, ceil_div(length, kMostRows));
    }
    Segment<T> segment(Index m, Index, Index, Index k0, Index depth) const {
        return {dz + real.placed_row(m) * stride + k0, stride, 1, depth, nullptr};
    }
};

// The rows of dz that count, for the columns of a product.
template <class B>
struct ColumnsOfSteps {
    const B& all;
    const RealSteps& real;
    template <class T>
    void panel(Index n, Index width, Index vectors, Index k0, Index depth, T* to) const {
        for (Index k = 0; k < depth;) {
            const Index length = real.run(k0 + k, depth - k);
            all.panel(n, width, vectors, real.placed_row(k0 + k), length, to + k * vectors * Simd<T>::kLanes);
            k += length;
        }
    }
};

// dx, each sequence's times its dropout multipliers.
template <class T>
struct IntoInputGradient {
    T* dx;
    Index F, steps;
    View2<const T> factor;
    const RealSteps& real;
    T* row(Index m, Index n) const { return dx + real.row(m) * F + n; }
    void start(Index, Index, Index width, T* sums) const { zero_row(sums, width); }
    void resume(Index m, Index n, Index width, T* sums) const { copy_row(sums, row(m, n), width); }
    void finish(Index m, Index n, Index width, const T* sums, bool last) const {
        T* to = row(m, n);
        copy_row(to, sums, width);
        if (!last || !factor.data) return;
        const T* by = factor.data + real.row(m) / steps * factor.stride + n;
        for (Index i = 0; i < width; ++i) to[i] *= by[i];
    }
};

// dW, dU and db, each where it is not null, from `columns` (dz: N T rows of them).
template <class T, class In, class B>
static void weight_gradients(const In& in, const RealSteps& real, const B& dz, Index columns, T* dW, T* dU,
                             T* db, Index stride) {
    const Index x_rows = dW ? in.sizes.F : 0, h_rows = dU ? in.sizes.H : 0;
    const IntoWeightGradients<T> into = {dW, dU, db, x_rows, h_rows, stride};
    gemm<T>(x_rows + h_rows + (db ? 1 : 0), columns, real.count,
            WeightGradientRows<T, In>(in, real, x_rows, h_rows), ColumnsOfSteps<B>{dz, real}, into);
}

// dx from rows of dz, `columns` long and `stride` apart; zeros where steps do not count.
template <class T, class In>
static void input_gradient(const In& in, const RealSteps& real, const T* dz, Index columns, Index stride) {
    const Index F = in.sizes.F;
    if (real.at) std::memset(in.dx, 0, sizeof(T) * in.sizes.N * in.sizes.T * F);
    if (F < Simd<T>::kLanes && !in.x_dropout.data) {  // few columns: see matmul
        for (Index k = 0; k < real.count;) {
            const Index length = real.run(k, real.count - k);
            matmul<T>({length, F, columns, dz + real.placed_row(k) * stride, stride, 1, in.W.data, 1,
                       in.W.stride, in.dx + real.row(k) * F, F, 1, nullptr, false});
            k += length;
        }
        return;
    }
    const ColumnsPacked<T> from = {in.W.data, 1, in.W.stride};
    const IntoInputGradient<T> into = {in.dx, F, in.sizes.T, in.x_dropout, real};
    gemm<T>(real.count, F, columns, RealRows<T>{dz, stride, real}, from, into);
}

}  // namespace GATEWISE_ISA
}  // namespace gatewise
