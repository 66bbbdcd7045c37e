// The order in which a recurrence takes its sequences: those with the most steps that count first.
//
// The idea: sorted so, the sequences that count at a step are the first ones, whether the padding lies before
// or behind, and the tiles of that step can stop after the last of them: a batch costs what its real steps
// cost. A recurrence keeps its states by place in that order; everything of the caller's is found through
// `sequence`. Each member of a team is dealt its share of the long and of the short ones. No result depends
// on the order: rows of a tile know nothing of each other, and sums over sequences keep the caller's order.
#pragma once

#include "kernels.h"
#include "memory.h"
#include "recurrence.h"

namespace gatewise {
namespace GATEWISE_ISA {

// Place -> sequence and back; null where every sequence has its own number as its place.
struct SequenceOrder {
    const Index *sequences = nullptr, *places = nullptr;

    GW_MEMBER Index sequence(Index place) const { return sequences ? sequences[place] : place; }
    GW_MEMBER Index place(Index sequence) const { return places ? places[sequence] : sequence; }
};

// Whether a step of a sequence does not count.
GW_INLINE bool is_masked(const View3<const std::uint8_t>& mask, Index sequence, Index t) {
    return mask.data && !mask.data[sequence * mask.outer + t * mask.inner];
}

GW_INLINE Index real_steps_of(const View3<const std::uint8_t>& mask, Index sequence, Index steps) {
    const std::uint8_t* row = mask.data + sequence * mask.outer;
    Index count = 0;
    for (Index t = 0; t < steps; ++t) count += row[t * mask.inner] != 0;
    return count;
}

// Sequences by falling numbers of real steps (a counting sort, so equal ones keep their order).
static void sort_by_steps(const Index* counts, Index rows, Index steps, Index* sorted, Workspace& workspace) {
    Index* next = (Index*)workspace.take(sizeof(Index) * (steps + 2));
    std::memset(next, 0, sizeof(Index) * (steps + 2));
    for (Index n = 0; n < rows; ++n) ++next[steps - counts[n] + 1];
    for (Index k = 0; k < steps; ++k) next[k + 1] += next[k];
    for (Index n = 0; n < rows; ++n) sorted[next[steps - counts[n]]++] = n;
}

// The order for a team of which each member takes a share of the rows, or all of them.
static SequenceOrder sequence_order(const View3<const std::uint8_t>& mask, Index rows, Index steps,
                                    Division division, Workspace& workspace) {
    if (!mask.data || rows < kFewRows) return {};
    const auto take = [&] { return (Index*)workspace.take(sizeof(Index) * rows); };
    Index *counts = take(), *sorted = take(), *sequences = take(), *places = take();
    Index total = 0;
    for (Index n = 0; n < rows; ++n) total += counts[n] = real_steps_of(mask, n, steps);
    if (total == rows * steps) return {};
    sort_by_steps(counts, rows, steps, sorted, workspace);
    const Index members = division.by_units ? 1 : division.threads;
    Index* filled = (Index*)workspace.take(sizeof(Index) * members);
    for (Index m = 0; m < members; ++m) filled[m] = share(rows, m, members).begin;
    for (Index i = 0, m = 0; i < rows; ++i, m = (m + 1) % members) {
        while (filled[m] == share(rows, m, members).end) m = (m + 1) % members;
        const Index place = filled[m]++;
        sequences[place] = sorted[i];
        places[sorted[i]] = place;
    }
    return {sequences, places};
}

// The steps that products over all steps run over: those that count, in the caller's order. `at` holds the
// number n T + t of each in the caller's arrays, `placed` the same in arrays kept in order; null: all steps.
struct RealSteps {
    Index count;
    const Index *at = nullptr, *placed = nullptr;

    GW_MEMBER Index row(Index k) const { return at ? at[k] : k; }
    GW_MEMBER Index placed_row(Index k) const { return placed ? placed[k] : k; }

    // How many steps from the k-th on, of at most `most`, lie one after the other.
    GW_MEMBER Index run(Index k, Index most) const {
        if (!at) return most;
        Index length = 1;
        while (length < most && at[k + length] == at[k] + length && placed[k + length] == placed[k] + length)
            ++length;
        return length;
    }
};

[[maybe_unused]] static RealSteps real_steps(const View3<const std::uint8_t>& mask, Index rows, Index steps,
                                             const SequenceOrder& order, Workspace& workspace) {
    if (!mask.data) return {rows * steps};
    const auto take = [&] { return (Index*)workspace.take(sizeof(Index) * (rows * steps + 1)); };
    Index *at = take(), *placed = take(), count = 0;
    for (Index n = 0; n < rows; ++n)
        for (Index t = 0; t < steps; ++t) {
            if (is_masked(mask, n, t)) continue;
            at[count] = n * steps + t;
            placed[count++] = order.place(n) * steps + t;
        }
    if (count == rows * steps) return {count};
    return {count, at, placed};
}

}  // namespace GATEWISE_ISA
}  // namespace gatewise
