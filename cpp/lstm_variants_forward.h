// Variants of the LSTM: the phases of a step, and running them.
//
// The idea: see lstm_variants.h, whose cell holds what the phases share. Under layer normalisation two
// products leave their sums and the rest follows by rows; a projection is one more product behind the step's
// own.
#pragma once

#include "lstm_variants.h"

namespace gatewise {
namespace GATEWISE_ISA {

// x W or h U alone, left for the arithmetic that needs whole rows of them.
template <class T, int G>
struct LstmVariantSums {
    static constexpr int L = Simd<T>::kLanes;
    LstmVariantCell<T, G>& cell;
    bool of_x;

    Index columns(Index) const { return G; }
    Index depth() const { return cell.depth(); }
    Index active_rows(Index t, Range rows) const { return cell.active_rows(t, rows); }
    const T* panel(Index p) const { return cell.panel(p); }
    TileWork<T> work(Index t, Index n, Index p) const {
        return {{of_x ? cell.input.segment(t, n, panel(p)) : cell.of_h(t, n, p), {}},
                1,
                depth() * G * L,
                cell.zeros,
                0,
                0};
    }
    void epilogue(Index, Index n, Index rows, Index p, const T* sums) const {
        T* to = (of_x ? cell.sums_x : cell.sums_h) + n * cell.at.width * G + p * G * L;
        for (Index r = 0; r < rows; ++r)
            std::memcpy(to + r * cell.at.width * G, sums + r * G * L, sizeof(T) * G * L);
    }
};

// m times the projection.
template <class T, int G>
struct LstmVariantProjection {
    static constexpr int L = Simd<T>::kLanes;
    LstmVariantCell<T, G>& cell;

    Index columns(Index p) const { return min_of(kMostColumns, cell.at.out_width / L - p * kMostColumns); }
    Index depth() const { return cell.in.sizes.H; }
    Index active_rows(Index t, Range rows) const { return cell.active_rows(t, rows); }
    const T* panel(Index p) const { return cell.part(cell.at.projection) + p * depth() * kMostColumns * L; }
    TileWork<T> work(Index, Index n, Index p) const {
        const Segment<T> of_m = {cell.unprojected + n * cell.at.width, cell.at.width, 1, depth(), panel(p)};
        return {{of_m, {}}, 1, depth() * kMostColumns * L, cell.zeros, 0, 0};
    }
    void epilogue(Index t, Index n0, Index rows, Index p, const T* sums) const {
        for (Index n = n0; n < n0 + rows; ++n)
            for (Index c = 0; c < columns(p); ++c, sums += L) {
                const Index u = (p * kMostColumns + c) * L, some = min_of(L, cell.in.sizes.P - u);
                if (cell.masked(n, t)) cell.skip_output(t, n, u, some);
                else cell.put_output(t, n, u, some, load(sums));
            }
    }
};

template <class T, int G>
static void run_lstm_variant(const LstmVariantForward<T>& in) {
    const LstmVariantSizes& s = in.sizes;
    const LstmVariantLayout<T> at(s);
    const Index blocks = blocks_of<T>(s.H),
                out_panels = ceil_div(at.out_width, kMostColumns * Simd<T>::kLanes);
    const double products = double(G) * (s.F + s.P + 16) + (s.projection ? s.P : 0);
    const Division division = divide_recurrence(s.N, s.T, blocks, 2.0 * s.N * at.width * products,
                                                (Index)(sizeof(T) * at.width * products));
    Team team(division.threads);
    Workspace workspace;
    const SequenceOrder order = sequence_order(in.mask, s.N, s.T, division, workspace);
    LstmVariantCell<T, G> cell = {in, at, order, {in.x, in.x_dropout, s.N, s.T, s.F, order}, nullptr, {}};
    cell.take(workspace);
    cell.start();
    LstmVariantSums<T, G> of_x = {cell, true}, of_h = {cell, false};
    LstmVariantProjection<T, G> projection = {cell};
    auto part = [&](int member) {
        const Shares mine(team, member, division.by_units, s.N);
        const Range p = mine.panels(blocks), whole = mine.whole_rows();
        cell.input.prepare(cell, p.begin, p.end, blocks);
        for (Index t = 0; t < s.T; ++t) {
            if (cell.input.begin_step(t, {whole.begin, cell.active_rows(t, whole)})) mine.wait();
            if (s.layer_norm) {
                if (cell.sums_x) mine.run<T>(of_x, t, blocks);
                mine.run<T>(of_h, t, blocks);
                mine.wait();
                cell.finish_rows(t, whole);
            } else {
                mine.run<T>(cell, t, blocks);
            }
            mine.wait();
            if (!s.projection) continue;
            mine.run<T>(projection, t, out_panels);
            mine.wait();
        }
    };
    run_team(team, part);
}

template <class T>
static void lstm_variant_forward(const LstmVariantForward<T>& in) {
    if (in.sizes.N == 0) return;
    if (in.sizes.G == 4) run_lstm_variant<T, 4>(in);
    else run_lstm_variant<T, 3>(in);
}

}  // namespace GATEWISE_ISA
}  // namespace gatewise
