// Running a recurrence: the loop over steps, panels of units and tiles of rows, shared by all cells.
//
// The idea: one step of any recurrent layer is "rows of state times packed weights, then arithmetic on each
// unit". A Cell says which panels there are, what a tile multiplies and what happens to its sums
// (`epilogue`); this header runs it and divides the work. Many rows: each thread takes some sequences and
// needs nobody else. Few rows, or weights too large for one core's cache: each thread takes some units,
// keeps its share of the weights in its own cache, and waits for the others after every step.
//
// A step may have several phases, one after the other, each with a Cell of its own: a GRU whose reset gate
// multiplies h before the product needs all of r first.
#pragma once

#include <type_traits>

#include "gemm.h"

namespace gatewise {
namespace GATEWISE_ISA {

constexpr Index kNearBytes = Index{5} << 18;  // more than this is asked for ahead of time

// How the work of a recurrence is divided.
struct Division {
    int threads;
    bool by_units;
};

GW_INLINE Division divide_recurrence(Index rows, Index steps, Index panels, double flops_per_step,
                                     Index weight_bytes) {
    const int most = get_threads();
    if (most == 1) return {1, false};
    const int worth = threads_for(flops_per_step * steps);
    const int wanted = worth < most ? worth : most;
    const Index worth_barriers = (Index)(flops_per_step / kStepFlopsWorthABarrier);
    const int sharing_units = (int)max_of(1, min_of(min_of(wanted, panels), worth_barriers));
    const Index rows_for_each = rows / wanted;
    const bool better =
        rows_for_each < kRowsForOne || (weight_bytes > kCacheBytes && rows_for_each < 8 * kRowsForOne);
    if (rows < kRowsForOne || (better && sharing_units == wanted)) return {sharing_units, true};
    return {(int)min_of(wanted, rows / kFewRows), false};
}

// What one of `parts` tiles asks for of the panel that comes next; nothing where all panels stay near anyway.
template <class W>
GW_INLINE Ahead part_ahead(const W* panel, Index panel_size, Index depth, Index panels, Index part,
                           Index parts) {
    const Index size = panel_size * sizeof(W), piece = size / parts;
    if (size * panels <= kNearBytes) return {(const char*)panel, (const char*)panel, 0};
    const char* from = (const char*)panel + part * piece;
    return {from, from + piece / 2, piece / 2 / depth};
}

// What the second segment of a cell's tiles does: kSame unless the cell has a constant kSecond.
template <class Cell, class = void>
constexpr Second second_of = Second::kSame;
template <class Cell>
constexpr Second second_of<Cell, std::enable_if_t<Cell::kSecond != Second::kSame>> = Cell::kSecond;

// All tiles of rows against `parts` panels from p on. `next` is the panel that comes after them.
//
// A Cell has: columns(panel), the vectors in a panel; panel(p),
// its weights, depth() rows of them; work(step, row, panel), the TileWork of rows from `row` on, panels lying
// `panel_stride` apart; epilogue(step, row, rows, panel, sums).
template <class T, class Cell>
static void run_tiles(Cell& cell, Index step, Index row, const RowTiles& tiles, Index p, Index parts,
                      const WeightOf<T>* next, Index panels) {
    constexpr Second second = second_of<Cell>;
    const Index columns = cell.columns(p), size = sums_of(second, (int)columns) * Simd<T>::kLanes;
    for (Index t = 0; t < tiles.count; ++t) {
        const Index r = tiles.height + (t < tiles.taller);
        TileSums<T> sums;
        TileWork<T> work = cell.work(step, row, p);
        work.ahead = part_ahead(next, work.panel_stride, cell.depth(), panels, t, tiles.count);
        const auto function = parts > 1 ? tile_for_panels<T, second>(r, columns, parts)
                                        : tile_for<T, Rows::kAlongDepth, second>(r, columns);
        function(work, sums.at);
        for (Index b = 0; b < parts; ++b) cell.epilogue(step, row, r, p + b, sums.at + b * r * size);
        row += r;
    }
}

// The rows of a step that need its tiles: up to the last that counts, for a cell with masks; else all.
template <class Cell>
GW_INLINE auto rows_that_count(const Cell& cell, Index step, Range rows, int)
    -> decltype(cell.active_rows(step, rows)) {
    return cell.active_rows(step, rows);
}
template <class Cell>
GW_INLINE Index rows_that_count(const Cell&, Index, Range rows, long) {
    return rows.end;
}

// Rows that count no more: only their epilogue, which hands their states on.
template <class T, class Cell>
static void run_epilogues(Cell& cell, Index step, Index row0, Index row1, Index p0, Index p1) {
    TileSums<T> nothing;
    std::memset(nothing.at, 0, sizeof nothing.at);
    for (Index p = p0; p < p1; ++p)
        for (Index row = row0; row < row1; row += kMostRows / 2)
            cell.epilogue(step, row, min_of(kMostRows / 2, row1 - row), p, nothing.at);
}

// Rows [row0, row1) against panels [p0, p1) at one step.
template <class T, class Cell>
static void run_step(Cell& cell, Index step, Index row0, Index row1, Index p0, Index p1) {
    const RowTiles tiles = split_rows(row1 - row0);
    // Whole panels have the columns of the first; only the last may be narrower.
    const Index columns = cell.columns(p0), narrower = cell.columns(p1 - 1) != columns;
    const Index wide = columns + 1 < kMostColumns ? 0 : p1 - p0 - narrower;
    const Index together = tiles.count == 1 && wide > 0 ? panels_together(row1 - row0, wide) : 1;
    const Index groups = wide / together, rest = p1 - p0 - groups * together, count = groups + rest;
    const auto first_of = [&](Index group) {
        return p0 + group * together - max_of(0, group - groups) * (together - 1);
    };
    // Every other step goes back the way it came, and so begins with the weights that are still in cache.
    const Index start = step % 2 ? count - 1 : 0, way = step % 2 ? -1 : 1;
    for (Index i = 0; i < count; ++i) {
        const Index group = start + way * i, p = first_of(group), parts = group < groups ? together : 1;
        const WeightOf<T>* next = cell.panel(i + 1 < count ? first_of(group + way) : p);
        run_tiles<T>(cell, step, row0, tiles, p, parts, next, p1 - p0);
    }
}

// What one member of a team does: some sequences and all panels, or the other way round.
struct Shares {
    Team& team;
    int member;
    bool by_units;
    Range rows;

    Shares(Team& t, int m, bool units, Index count)
        : team(t), member(m), by_units(units), rows(units ? Range{0, count} : share(count, m, t.size())) {}

    Range panels(Index count) const { return by_units ? share(count, member, team.size()) : Range{0, count}; }
    // Rows for work that needs all of a row: nobody else has them.
    Range whole_rows() const { return by_units ? share(rows.end, member, team.size()) : rows; }

    // One phase of a step, over tiles; all panels, or those that `panels` found (dividing takes its time).
    template <class T, class Cell>
    void run(Cell& cell, Index step, Index panel_count) const {
        run<T>(cell, step, panels(panel_count));
    }
    template <class T, class Cell>
    void run(Cell& cell, Index step, Range p) const {
        if (p.begin >= p.end || rows.begin >= rows.end) return;
        const Index end = rows_that_count(cell, step, rows, 0);
        if (rows.begin < end) run_step<T>(cell, step, rows.begin, end, p.begin, p.end);
        if (end < rows.end) run_epilogues<T>(cell, step, end, rows.end, p.begin, p.end);
    }
    // After a phase: where units are shared, the next needs everybody's.
    void wait() const {
        if (by_units) team.barrier();
    }
};

// A phase of every step, and how many panels it has.
template <class Cell>
struct Phase {
    Cell& cell;
    Index panels;
};

// All steps. A Cell also has: prepare(p0, p1), called once for a thread's panels before the first step, and
// begin_step(step, rows), called before each step for the rows that a thread alone prepares; true if the
// others must wait for them.
template <class T, class... Cells>
static void run_phases(Team& team, bool by_units, Index rows, Index steps, const Phase<Cells>&... phases) {
    auto part = [&](int member) {
        const Shares mine(team, member, by_units, rows);
        const Range shares[] = {mine.panels(phases.panels)...};
        const auto run = [&](auto& cell, Index step, Range panels) {
            if (cell.begin_step(step, mine.whole_rows())) mine.wait();
            mine.run<T>(cell, step, panels);
            mine.wait();
        };
        const Range* p = shares;
        ((phases.cell.prepare(p->begin, p->end), ++p), ...);
        for (Index step = 0; step < steps; ++step) {
            p = shares;
            (run(phases.cell, step, *p++), ...);
        }
    };
    run_team(team, part);
}

template <class T, class Cell>
static void run_recurrence(Cell& cell, Team& team, bool by_units, Index rows, Index steps, Index panels) {
    run_phases<T>(team, by_units, rows, steps, Phase<Cell>{cell, panels});
}

}  // namespace GATEWISE_ISA
}  // namespace gatewise
