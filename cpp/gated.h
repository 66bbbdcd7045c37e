// What gated cells share: how their weights are packed, and how a step's input reaches a tile.
//
// The idea: weights are packed by blocks of as many units as a vector has lanes, the G gates of a block side
// by side, W's rows above U's: [blocks][F + P][G][lanes]. A tile then ends holding all gates of its units,
// and the rest of the step is arithmetic on that tile. Where few rows would read W again at every step, x W
// of all steps is computed first.
#pragma once

#include "sequence_order.h"

namespace gatewise {
namespace GATEWISE_ISA {

template <class T>
GW_INLINE Index blocks_of(Index units) {
    return ceil_div(units, Simd<T>::kLanes);
}

// Elements of W (F, G H), U (P, G H) and b (G H,), packed.
template <class T>
GW_INLINE Index packed_gates_size(Index F, Index P, Index H, Index G) {
    return blocks_of<T>(H) * (F + P + 1) * G * Simd<T>::kLanes;  // one more row: the bias
}

// A row of G H numbers as [blocks][G][lanes], blocks `step` elements apart; zeros where there is no row.
template <class T>
GW_INLINE void pack_gate_row(const T* row, Index H, Index G, Index step, T* to) {
    constexpr int L = Simd<T>::kLanes;
    for (Index u = 0; u < H; u += L, to += step)
        for (Index gate = 0; gate < G; ++gate)
            store(to + gate * L,
                  row ? load_first(row + gate * H + u, min_of(L, H - u)) : typename Simd<T>::V{});
}

// [blocks][F + P][G][lanes], then the bias [blocks][G][lanes].
template <class T>
static void pack_gates(View2<const T> W, View2<const T> U, const T* b, Index F, Index P, Index H, Index G,
                       T* packed) {
    const Index across = G * Simd<T>::kLanes, depth = F + P;
    for (Index k = 0; k < depth; ++k)
        pack_gate_row(k < F ? W.data + k * W.stride : U.data + (k - F) * U.stride, H, G, depth * across,
                      packed + k * across);
    pack_gate_row(b, H, G, across, packed + blocks_of<T>(H) * depth * across);
}

// A matrix (columns, depth), transposed, in panels [depth][vectors][lanes].
template <class T>
static void pack_transposed(View2<const T> from, Index columns, Index depth, T* packed) {
    constexpr Index kAcross = kMostColumns * Simd<T>::kLanes;
    for (Index n = 0; n < columns; n += kAcross)
        pack_panel_transposed(from.data + n * from.stride, from.stride, depth, min_of(columns - n, kAcross),
                              min_of(kMostColumns, blocks_of<T>(columns - n)), packed + n * depth);
}

// The steps of x (N, T, F), each times its sequence's dropout multipliers (N, F) where given.
template <class T>
struct StepInput {
    View3<const T> x;
    View2<const T> dropout;
    Index rows, steps, F;
    SequenceOrder order = {};
    T* gathered = nullptr;   // (N, F): this step's x in order, times its multipliers, or null
    T* projected = nullptr;  // (N, T, panels, columns, L): x W and what it starts from, or null

    const T* row(Index n, Index t) const { return x.data + order.sequence(n) * x.outer + t * x.inner; }

    // Takes the memory that this needs; `width` is that of a row of sums.
    void take(Workspace& workspace, Index width) {
        if (dropout.data || order.sequences) {
            gathered = (T*)workspace.take(sizeof(T) * rows * F);
            std::memset(gathered, 0, sizeof(T) * rows * F);
        } else if (rows < kFewRows && steps > 1)
            projected = (T*)workspace.take(sizeof(T) * rows * steps * width);
    }

    // x W of all steps for these panels, from `cell.bias` on, where few rows make that worth while.
    template <class Cell>
    void prepare(const Cell& cell, Index p0, Index p1, Index panels) const {
        if (!projected) return;
        constexpr Second second = second_of<Cell>;
        const Index size = sums_of(second, (int)cell.columns(0)) * Simd<T>::kLanes;
        for (Index p = p0; p < p1; ++p)
            for (Index n = 0; n < rows; ++n) {
                const Index across = sums_of(second, (int)cell.columns(p)) * Simd<T>::kLanes;
                const RowTiles tiles = split_rows(steps);
                Index t = 0;
                for (Index i = 0; i < tiles.count; ++i) {
                    const Index r = tiles.height + (i < tiles.taller);
                    TileSums<T> sums;
                    const TileWork<T> work = {
                        {{row(n, t), x.inner, 1, F, cell.panel(p)}, {}}, 1, 0, cell.bias(p), 0, 0};
                    tile_for<T, Rows::kAlongDepth, second>(r, cell.columns(p))(work, sums.at);
                    for (Index k = 0; k < r; ++k)
                        std::memcpy(projected + ((n * steps + t + k) * panels + p) * size,
                                    sums.at + k * across, sizeof(T) * across);
                    t += r;
                }
            }
    }

    // Gathers these rows of a step; says whether there is anything for others to wait for.
    bool begin_step(Index t, Range some) const {
        if (!gathered) return false;
        for (Index n = some.begin; n < some.end; ++n) {
            const T *from = row(n, t), *factor = dropout.data;
            T* to = gathered + n * F;
            if (!factor) {
                std::memcpy(to, from, sizeof(T) * F);
                continue;
            }
            if constexpr (std::is_floating_point_v<T>) {  // nothing narrower is trained
                factor += order.sequence(n) * dropout.stride;
                for (Index k = 0; k < F; ++k) to[k] = from[k] * factor[k];
            }
        }
        return true;
    }

    Segment<T> segment(Index t, Index n, const WeightOf<T>* panel) const {
        return gathered ? Segment<T>{gathered + n * F, F, 1, F, panel}
                        : Segment<T>{row(n, t), x.outer, 1, F, panel};
    }
};

}  // namespace GATEWISE_ISA
}  // namespace gatewise
