// Running a recurrence: the loop over steps, panels of units and tiles of rows, shared by all cells.
//
// The idea: one step of any recurrent layer is "rows of state times packed weights, then arithmetic on each
// unit". A Cell says which panels there are, what a tile multiplies and what happens to its sums
// (`epilogue`); this header runs it and divides the work. Many rows: each thread takes some sequences and
// needs nobody else. Few rows, or weights too large for one core's cache: each thread takes some units,
// keeps its share of the weights in its own cache, and waits for the others after every step.
#pragma once

#include "gemm.h"

namespace gatewise {
namespace GATEWISE_ISA {

constexpr Index kRowsWorthSplitting = 12;        // sequences; fewer are divided by units
constexpr Index kFewRows = 6;                    // fewer than this: project all steps first
constexpr double kStepFlopsWorthABarrier = 4e5;  // per step and thread
constexpr Index kCacheBytes = Index{3} << 19;    // what of a core's own cache weights may fill

// How the work of a recurrence is divided.
struct Division {
    int threads;
    bool by_units;
};

GW_INLINE Division divide_recurrence(Index rows, Index steps, Index panels, double flops_per_step, Index weight_bytes) {
    const int most = get_threads();
    if (most == 1) return {1, false};
    const int worth = threads_for(flops_per_step * steps);
    const int wanted = worth < most ? worth : most;
    const double worth_barriers = flops_per_step / kStepFlopsWorthABarrier;
    const int sharing_units = (int)min_of(min_of(wanted, panels), worth_barriers < 1024 ? (Index)worth_barriers : 1024);
    const bool few_rows = rows < kRowsWorthSplitting;
    if (few_rows || (weight_bytes > kCacheBytes && rows < 16 * kRowsWorthSplitting && sharing_units == wanted))
        return {sharing_units < 2 ? 1 : sharing_units, true};
    return {(int)min_of(wanted, rows / kFewRows), false};
}

// Rows [row0, row1) against panels [p0, p1) at one step.
//
// A Cell has: columns(panel), the vectors in a panel; panel_stride(); work(step, row, panel), the TileWork
// of rows from `row` on; epilogue(step, row, rows, panel, sums).
template <class T, class Cell>
static void run_step(Cell& cell, Index step, Index row0, Index row1, Index p0, Index p1) {
    const RowTiles tiles = split_rows(row1 - row0);
    for (Index p = p0; p < p1;) {
        const Index columns = cell.columns(p);
        Index together = 1;
        if (tiles.count == 1 && columns == kMostColumns) {
            const Index full = p1 - p - (cell.columns(p1 - 1) != kMostColumns);
            together = panels_together(row1 - row0, full);
        }
        Index row = row0;
        for (Index t = 0; t < tiles.count; ++t) {
            const Index r = tiles.height + (t < tiles.taller);
            TileSums<T> sums;
            const TileWork<T> work = cell.work(step, row, p);
            const auto function =
                together > 1 ? tile_for_panels<T>(r, together) : tile_for<T, Rows::kAlongDepth>(r, columns);
            function(work, sums.at);
            for (Index b = 0; b < together; ++b)
                cell.epilogue(step, row, r, p + b, sums.at + b * r * columns * Simd<T>::kLanes);
            row += r;
        }
        p += together;
    }
}

// All steps. A Cell also has: prepare(p0, p1), called once for a thread's panels before the first step, and
// begin_step(step, row0, row1), called before each step for a thread's rows.
template <class T, class Cell>
static void run_recurrence(Cell& cell, Team& team, bool by_units, Index rows, Index steps, Index panels) {
    auto part = [&](int member) {
        const Range all_rows = {0, rows}, all_panels = {0, panels};
        const Range r = by_units ? all_rows : share(rows, member, team.size());
        const Range p = by_units ? share(panels, member, team.size()) : all_panels;
        cell.prepare(p.begin, p.end);
        for (Index step = 0; step < steps; ++step) {
            cell.begin_step(step, r.begin, r.end);
            if (p.begin < p.end && r.begin < r.end) run_step<T>(cell, step, r.begin, r.end, p.begin, p.end);
            if (by_units) team.barrier();
        }
    };
    run_team(team, part);
}

}  // namespace GATEWISE_ISA
}  // namespace gatewise
