// Variants of the LSTM: gradients over whole sequences.
//
// The idea: the phases of the forward pass in reverse order, over the same tiles. What the gradients of
// peepholes and gains sum over all steps is added up for each sequence while it is at hand, and over the
// sequences at the end: one order, whoever computes.
#pragma once

#include "lstm_variants_backward_cell.h"
#include "lstm_variants_forward.h"

namespace gatewise {
namespace GATEWISE_ISA {

template <class T, int G>
static Division divide_variant_back(const LstmVariantBackwardCell<T, G>& cell) {
    const LstmVariantSizes& s = cell.in.sizes;
    const double products =
        double(cell.out_width) * (G * s.H + 64) + (s.projection ? double(cell.width) * s.P : 0);
    const Index panels = ceil_div(max_of(s.P, s.projection ? s.H : 0), kMostColumns * Simd<T>::kLanes);
    return divide_recurrence(s.N, s.T, panels, 2.0 * s.N * products, (Index)(sizeof(T) * products));
}

// All steps, from the last to the first, and one more for the initial states.
template <class T, int G>
static void run_lstm_variant_back(LstmVariantBackwardCell<T, G>& cell, Division division) {
    const LstmVariantBackward<T>& in = cell.in;
    const LstmVariantSizes& s = in.sizes;
    constexpr Index kAcross = kMostColumns * Simd<T>::kLanes;
    const Index h_panels = ceil_div(s.P, kAcross), m_panels = ceil_div(s.H, kAcross);
    Team team(division.threads);
    LstmVariantProjectionBack<T, G> projection = {cell};
    auto part = [&](int member) {
        const Shares mine(team, member, division.by_units, s.N);
        const Range whole = mine.whole_rows();
        for (Index step = 0; step < s.T + (in.dh0 ? 1 : 0); ++step) {
            mine.run<T>(cell, step, h_panels);
            mine.wait();
            if (step == s.T) break;
            if (s.projection) {
                mine.run<T>(projection, step, m_panels);
                mine.wait();
            }
            if (!s.layer_norm) continue;
            cell.finish_rows(step, whole);
            mine.wait();
        }
    };
    run_team(team, part);
}

// The gradients that are products over all (n, t): of W, U, b, the projection, and x.
template <class T>
static void lstm_variant_products(const LstmVariantBackward<T>& in, const T* dz_x, const T* dz_h,
                                  const T* d_out, const SequenceOrder& order, Workspace& workspace) {
    const LstmVariantSizes& s = in.sizes;
    const Index columns = s.G * s.H;
    // As of an LSTM with P units, which is what x, h and their weights are.
    LstmBackward<T> of = {};
    of.sizes = {s.N, s.T, s.F, s.P};
    of.x = in.x;
    of.h0 = in.h0;
    of.W = in.weights.W;
    of.x_dropout = in.x_dropout;
    of.h_dropout = in.h_dropout;
    of.mask = in.mask;
    of.h = {in.h, s.T * s.P, s.P};
    of.dx = in.dx;
    of.dW = in.dW;
    const RealSteps real = real_steps(in.mask, s.N, s.T, order, workspace);
    if (s.layer_norm) {
        weight_gradients<T>(of, real, ColumnsPacked<T>{dz_x, columns, 1}, columns, in.dW, (T*)nullptr,
                            (T*)nullptr, columns);
        of.dW = nullptr;
    } else {
        of.db = in.db;
    }
    of.dU = in.dU;
    weight_gradients<T>(of, real, ColumnsPacked<T>{dz_h, columns, 1}, columns, of.dW, of.dU, of.db, columns);
    if (in.dx) input_gradient<T>(of, real, dz_x, columns, columns);
    if (!in.dprojection) return;
    // The projection multiplies what it is given as W multiplies x.
    LstmBackward<T> of_m = {};
    of_m.sizes = {s.N, s.T, s.H, s.P};
    of_m.x = {in.unprojected, s.T * s.H, s.H};
    of_m.mask = in.mask;
    weight_gradients<T>(of_m, real, ColumnsPacked<T>{d_out, s.P, 1}, s.P, in.dprojection, (T*)nullptr,
                        (T*)nullptr, s.P);
}

template <class T, int G>
static void lstm_variant_back(const LstmVariantBackward<T>& in) {
    constexpr int L = Simd<T>::kLanes;
    const LstmVariantSizes& s = in.sizes;
    Workspace workspace;
    const auto take = [&](Index count) { return (T*)workspace.take(sizeof(T) * (s.N * s.T * count + 1)); };
    LstmVariantBackwardCell<T, G> cell = {in, blocks_of<T>(s.H) * L, blocks_of<T>(s.P) * L};
    cell.dz_x = take(G * s.H);
    cell.dz_h = s.layer_norm ? take(G * s.H) : cell.dz_x;
    cell.dz = s.layer_norm ? (T*)workspace.take(sizeof(T) * (s.N * G * s.H + 1)) : cell.dz_x;
    if (s.projection) cell.d_out = take(s.P);
    cell.take(workspace);
    if (s.N > 0) {
        const Division division = divide_variant_back(cell);
        cell.order = sequence_order(in.mask, s.N, s.T, division, workspace);
        run_lstm_variant_back(cell, division);
    }
    cell.finish();
    lstm_variant_products(in, cell.dz_x, cell.dz_h, cell.d_out, cell.order, workspace);
}

template <class T>
static void lstm_variant_backward(const LstmVariantBackward<T>& in) {
    if (in.sizes.G == 4) lstm_variant_back<T, 4>(in);
    else lstm_variant_back<T, 3>(in);
}

}  // namespace GATEWISE_ISA
}  // namespace gatewise
