// The simple recurrent layer: gradients.
//
//     dz = dh a'(h[t])     dh[t-1] = dz U^T     dx = dz W^T    dW = x^T dz    dU = h[t-1]^T dz    db = sum of
//     dz
#pragma once

#include "backward_cell.h"
#include "simple_rnn.h"
#include "weight_gradients.h"

namespace gatewise {
namespace GATEWISE_ISA {

template <class T>
struct SimpleRnnBackwardCell : BackwardCell<T, SimpleRnnBackward<T>> {
    using Base = BackwardCell<T, SimpleRnnBackward<T>>;
    using Base::in, Base::L, Base::masked, Base::time, Base::width;
    using typename Base::V;

    T* dz;                  // (N, T, H), sequences in order
    T* dh_state = nullptr;  // (N, width): dh of a masked step, which passes to the step before; or null

    SimpleRnnBackwardCell(const SimpleRnnBackward<T>& given, const SequenceOrder& order, T* into_dz,
                          Workspace& workspace)
        : Base(given, order, 0, given.sizes.H, workspace), dz(into_dz) {
        if (in.mask.data) dh_state = (T*)workspace.take(sizeof(T) * in.sizes.N * width);
    }

    T* row(Index n, Index t) const { return dz + (n * in.sizes.T + t) * in.sizes.H; }

    TileWork<T> work(Index step, Index n, Index p) const {
        if (step == 0) return this->no_product();
        return this->product(row(n, time(step) + 1), in.sizes.T * in.sizes.H, p);
    }

    void epilogue(Index step, Index n0, Index rows, Index p, const T* sums) {
        if (in.activation == Activation::tanh) step_back(step, n0, rows, p, sums, Activation::tanh);
        else step_back(step, n0, rows, p, sums, in.activation);
    }

    GW_MEMBER void step_back(Index step, Index n0, Index rows, Index p, const T* sums, Activation a) {
        const Index t = time(step), count = this->columns(p);
        for (Index n = n0; n < n0 + rows; ++n)
            for (Index c = 0; c < count; ++c, sums += L) {
                const Index u = (p * kMostColumns + c) * L, some = this->units_from(u);
                V dh = this->dropped(n, u, some, load(sums));
                if (step > 0 && masked(n, t + 1)) dh = load(dh_state + n * width + u);
                if (step == in.sizes.T) {
                    store_first(in.dh0 + this->order.sequence(n) * in.sizes.H + u, dh, some);
                    continue;
                }
                dh += this->given_dh(step, n, u, some);
                if (masked(n, t)) {
                    store(dh_state + n * width + u, dh);
                    store_first(row(n, t) + u, V{}, some);
                    continue;
                }
                const Index tape = (this->order.sequence(n) * in.sizes.T + t) * in.sizes.H + u;
                const T* z = in.z ? in.z + tape : nullptr;
                const V slope = this->slope(a, this->at(in.h, n, t, u, some), z, some);
                store_first(row(n, t) + u, dh * slope, some);
            }
    }
};

template <class T>
static void simple_rnn_backward(const SimpleRnnBackward<T>& in) {
    const Index N = in.sizes.N, H = in.sizes.H;
    Workspace workspace;
    T* dz = (T*)workspace.take(sizeof(T) * (N * in.sizes.T * H + 1));
    SequenceOrder order;
    if (N > 0) {
        const Division division = divide_backward<T>(in, H);
        order = order_of(in, division, workspace);
        SimpleRnnBackwardCell<T> cell(in, order, dz, workspace);
        Team team(division.threads);
        run_recurrence<T>(cell, team, division.by_units, N, in.sizes.T + (in.dh0 ? 1 : 0), cell.panels());
    }
    const RealSteps real = real_steps(in.mask, N, in.sizes.T, order, workspace);
    weight_gradients<T>(in, real, ColumnsPacked<T>{dz, H, 1}, H, in.dW, in.dU, in.db, H);
    if (in.dx) input_gradient(in, real, dz, H, H);
}

}  // namespace GATEWISE_ISA
}  // namespace gatewise
