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

// Halves are added to halves: one lane after the other would take longer than all else of a small row.
#if GATEWISE_LEVEL == 2
GW_INLINE float lanes_added(F32 v) { return _mm512_reduce_add_ps((__m512)v); }
GW_INLINE double lanes_added(F64 v) { return _mm512_reduce_add_pd((__m512d)v); }
#elif GATEWISE_LEVEL == 1
GW_INLINE float lanes_added(F32 v) {
    const __m128 four = _mm_add_ps(_mm256_castps256_ps128((__m256)v), _mm256_extractf128_ps((__m256)v, 1));
    return (four[0] + four[2]) + (four[1] + four[3]);
}
GW_INLINE double lanes_added(F64 v) { return (v[0] + v[2]) + (v[1] + v[3]); }
#else
GW_INLINE float lanes_added(F32 v) { return (v[0] + v[2]) + (v[1] + v[3]); }
GW_INLINE double lanes_added(F64 v) { return v[0] + v[1]; }
#endif

template <class T>
GW_INLINE T sum_of_lanes(typename Simd<T>::V v) {
    return lanes_added(v);
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
