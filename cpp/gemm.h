// Matrix products around the register tile.
//
// The idea: c's columns are cut into panels, its rows into tiles; depth goes in blocks that stay in cache.
// What differs between products is where rows of a come from, how panels of b are packed, and where sums
// go; those are three small classes, and `gemm` is the loops. Between blocks of depth the sums rest in c
// itself. Each member of the team takes a rectangle of c and works alone.
#pragma once

#include "kernels.h"
#include "memory.h"
#include "threads.h"
#include "tile.h"
#include "worth.h"

namespace gatewise {
namespace GATEWISE_ISA {

constexpr Index kDepthBlock = 512;
constexpr Index kRowBlock = 1536;  // rows of a packed at once; they stream past a panel from any cache
constexpr Index kPanelBlock = 4;   // panels of b packed at once

// The number of threads that `flops` of work are worth.
GW_INLINE int threads_for(double flops) {
    const double count = flops / kFlopsWorthAThread;
    return count < 2 ? 1 : (count > 1024 ? 1024 : (int)count);
}

// Calls f(member) on each member of the team.
template <class F>
GW_INLINE void run_team(Team& team, F& f) {
    struct Call {
        static void call(void* context, int member) { (*static_cast<F*>(context))(member); }
    };
    team.run(Call::call, &f);
}

struct Range {
    Index begin, end;
};
GW_INLINE Range share(Index total, Index part, Index parts) {
    return {total * part / parts, total * (part + 1) / parts};
}

template <class T>
GW_INLINE Index packed_b_size() {
    return kPanelBlock * kDepthBlock * kMostColumns * Simd<T>::kLanes;
}
template <class T>
GW_INLINE Index gemm_scratch_size(Index rows, Index depth) {
    return packed_b_size<T>() + min_of(rows, kRowBlock) * min_of(depth, kDepthBlock);
}

// Copies at most kMostRows numbers that lie `stride` apart.
template <class T>
GW_INLINE void copy_few(T* to, const T* from, Index stride, Index count) {
    if (stride == 1 && count == kMostRows) std::memcpy(to, from, sizeof(T) * kMostRows);
    else if (stride == 1 && count == kMostRows - 1) std::memcpy(to, from, sizeof(T) * (kMostRows - 1));
    else
        for (Index i = 0; i < count; ++i) to[i] = from[i * stride];
}

// Copies a row of sums, at most a panel wide.
template <class T>
GW_INLINE void copy_row(T* to, const T* from, Index width) {
    for (Index i = 0; i < width; i += Simd<T>::kLanes)
        store_first(to + i, load_first(from + i, width - i), width - i);
}
template <class T>
GW_INLINE void zero_row(T* to, Index width) {
    for (Index i = 0; i < width; i += Simd<T>::kLanes) store_first(to + i, typename Simd<T>::V{}, width - i);
}

// ---- where a comes from -----------------------------------------------------------------------------

// Where any rows may share a tile: how many of [m, m1) the next one takes, all of nearly equal height.
struct BalancedTiles {
    Index tile_rows(Index m, Index m1) const { return ceil_div(m1 - m, ceil_div(m1 - m, kMostRows)); }
};

// Rows of a that run along depth are read where they lie.
template <class T>
struct RowsInPlace : BalancedTiles {
    static constexpr Rows kRows = Rows::kAlongDepth;
    const T* a;
    Index row_stride;
    RowsInPlace(const T* from, Index stride) : a(from), row_stride(stride) {}
    void block(Index, Index, Index, Index, T*) {}
    Segment<T> segment(Index m, Index, Index, Index k0, Index depth) const {
        return {a + m * row_stride + k0, row_stride, 1, depth, nullptr};
    }
};

// Rows of a with any strides, packed tile by tile: [depth][rows of the tile].
template <class T>
struct RowsPacked : BalancedTiles {
    static constexpr Rows kRows = Rows::kAcross;
    const T* a;
    Index row_stride, depth_stride;
    const T* packed = nullptr;
    RowsPacked(const T* from, Index row, Index along) : a(from), row_stride(row), depth_stride(along) {}
    void block(Index m0, Index m1, Index k0, Index depth, T* to) {
        packed = to;
        const T* from = a + m0 * row_stride + k0 * depth_stride;
        for (Index r; m0 < m1; m0 += r) {
            r = tile_rows(m0, m1);
            for (Index k = 0; k < depth; ++k, to += r) copy_few(to, from + k * depth_stride, row_stride, r);
            from += r * row_stride;
        }
    }
    Segment<T> segment(Index m, Index r, Index m0, Index, Index depth) const {
        return {packed + (m - m0) * depth, 1, r, depth, nullptr};
    }
};

// ---- where b comes from -----------------------------------------------------------------------------

template <class T>
struct ColumnsPacked {
    const T* b;
    Index depth_stride, column_stride;
    void panel(Index n, Index width, Index vectors, Index k0, Index depth, T* to) const {
        const T* from = b + k0 * depth_stride + n * column_stride;
        if (column_stride == 1) return pack_panel(from, depth_stride, depth, width, vectors, to);
        if (depth_stride == 1) return pack_panel_transposed(from, column_stride, depth, width, vectors, to);
        const Index across = vectors * Simd<T>::kLanes;
        for (Index k = 0; k < depth; ++k)
            for (Index c = 0; c < across; ++c)
                to[k * across + c] = c < width ? from[k * depth_stride + c * column_stride] : T(0);
    }
};

// ---- where sums go ----------------------------------------------------------------------------------

// A matrix of any strides, plus a bias, or added to.
template <class T>
struct IntoMatrix {
    T* c;
    Index row_stride, column_stride;
    const T* bias;
    Index bias_row, bias_column;
    bool accumulate;

    void start(Index m, Index n, Index width, T* sums) const {
        if (!bias && !accumulate) return zero_row(sums, width);
        for (Index i = 0; i < width; ++i) {
            sums[i] = bias ? bias[m * bias_row + (n + i) * bias_column] : T(0);
            if (accumulate) sums[i] += c[m * row_stride + (n + i) * column_stride];
        }
    }
    void resume(Index m, Index n, Index width, T* sums) const {
        const T* from = c + m * row_stride + n * column_stride;
        if (column_stride == 1) copy_row(sums, from, width);
        else
            for (Index i = 0; i < width; ++i) sums[i] = from[i * column_stride];
    }
    void finish(Index m, Index n, Index width, const T* sums, bool) const {
        T* to = c + m * row_stride + n * column_stride;
        if (column_stride == 1) copy_row(to, sums, width);
        else
            for (Index i = 0; i < width; ++i) to[i * column_stride] = sums[i];
    }
};

// ---- the loops --------------------------------------------------------------------------------------

template <class T, class A, class B, class C>
struct Gemm {
    static constexpr int L = Simd<T>::kLanes;
    static constexpr Index kAcross = kMostColumns * L;
    A a;
    const B& b;
    const C& c;
    Index depth, columns;

    // One tile: rows [m, m + r) and the panel at column n.
    void run_tile(Index m, Index r, const Segment<T>& segment, Index n, Index vectors, bool first,
                  bool last) const {
        TileSums<T> sums;
        const Index width = min_of(columns - n, vectors * L), across = vectors * L;
        for (Index i = 0; i < r; ++i) {
            T* row = sums.at + i * across;
            if (width < across) zero_row(row, across);
            if (first) c.start(m + i, n, width, row);
            else c.resume(m + i, n, width, row);
        }
        const TileWork<T> work = {{segment, {}}, 1, 0, sums.at, across, 0};
        tile_for<T, A::kRows>(r, vectors)(work, sums.at);
        for (Index i = 0; i < r; ++i) c.finish(m + i, n, width, sums.at + i * across, last);
    }

    // Rows [m0, m1) against the packed panels of columns [n0, n1). A tile's rows stay in the nearest cache
    // while the panels pass by from the next.
    void run_block(Index m0, Index m1, Index n0, Index n1, Index k0, Index block, const T* packed_b) const {
        for (Index m = m0, r; m < m1; m += r) {
            r = a.tile_rows(m, m1);
            Segment<T> segment = a.segment(m, r, m0, k0, block);
            segment.panel = packed_b;
            for (Index n = n0; n < n1; n += kAcross, segment.panel += kAcross * block) {
                const Index vectors = min_of(kMostColumns, ceil_div(columns - n, L));
                run_tile(m, r, segment, n, vectors, k0 == 0, k0 + block == depth);
            }
        }
    }

    // Packs panels [p0, p1) of b, k0 and on.
    void pack_panels(Index p0, Index p1, Index k0, Index block, T* to) const {
        for (Index p = p0; p < p1; ++p, to += kAcross * block) {
            const Index n = p * kAcross, left = columns - n;
            b.panel(n, min_of(left, kAcross), min_of(kMostColumns, ceil_div(left, L)), k0, block, to);
        }
    }

    // The rectangle rows x panels of c, by one thread.
    void run(Range rows, Range panels, T* scratch) {
        T* packed_a = scratch + packed_b_size<T>();
        for (Index m0 = rows.begin; m0 < rows.end; m0 += kRowBlock) {
            const Index m1 = min_of(m0 + kRowBlock, rows.end);
            Index k0 = 0;
            do {
                const Index block = min_of(kDepthBlock, depth - k0);
                a.block(m0, m1, k0, block, packed_a);
                for (Index p0 = panels.begin; p0 < panels.end; p0 += kPanelBlock) {
                    const Index p1 = min_of(p0 + kPanelBlock, panels.end);
                    pack_panels(p0, p1, k0, block, scratch);
                    run_block(m0, m1, p0 * kAcross, min_of(p1 * kAcross, columns), k0, block, scratch);
                }
                k0 += block;
            } while (k0 < depth);
        }
    }
};

// How many parts the rows are cut into (the panels into team / that), so that the parts are squarest.
GW_INLINE Index row_parts(Index rows, Index panels, Index team) {
    Index best = 1;
    double least = 1e300;
    for (Index parts = 1; parts <= team; ++parts) {
        if (team % parts) continue;
        const Index tallest = ceil_div(ceil_div(rows, kMostRows), parts),
                    widest = ceil_div(panels, team / parts);
        // The time of the slowest part, and a little for what it must pack.
        const double cost = (double)tallest * widest + 0.1 * (double)(tallest + 4 * widest);
        if (cost < least) {
            least = cost;
            best = parts;
        }
    }
    return best;
}

template <class T, class A, class B, class C>
static void gemm(Index rows, Index columns, Index depth, const A& a, const B& b, const C& c) {
    if (rows <= 0 || columns <= 0) return;
    const Index panels = ceil_div(columns, kMostColumns * Simd<T>::kLanes);
    Team team(threads_for(2.0 * rows * columns * (depth + 8)));
    Workspace workspace;
    const Index down = row_parts(rows, panels, team.size()), across = team.size() / down;
    const Index scratch_size =
        gemm_scratch_size<T>(A::kRows == Rows::kAcross ? ceil_div(rows, down) : 0, depth);
    T* scratch = (T*)workspace.take(sizeof(T) * scratch_size * team.size());
    auto part = [&](int member) {
        Gemm<T, A, B, C> g = {a, b, c, depth, columns};
        g.run(share(rows, member % down, down), share(panels, member / down, across),
              scratch + scratch_size * member);
    };
    run_team(team, part);
}

template <class T>
static void matmul(const Matmul<T>& m) {
    // Few columns would leave most lanes idle; the transposed product has them as rows.
    const bool turn = m.columns < m.rows && m.columns < 2 * Simd<T>::kLanes;
    const Index rows = turn ? m.columns : m.rows, columns = turn ? m.rows : m.columns;
    const T *a = turn ? m.b : m.a, *b = turn ? m.a : m.b;
    const Index a_row = turn ? m.b_column : m.a_row, a_depth = turn ? m.b_row : m.a_column;
    const Index b_depth = turn ? m.a_column : m.b_row, b_column = turn ? m.a_row : m.b_column;
    const IntoMatrix<T> into = {m.c,
                                turn ? m.c_column : m.c_row,
                                turn ? m.c_row : m.c_column,
                                m.bias,
                                turn ? 1 : 0,
                                turn ? 0 : 1,
                                m.accumulate};
    const ColumnsPacked<T> from = {b, b_depth, b_column};
    if (a_depth == 1) gemm<T>(rows, columns, m.depth, RowsInPlace<T>(a, a_row), from, into);
    else gemm<T>(rows, columns, m.depth, RowsPacked<T>(a, a_row, a_depth), from, into);
}

}  // namespace GATEWISE_ISA
}  // namespace gatewise
