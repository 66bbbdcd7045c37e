// LSTM: gradients.
//
//     dh = dy + dz[t+1] U^T        do = dh a(c[t])          dc += dh o a'(c[t])
//     di = dc g    df = dc c[t-1]    dg = dc i    dz = each of these times its activation's derivative
//     dx = dz W^T    dW = x^T dz    dU = h[t-1]^T dz    db = sum of dz
//
// dz of all steps is kept; see backward_cell.h for the way back through time, weight_gradients.h for the
// rest. Nothing that is not wanted is computed.
#pragma once

#include "backward_cell.h"
#include "lstm.h"
#include "weight_gradients.h"

namespace gatewise {
namespace GATEWISE_ISA {

template <class T>
struct LstmBackwardCell : BackwardCell<T, LstmBackward<T>> {
    using Base = BackwardCell<T, LstmBackward<T>>;
    using Base::in, Base::L, Base::masked, Base::time, Base::width;
    using typename Base::V;

    T* dz;                  // (N, T, 4H), sequences in order
    T* dc_state;            // (N, width)
    T* dh_state = nullptr;  // (N, width): dh of a masked step, which passes to the step before; or null

    LstmBackwardCell(const LstmBackward<T>& given, const SequenceOrder& order, T* into_dz,
                     Workspace& workspace)
        : Base(given, order, 0, 4 * given.sizes.H, workspace), dz(into_dz) {
        const auto take = [&](Index count) { return (T*)workspace.take(sizeof(T) * count); };
        dc_state = take(in.sizes.N * width);
        if (in.mask.data) dh_state = take(in.sizes.N * width);
    }

    TileWork<T> work(Index step, Index n, Index p) const {
        if (step == 0) return this->no_product();
        const Index row = in.sizes.T * 4 * in.sizes.H;
        return this->product(dz + n * row + (time(step) + 1) * 4 * in.sizes.H, row, p);
    }

    void epilogue(Index step, Index n, Index rows, Index p, const T* sums) {
        const Index count = this->columns(p);
        for (Index r = 0; r < rows; ++r)
            for (Index c = 0; c < count; ++c, sums += L) {
                const Index u = (p * kMostColumns + c) * L;
                const Index some = this->units_from(u);
                const V dh = arriving(step, n + r, u, some, load(sums));
                if (step == in.sizes.T) leave(n + r, u, some, dh);
                else if (in.activation == Activation::tanh && in.recurrent_activation == Activation::sigmoid)
                    step_back(step, n + r, u, some, dh, Activation::tanh, Activation::sigmoid);
                else step_back(step, n + r, u, some, dh, in.activation, in.recurrent_activation);
            }
    }

    // dh of a step as far as it comes from the step after it.
    V arriving(Index step, Index n, Index u, Index some, V from_tile) const {
        if (step > 0 && masked(n, time(step) + 1)) return load(dh_state + n * width + u);
        return this->dropped(n, u, some, from_tile);
    }

    void leave(Index n, Index u, Index some, V dh) const {
        const Index at = this->order.sequence(n) * in.sizes.H + u;
        store_first(in.dh0 + at, dh, some);
        store_first(in.dc0 + at, load(dc_state + n * width + u), some);
    }

    GW_MEMBER void step_back(Index step, Index n, Index u, Index some, V dh, Activation a, Activation s) {
        const Index H = in.sizes.H, t = time(step), row = (this->order.sequence(n) * in.sizes.T + t) * H;
        dh += this->given_dh(step, n, u, some);
        V dc = step ? load(dc_state + n * width + u) : this->of_row(in.dc_last, n, u, some);
        dc += this->at(in.dc, n, t, u, some);
        T* to = dz + (n * in.sizes.T + t) * 4 * H + u;
        if (masked(n, t)) {
            store(dh_state + n * width + u, dh);
            store(dc_state + n * width + u, dc);
            for (Index gate = 0; gate < 4; ++gate) store_first(to + gate * H, V{}, some);
            return;
        }
        const T* gates = in.gates + row * 4 + u;
        const T* z = in.z ? in.z + row * 4 + u : nullptr;
        const auto slope = [&](Activation f, Index gate, V y) {
            return this->slope(f, y, z ? z + gate * H : nullptr, some);
        };
        const V i = load_first(gates, some), f = load_first(gates + H, some);
        const V g = load_first(gates + 2 * H, some), o = load_first(gates + 3 * H, some);
        const V c = this->at(in.c, n, t, u, some), before = this->state_before(in.c, in.c0, n, t, u, some);
        const V y = activate<T>(a, c);
        dc = fma(dh * o, derivative<T>(a, y, c), dc);
        store_first(to, dc * g * slope(s, 0, i), some);
        store_first(to + H, dc * before * slope(s, 1, f), some);
        store_first(to + 2 * H, dc * i * slope(a, 2, g), some);
        store_first(to + 3 * H, dh * y * slope(s, 3, o), some);
        store(dc_state + n * width + u, dc * f);
    }
};

template <class T>
static void lstm_backward(const LstmBackward<T>& in) {
    const Index N = in.sizes.N, steps = in.sizes.T, columns = 4 * in.sizes.H;
    Workspace workspace;
    const Division division = divide_backward<T>(in, columns);
    const SequenceOrder order = N > 0 ? order_of(in, division, workspace) : SequenceOrder{};
    // dz of a unit takes the place of its gates once they are read; not where it lies in another order.
    T* dz = in.consumes_gates && !order.sequences ? const_cast<T*>(in.gates)
                                                  : (T*)workspace.take(sizeof(T) * (N * steps * columns + 1));
    if (N > 0) {
        LstmBackwardCell<T> cell(in, order, dz, workspace);
        Team team(division.threads);
        run_recurrence<T>(cell, team, division.by_units, N, steps + (in.dh0 ? 1 : 0), cell.panels());
    }
    const RealSteps real = real_steps(in.mask, N, steps, order, workspace);
    weight_gradients<T>(in, real, ColumnsPacked<T>{dz, columns, 1}, columns, in.dW, in.dU, in.db, columns);
    if (in.dx) input_gradient(in, real, dz, columns, columns);
}

}  // namespace GATEWISE_ISA
}  // namespace gatewise
