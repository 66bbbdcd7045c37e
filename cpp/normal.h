// Layer normalisation of a row, and its gradient.
//
//     normal = (v - mean) scale          scale = 1 / sqrt(variance + epsilon)
//     dv = scale (d - mean of d - normal times the mean of d normal)
//
// A row is [blocks][C][lanes], what lies beyond `units` in the last block being zero.
#pragma once

#include "simd.h"

namespace gatewise {
namespace GATEWISE_ISA {

GW_INLINE float root_of(float v) { return __builtin_sqrtf(v); }
GW_INLINE double root_of(double v) { return __builtin_sqrt(v); }

// The first n lanes, the others zero.
template <class T>
GW_INLINE typename Simd<T>::V first_lanes(typename Simd<T>::V v, Index n) {
    if (n >= Simd<T>::kLanes) return v;
    T all[Simd<T>::kLanes];
    store(all, v);
    return load_some(all, n);
}

template <class T>
GW_INLINE T sum_of_lanes(typename Simd<T>::V v) {
    T sum = 0;
    for (int i = 0; i < Simd<T>::kLanes; ++i) sum += v[i];
    return sum;
}

template <class T>
struct RowStatistics {
    T mean, scale;
    typename Simd<T>::V normal(typename Simd<T>::V v) const {
        return (v - broadcast(mean)) * broadcast(scale);
    }
};

template <class T, int C>
static RowStatistics<T> statistics_of(const T* row, Index units, T epsilon) {
    constexpr int L = Simd<T>::kLanes;
    typename Simd<T>::V sums[C] = {}, squares[C] = {};
    const T* v = row;
    for (Index u = 0; u < units; u += L, v += C * L)
        for (int c = 0; c < C; ++c) sums[c] += load(v + c * L);
    for (int c = 1; c < C; ++c) sums[0] += sums[c];
    const T count = T(units * C), mean = sum_of_lanes<T>(sums[0]) / count;
    v = row;
    for (Index u = 0; u < units; u += L, v += C * L)
        for (int c = 0; c < C; ++c) {
            const auto apart = first_lanes<T>(load(v + c * L) - broadcast(mean), units - u);
            squares[c] = fma(apart, apart, squares[c]);
        }
    for (int c = 1; c < C; ++c) squares[0] += squares[c];
    return {mean, T(1) / root_of(sum_of_lanes<T>(squares[0]) / count + epsilon)};
}

}  // namespace GATEWISE_ISA
}  // namespace gatewise
