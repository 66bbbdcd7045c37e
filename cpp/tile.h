// The register tile: the one inner loop under every matrix product and every recurrence.
//
// The idea: R rows of A times a panel of C vectors of columns, all R x C sums in registers. A panel is
// packed [depth][C][lanes], zero where columns end. Per step of depth the tile loads C vectors, broadcasts
// R numbers and does R C multiply-adds; AVX-512's 32 registers hold 6 x 4, the other sets 3 x 4. With few
// rows several panels run side by side (B of them), else each sum would wait for its own previous addition.
//
// Every sum starts from `init` and adds its products in the order of depth, one fused step each, whatever
// R, C, B and the blocking around it are. That is why no result depends on the number of threads.
//
// A recurrence adds two products, x W and h U, in one tile. A GRU wants them together in the gates z and r
// only, and so its tiles let the second product do something else with the third column (`Second`).
#pragma once

#include "narrow.h"

namespace gatewise {
namespace GATEWISE_ISA {

#if GATEWISE_LEVEL == 2 || defined(__aarch64__)
constexpr int kMostRows = 6;
#else
constexpr int kMostRows = 3;
#endif
constexpr int kMostColumns = 4;  // vectors in a panel

// A stretch of depth: element (row, k) of A is a[row * row_stride + k * depth_stride].
template <class T>
struct Segment {
    const T* a;
    Index row_stride, depth_stride;
    Index depth;
    const WeightOf<T>* panel;
};

// The sums, [B][R][C][lanes], where a tile leaves them for its epilogue.
template <class T>
struct alignas(64) TileSums {
    T at[kMostRows * kMostColumns * Simd<T>::kLanes];
};

// Memory a tile asks for while it computes, so that the next panel waits in the core's own cache: two
// streams, half the span each, `step` bytes forward per step of depth.
struct Ahead {
    const char *first = nullptr, *second = nullptr;
    Index step = 0;
};

// One tile's work. Panels lie `panel_stride` apart; so do the B parts of `init`, by `init_panel`.
template <class T>
struct TileWork {
    Segment<T> segments[2];
    int segment_count;
    Index panel_stride;
    const T* init;
    Index init_row, init_panel;
    Ahead ahead = {};
};

// Whether the rows of A run along memory in depth (kAlongDepth) or across it (kAcross: row_stride is 1).
enum class Rows { kAlongDepth, kAcross };

// What the second segment's columns are added to: all the sums of the first (kSame); of three columns the
// third to a sum of its own, the fourth (kApart); or there are only the first two of three (kTwo).
enum class Second { kSame, kApart, kTwo };

// The vectors in a panel's rows of the second segment, and the sums of a row, where the first has `columns`.
constexpr int second_columns(Second second, int columns) { return second == Second::kTwo ? 2 : columns; }
constexpr int sums_of(Second second, int columns) { return second == Second::kApart ? columns + 1 : columns; }

// Adds a segment's products to the sums: column c's to sum c, but the last column's to sum `last`.
template <class T, int R, int C, int S, int B, int last, Rows rows>
GW_INLINE void add_segment(const Segment<T>& segment, Index between, Ahead& ahead,
                           typename Simd<T>::V (&acc)[B][R][S]) {
    using V = typename Simd<T>::V;
    constexpr int L = Simd<T>::kLanes;
    const Index row = rows == Rows::kAcross ? 1 : segment.row_stride;
    const Index step = rows == Rows::kAcross ? segment.depth_stride : 1;
    const T* a = segment.a;
    const WeightOf<T>* panel = segment.panel;
    for (Index k = segment.depth; k > 0; --k, a += step, panel += C * L) {
        if (B == 1 && R > kMostRows / 2) {
            __builtin_prefetch(ahead.first, 0, 2);
            __builtin_prefetch(ahead.second, 0, 2);
            ahead.first += ahead.step;
            ahead.second += ahead.step;
        }
        V numbers[R];
#pragma GCC unroll 8
        for (int r = 0; r < R; ++r) numbers[r] = broadcast(a[r * row]);
#pragma GCC unroll 8
        for (int b = 0; b < B; ++b)
#pragma GCC unroll 8
            for (int c = 0; c < C; ++c) {
                const V weights = load_weights(panel + b * between + c * L, T{});
                const int s = c == C - 1 ? last : c;
#pragma GCC unroll 8
                for (int r = 0; r < R; ++r) acc[b][r][s] = fma(numbers[r], weights, acc[b][r][s]);
            }
    }
}

template <class T, int R, int C, int B, Rows rows, Second second = Second::kSame>
__attribute__((noinline)) static void tile(const TileWork<T>& work, T* sums) {
    constexpr int L = Simd<T>::kLanes;
    constexpr int S = sums_of(second, C), D = second_columns(second, C);
    typename Simd<T>::V acc[B][R][S];
#pragma GCC unroll 8
    for (int b = 0; b < B; ++b)
#pragma GCC unroll 8
        for (int r = 0; r < R; ++r)
#pragma GCC unroll 8
            for (int c = 0; c < S; ++c)
                acc[b][r][c] = load(work.init + b * work.init_panel + r * work.init_row + c * L);

    Ahead ahead = work.ahead;
    const Index between = work.panel_stride;
    if constexpr (second == Second::kSame) {
        for (int s = 0; s < work.segment_count; ++s)
            add_segment<T, R, C, S, B, C - 1, rows>(work.segments[s], between, ahead, acc);
    } else {
        add_segment<T, R, C, S, B, C - 1, rows>(work.segments[0], between, ahead, acc);
        add_segment<T, R, D, S, B, second == Second::kApart ? C : D - 1, rows>(work.segments[1], between,
                                                                               ahead, acc);
    }
#pragma GCC unroll 8
    for (int b = 0; b < B; ++b)
#pragma GCC unroll 8
        for (int r = 0; r < R; ++r)
#pragma GCC unroll 8
            for (int c = 0; c < S; ++c) store(sums + ((b * R + r) * S + c) * L, acc[b][r][c]);
}

template <class T>
using TileFunction = void (*)(const TileWork<T>&, T*);

template <class T, int C, Rows rows, Second second = Second::kSame>
GW_INLINE TileFunction<T> tile_of_rows(Index r) {
    switch (r) {
        case 1:
            return tile<T, 1, C, 1, rows, second>;
        case 2:
            return tile<T, 2, C, 1, rows, second>;
        case 3:
            return tile<T, 3, C, 1, rows, second>;
#if GATEWISE_LEVEL == 2 || defined(__aarch64__)
        case 4:
            return tile<T, 4, C, 1, rows, second>;
        case 5:
            return tile<T, 5, C, 1, rows, second>;
        default:
            return tile<T, 6, C, 1, rows, second>;
#else
        default:
            return nullptr;
#endif
    }
}

// The tile for r rows and a panel of c vectors.
template <class T, Rows rows, Second second = Second::kSame>
GW_INLINE TileFunction<T> tile_for(Index r, Index c) {
    if constexpr (second != Second::kSame) return tile_of_rows<T, 3, rows, second>(r);
    switch (c) {
        case 1:
            return tile_of_rows<T, 1, rows>(r);
        case 2:
            return tile_of_rows<T, 2, rows>(r);
        case 3:
            return tile_of_rows<T, 3, rows>(r);
        default:
            return tile_of_rows<T, 4, rows>(r);
    }
}

// How many full panels side by side keep the multiply-add units busy with r rows.
GW_INLINE Index panels_together(Index r, Index available) {
    const Index best = r == 1 ? 2 : (r <= 3 && kMostRows == 6 ? 2 : 1);
    Index b = 1;
    while (2 * b <= best && 2 * b <= available) b *= 2;
    return b;
}

// The tile for few rows and b panels of C vectors; b from panels_together.
template <class T, int C, Second second>
GW_INLINE TileFunction<T> tile_of_panels(Index r, Index b) {
    constexpr Rows along = Rows::kAlongDepth;
#if GATEWISE_LEVEL == 2 || defined(__aarch64__)
    if (b == 4) return tile<T, 1, C, 4, along, second>;
    if (b == 2)
        return r == 1 ? tile<T, 1, C, 2, along, second>
                      : (r == 2 ? tile<T, 2, C, 2, along, second> : tile<T, 3, C, 2, along, second>);
#else
    if (b == 2) return tile<T, 1, C, 2, along, second>;
#endif
    return tile_of_rows<T, C, along, second>(r);
}

// The same for panels of 3 or of 4 vectors.
template <class T, Second second = Second::kSame>
GW_INLINE TileFunction<T> tile_for_panels(Index r, Index c, Index b) {
    if constexpr (second != Second::kSame) return tile_of_panels<T, 3, second>(r, b);
    return c == 3 ? tile_of_panels<T, 3, second>(r, b) : tile_of_panels<T, kMostColumns, second>(r, b);
}

// Splits `rows` into tiles of nearly equal height: 16 = 6 + 5 + 5, not 6 + 6 + 4.
struct RowTiles {
    Index count, height, taller;  // the first `taller` tiles have height + 1 rows
};
GW_INLINE RowTiles split_rows(Index rows) {
    const Index count = ceil_div(rows, kMostRows);
    return {count, rows / count, rows % count};
}

// Copies columns [column, column + width) of a row-major matrix into a panel of `vectors` vectors.
template <class T>
GW_INLINE void pack_panel(const T* from, Index row_stride, Index depth, Index width, Index vectors, T* to) {
    constexpr int L = Simd<T>::kLanes;
    for (Index k = 0; k < depth; ++k, from += row_stride)
        for (Index c = 0; c < vectors; ++c, to += L) {
            const Index some = min_of(L, width - c * L);
            store(to, some > 0 ? load_first(from + c * L, some) : typename Simd<T>::V{});
        }
}

// The same of a transposed matrix: column n of the panel is row n of `from`.
template <class T>
static void pack_panel_transposed(const T* from, Index row_stride, Index depth, Index width, Index vectors,
                                  T* to) {
    constexpr Index kStretch = 16;
    const Index across = vectors * Simd<T>::kLanes;
    if (width < across) std::memset(to, 0, sizeof(T) * depth * across);
    for (Index k0 = 0; k0 < depth; k0 += kStretch) {
        const Index k1 = min_of(k0 + kStretch, depth);
        for (Index n = 0; n < width; ++n)
            for (Index k = k0; k < k1; ++k) to[k * across + n] = from[n * row_stride + k];
    }
}

}  // namespace GATEWISE_ISA
}  // namespace gatewise
