// What a kernel would do and what a core can do, told instead of done.
//
// The idea: `plan_recurrence` asks the same functions that the recurrent kernels ask when they run, so that
// an explanation of speed never holds a rule of its own. `multiply_adds` keeps a core's multiply-add units
// busy with numbers that rest in registers: the most that any kernel of this instruction set could reach.
#pragma once

#include "backward_cell.h"
#include "forward_cell.h"
#include "gru.h"

namespace gatewise {
namespace GATEWISE_ISA {

// The division of a layer's work: as its own header has it, without running it.
template <class T>
static Division division_of(const PlanQuestion& q) {
    if (q.backward) {
        LstmBackward<T> in = {};  // of the arguments only the sizes are read
        in.sizes = q.sizes;
        return divide_backward<T>(in, (q.layer == PlannedLayer::lstm     ? 4
                                       : q.layer == PlannedLayer::simple ? 1
                                                                         : 3) *
                                          q.sizes.H);
    }
    LstmForward<T> in = {};
    in.sizes = q.sizes;
    switch (q.layer) {
        case PlannedLayer::lstm:
            return divide_forward<T>(in, 4, 4);
        case PlannedLayer::gru:
            return divide_forward<T>(in, kGruGates, kGruGates);
        case PlannedLayer::gru_reset_before:
            return divide_forward<T>(in, kGruGates * kMostColumns, kGruGates);
        default:
            return divide_forward<T>(in, kMostColumns, 1);
    }
}

template <class T>
static Plan plan_recurrence(const PlanQuestion& q) {
    const Index gates = q.layer == PlannedLayer::lstm ? 4 : q.layer == PlannedLayer::simple ? 1 : 3;
    const Division division = division_of<T>(q);
    const Index width = gates * blocks_of<T>(q.sizes.H) * Simd<T>::kLanes;
    const Index depth = (q.backward ? 0 : q.sizes.F) + q.sizes.H;
    const bool sorts = q.masked && q.sizes.N >= kFewRows;
    Plan plan;
    plan.threads = division.threads;
    plan.by_units = division.by_units;
    plan.projected = !q.backward && !sorts && !q.dropout && q.sizes.N < kFewRows && q.sizes.T > 1;
    plan.sorted = sorts;
    plan.lanes = Simd<T>::kLanes;
    plan.step_flops = 2.0 * q.sizes.N * width * depth;
    plan.weight_bytes = sizeof(T) * width * depth;
    plan.rows_for_one = kRowsForOne;
    plan.few_rows = kFewRows;
    plan.cache_bytes = kCacheBytes;
    plan.flops_for_a_thread = kFlopsWorthAThread;
    plan.flops_for_a_barrier = kStepFlopsWorthABarrier;
    return plan;
}

constexpr int kChains = 12;  // multiply-adds under way at once: more than any core's latency needs

// `rounds` multiply-adds on each of kChains vectors; what comes out keeps the compiler from leaving them out.
template <class T>
static double multiply_adds(Index rounds, T* out) {
    using V = typename Simd<T>::V;
    const V factor = broadcast((T)0.875), term = broadcast((T)0.125);
    V sums[kChains];
    for (int k = 0; k < kChains; ++k) sums[k] = broadcast((T)k);
    for (Index i = 0; i < rounds; ++i) {
#pragma GCC unroll 12
        for (int k = 0; k < kChains; ++k) sums[k] = fma(sums[k], factor, term);
    }
    V all = sums[0];
    for (int k = 1; k < kChains; ++k) all = all + sums[k];
    T lanes[Simd<T>::kLanes];
    store(lanes, all);
    *out = lanes[0];
    return 2.0 * rounds * kChains * Simd<T>::kLanes;
}

}  // namespace GATEWISE_ISA
}  // namespace gatewise
