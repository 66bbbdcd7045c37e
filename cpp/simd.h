// Vectors of float and double, one width per instruction set.
//
// The idea: every kernel is written once against `Simd<T>::V` and the free functions below, and compiled
// once per instruction set (GATEWISE_LEVEL 0, 1, 2) inside a namespace of its own. Arithmetic and
// comparisons are the compiler's vector extensions; only what those cannot say (a fused multiply-add, a
// masked load, a fast reciprocal) is an intrinsic. Nothing here may be an inline function of global
// linkage: the linker would keep one copy for all instruction sets, maybe one that the machine cannot run.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>

#ifndef GATEWISE_LEVEL
#    error "compile with -DGATEWISE_LEVEL=0 (baseline), 1 (avx2) or 2 (avx512)"
#endif

#if GATEWISE_LEVEL == 2
#    if defined(GATEWISE_VNNI)
#        define GATEWISE_ISA isa_avx512_vnni
#    else
#        define GATEWISE_ISA isa_avx512
#    endif
#    define GATEWISE_VECTOR_BYTES 64
#elif GATEWISE_LEVEL == 1
#    if defined(GATEWISE_VNNI)
#        define GATEWISE_ISA isa_avx_vnni
#    else
#        define GATEWISE_ISA isa_avx2
#    endif
#    define GATEWISE_VECTOR_BYTES 32
#else
#    define GATEWISE_ISA isa_baseline
#    define GATEWISE_VECTOR_BYTES 16
#endif

#if GATEWISE_LEVEL > 0
#    include <immintrin.h>
#elif defined(__aarch64__)
#    include <arm_neon.h>
#elif defined(__SSE2__)
#    include <emmintrin.h>
#endif

#define GW_INLINE static inline __attribute__((always_inline))
#define GW_MEMBER inline __attribute__((always_inline))

namespace gatewise {
namespace GATEWISE_ISA {

using Index = std::ptrdiff_t;

typedef float F32 __attribute__((vector_size(GATEWISE_VECTOR_BYTES)));
typedef double F64 __attribute__((vector_size(GATEWISE_VECTOR_BYTES)));
typedef std::int32_t I32 __attribute__((vector_size(GATEWISE_VECTOR_BYTES)));
typedef std::int64_t I64 __attribute__((vector_size(GATEWISE_VECTOR_BYTES)));

// V: the vector, I: integers of the same width (also what comparisons give), kLanes: elements in one.
template <class T>
struct Simd;
template <>
struct Simd<float> {
    using V = F32;
    using I = I32;
    static constexpr int kLanes = GATEWISE_VECTOR_BYTES / 4;
};
template <>
struct Simd<double> {
    using V = F64;
    using I = I64;
    static constexpr int kLanes = GATEWISE_VECTOR_BYTES / 8;
};

GW_INLINE Index min_of(Index a, Index b) { return a < b ? a : b; }
GW_INLINE Index max_of(Index a, Index b) { return a > b ? a : b; }
GW_INLINE Index ceil_div(Index a, Index b) { return (a + b - 1) / b; }

// ---- moving data ------------------------------------------------------------------------------------

template <class T>
GW_INLINE typename Simd<T>::V load(const T* p) {
    typename Simd<T>::V v;
    std::memcpy(&v, p, sizeof v);
    return v;
}

template <class T>
GW_INLINE void store(T* p, typename Simd<T>::V v) {
    std::memcpy(p, &v, sizeof v);
}

#if GATEWISE_LEVEL == 2

GW_INLINE F32 broadcast(float s) { return (F32)_mm512_set1_ps(s); }
GW_INLINE F64 broadcast(double s) { return (F64)_mm512_set1_pd(s); }
GW_INLINE F32 fma(F32 a, F32 b, F32 c) { return (F32)_mm512_fmadd_ps((__m512)a, (__m512)b, (__m512)c); }
GW_INLINE F64 fma(F64 a, F64 b, F64 c) { return (F64)_mm512_fmadd_pd((__m512d)a, (__m512d)b, (__m512d)c); }
GW_INLINE F32 square_root(F32 v) { return (F32)_mm512_sqrt_ps((__m512)v); }
GW_INLINE F64 square_root(F64 v) { return (F64)_mm512_sqrt_pd((__m512d)v); }
GW_INLINE F32 load_some(const float* p, Index n) {
    return (F32)_mm512_maskz_loadu_ps((__mmask16)((1u << n) - 1), p);
}
GW_INLINE F64 load_some(const double* p, Index n) {
    return (F64)_mm512_maskz_loadu_pd((__mmask8)((1u << n) - 1), p);
}
GW_INLINE void store_some(float* p, F32 v, Index n) {
    _mm512_mask_storeu_ps(p, (__mmask16)((1u << n) - 1), (__m512)v);
}
GW_INLINE void store_some(double* p, F64 v, Index n) {
    _mm512_mask_storeu_pd(p, (__mmask8)((1u << n) - 1), (__m512d)v);
}

#elif GATEWISE_LEVEL == 1

GW_INLINE F32 broadcast(float s) { return (F32)_mm256_set1_ps(s); }
GW_INLINE F64 broadcast(double s) { return (F64)_mm256_set1_pd(s); }
GW_INLINE F32 fma(F32 a, F32 b, F32 c) { return (F32)_mm256_fmadd_ps((__m256)a, (__m256)b, (__m256)c); }
GW_INLINE F64 fma(F64 a, F64 b, F64 c) { return (F64)_mm256_fmadd_pd((__m256d)a, (__m256d)b, (__m256d)c); }
GW_INLINE F32 square_root(F32 v) { return (F32)_mm256_sqrt_ps((__m256)v); }
GW_INLINE F64 square_root(F64 v) { return (F64)_mm256_sqrt_pd((__m256d)v); }
GW_INLINE __m256i first_lanes32(Index n) {
    return _mm256_cmpgt_epi32(_mm256_set1_epi32((int)n), _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7));
}
GW_INLINE __m256i first_lanes64(Index n) {
    return _mm256_cmpgt_epi64(_mm256_set1_epi64x(n), _mm256_setr_epi64x(0, 1, 2, 3));
}
GW_INLINE F32 load_some(const float* p, Index n) { return (F32)_mm256_maskload_ps(p, first_lanes32(n)); }
GW_INLINE F64 load_some(const double* p, Index n) { return (F64)_mm256_maskload_pd(p, first_lanes64(n)); }
GW_INLINE void store_some(float* p, F32 v, Index n) { _mm256_maskstore_ps(p, first_lanes32(n), (__m256)v); }
GW_INLINE void store_some(double* p, F64 v, Index n) { _mm256_maskstore_pd(p, first_lanes64(n), (__m256d)v); }

#else

GW_INLINE F32 broadcast(float s) { return F32{s, s, s, s}; }
GW_INLINE F64 broadcast(double s) { return F64{s, s}; }
#    if defined(__aarch64__)
GW_INLINE F32 fma(F32 a, F32 b, F32 c) {
    return (F32)vfmaq_f32((float32x4_t)c, (float32x4_t)a, (float32x4_t)b);
}
GW_INLINE F64 fma(F64 a, F64 b, F64 c) {
    return (F64)vfmaq_f64((float64x2_t)c, (float64x2_t)a, (float64x2_t)b);
}
#    else
GW_INLINE F32 fma(F32 a, F32 b, F32 c) { return a * b + c; }
GW_INLINE F64 fma(F64 a, F64 b, F64 c) { return a * b + c; }
#    endif
GW_INLINE F32 square_root(F32 v) {
    for (int i = 0; i < 4; ++i) v[i] = __builtin_sqrtf(v[i]);
    return v;
}
GW_INLINE F64 square_root(F64 v) {
    for (int i = 0; i < 2; ++i) v[i] = __builtin_sqrt(v[i]);
    return v;
}
GW_INLINE F32 load_some(const float* p, Index n) {
    F32 v = {};
    for (Index i = 0; i < n; ++i) v[i] = p[i];
    return v;
}
GW_INLINE F64 load_some(const double* p, Index n) {
    F64 v = {};
    for (Index i = 0; i < n; ++i) v[i] = p[i];
    return v;
}
GW_INLINE void store_some(float* p, F32 v, Index n) {
    for (Index i = 0; i < n; ++i) p[i] = v[i];
}
GW_INLINE void store_some(double* p, F64 v, Index n) {
    for (Index i = 0; i < n; ++i) p[i] = v[i];
}

#endif

// The first n lanes (all of them where n is the vector's length); the others read as zero.
template <class T>
GW_INLINE typename Simd<T>::V load_first(const T* p, Index n) {
    return n >= Simd<T>::kLanes ? load(p) : load_some(p, n);
}
template <class T>
GW_INLINE void store_first(T* p, typename Simd<T>::V v, Index n) {
    if (n >= Simd<T>::kLanes) store(p, v);
    else store_some(p, v, n);
}

// ---- arithmetic -------------------------------------------------------------------------------------

// The second argument wins where either is NaN, so that a NaN in `v` survives clamping.
template <class V>
GW_INLINE V at_least(V bound, V v) {
    return v < bound ? bound : v;
}
template <class V>
GW_INLINE V at_most(V bound, V v) {
    return v > bound ? bound : v;
}
template <class V>
GW_INLINE V absolute(V v) {
    return v < V{} ? -v : v;
}

// a / b. With AVX-512 the float quotient comes from a 14-bit reciprocal and one correction, which is as
// exact as division to within an ulp and four times as fast; b must be a normal number there.
GW_INLINE F64 quotient(F64 a, F64 b) { return a / b; }
GW_INLINE F32 quotient(F32 a, F32 b) {
#if GATEWISE_LEVEL == 2
    F32 r = (F32)_mm512_rcp14_ps((__m512)b);
    F32 q = a * r;
    return fma((F32)_mm512_fnmadd_ps((__m512)q, (__m512)b, (__m512)a), r, q);
#else
    return a / b;
#endif
}

}  // namespace GATEWISE_ISA
}  // namespace gatewise
