// Elementwise activations and their derivatives, on vectors.
//
// The idea: everything rests on one evaluation of exp. x = n ln2 + r with |r| <= ln2/2, and
// exp(x) = s (1 + p), s = 2^n, p = expm1(r) by a polynomial. Keeping s and p apart lets exp(x) + 1 and
// exp(x) - 1 be formed with a single rounding, so sigmoid and tanh are exact to 2 to 3 units in the last
// place over the whole range, also near zero (docs/accuracy.md); tanh is odd to the last bit. n is rounded by
// adding a large number whose low bits then *are* the biased exponent of 2^n: one shift makes s. Results
// below the smallest normal number are zero.
//
// A derivative is taken from the output y where that is possible, and its input z otherwise
// (`derivative_needs_input`), so a forward pass keeps one array, not two.
#pragma once

#include <cmath>

#include "kernels.h"
#include "simd.h"

namespace gatewise {
namespace GATEWISE_ISA {

template <class T>
struct ExpConstants;

template <>
struct ExpConstants<float> {
    static constexpr float kLog2E = 1.44269504088896341f, kLn2High = 0.693359375f, kLn2Low = -2.12194440e-4f;
    static constexpr float kMagic = 12582912.0f;  // 1.5 * 2^23: adding it rounds to an integer
    static constexpr int kMantissa = 23, kBias = 127;
    static constexpr float kLowest = -87.336f, kHighest = 88.72283f, kTanhEnd = 20.0f;
    static constexpr int kTerms = 5;  // expm1(r) = r + r^2 (c0 + c1 r + ...), relative error 1e-8
    static constexpr float kTerm[kTerms] = {0.5f, 0.16666577f, 0.041666555f, 0.0083630732f, 0.0013926176f};
};

template <>
struct ExpConstants<double> {
    static constexpr double kLog2E = 1.4426950408889634074, kLn2High = 0.693147180369123816490;
    static constexpr double kLn2Low = 1.90821492927058770002e-10;
    static constexpr double kMagic = 6755399441055744.0;  // 1.5 * 2^52
    static constexpr int kMantissa = 52, kBias = 1023;
    static constexpr double kLowest = -708.396, kHighest = 709.782712893384, kTanhEnd = 44.0;
    static constexpr int kTerms = 10;  // relative error 2e-17
    static constexpr double kTerm[kTerms] = {0.50000000000000010211,     0.16666666666666667452,
                                             0.041666666666624161903,    0.0083333333333300644495,
                                             0.0013888888917196719077,   0.00019841269863040545271,
                                             0.000024801521322368693266, 2.7557268480310025526e-6,
                                             2.7620075879983366586e-7,   2.5100375832561233664e-8};
};

// What rounds x log2(e) to n and makes n the exponent of scale, to which `shift` is added.
template <class T>
GW_INLINE typename Simd<T>::V exponent_maker(int shift = 0) {
    return broadcast(ExpConstants<T>::kMagic + T(ExpConstants<T>::kBias + shift));
}

// exp(x) = scale (1 + p). x must be in range, or NaN.
template <class T>
struct SplitExp {
    typename Simd<T>::V scale, p;
};

template <class T>
GW_INLINE SplitExp<T> split_exp(typename Simd<T>::V x, typename Simd<T>::V magic) {
    using K = ExpConstants<T>;
    using V = typename Simd<T>::V;
    using I = typename Simd<T>::I;
    const V rounded = fma(x, broadcast(K::kLog2E), magic);
    const V n = rounded - magic;
    const I exponent = (I)rounded << K::kMantissa;
    V r = fma(n, broadcast(-K::kLn2High), x);
    r = fma(n, broadcast(-K::kLn2Low), r);
    V q = broadcast(K::kTerm[K::kTerms - 1]);
#pragma GCC unroll 16
    for (int i = K::kTerms - 2; i >= 0; --i) q = fma(q, r, broadcast(K::kTerm[i]));
    return {(V)exponent, fma(r * r, q, r)};
}

template <class T, class V = typename Simd<T>::V>
GW_INLINE V vexp(V x) {
    using K = ExpConstants<T>;
    const V clamped = at_most(broadcast(K::kHighest), at_least(broadcast(K::kLowest), x));
    // Half the scale where 2^128 would overflow; far above the smallest numbers where a product with the
    // scale might fall below them.
    const auto positive = x > V{};
    const SplitExp<T> e = split_exp<T>(clamped, positive ? exponent_maker<T>(-1) : exponent_maker<T>(64));
    V y = fma(e.scale, e.p, e.scale) * (positive ? broadcast(T(2)) : broadcast(T(0x1p-64)));
    y = x < broadcast(K::kLowest) ? V{} : y;
    return x > broadcast(K::kHighest) ? broadcast(T(INFINITY)) : y;
}

template <class T, class V = typename Simd<T>::V>
GW_INLINE V vexpm1(V x) {
    using K = ExpConstants<T>;
    const V clamped = at_most(broadcast(K::kHighest), at_least(broadcast(-K::kTanhEnd * 2), x));
    const SplitExp<T> e = split_exp<T>(clamped, exponent_maker<T>(-1));
    V y = fma(e.scale, e.p, e.scale - broadcast(T(0.5)));
    y = y + y;
    return x > broadcast(K::kHighest) ? broadcast(T(INFINITY)) : y;
}

template <class T, class V = typename Simd<T>::V>
GW_INLINE V vsigmoid(V x) {
    const V lowest = broadcast(ExpConstants<T>::kLowest);
    const SplitExp<T> e = split_exp<T>(at_least(lowest, -at_least(lowest, x)), exponent_maker<T>());
    const V one = broadcast(T(1));
    const V y = quotient(one, fma(e.scale, e.p, one + e.scale));
    return x < lowest ? V{} : y;
}

// With e = exp(-2 |x|): (1 - e) / (1 + e), and where that is above a half the more exact 1 - 2 e / (1 + e).
template <class T, class V = typename Simd<T>::V>
GW_INLINE V vtanh(V x) {
    using I = typename Simd<T>::I;
    const I sign = (I)broadcast(T(-0.0));
    const V size = (V)((I)x & ~sign), one = broadcast(T(1));
    const V low = (V)((size <= broadcast(T(0.55))) & (I)one);  // 1 there, otherwise 0
    const SplitExp<T> e = split_exp<T>(
        at_least(broadcast(-ExpConstants<T>::kTanhEnd), size * broadcast(T(-2))), exponent_maker<T>());
    const V n = fma(e.scale, e.p, e.scale - low);  // e, or e - 1
    const V q = quotient(n, n + (low + one));
    const V y = (V)((I)fma(low - broadcast(T(2)), q, one - low) | ((I)x & sign));
    // The steps of a quotient by AVX-512 may fall below the normal numbers where it does not.
    if (GATEWISE_LEVEL == 2 && sizeof(T) == 4) return size < broadcast(T(1e-4)) ? x : y;
    return y;
}

// The library's function on each lane; for what is rare in recurrent networks.
template <class T, class F, class V = typename Simd<T>::V>
GW_INLINE V each_lane(V v, F f) {
    for (int i = 0; i < Simd<T>::kLanes; ++i) v[i] = f(v[i]);
    return v;
}

GW_INLINE float log1p_of(float x) { return ::log1pf(x); }
GW_INLINE double log1p_of(double x) { return ::log1p(x); }
GW_INLINE float erfc_of(float x) { return ::erfcf(x); }
GW_INLINE double erfc_of(double x) { return ::erfc(x); }

// log(1 + exp(x))
template <class T, class V = typename Simd<T>::V>
GW_INLINE V vsoftplus(V x) {
    const V tail = each_lane<T>(vexp<T>(-absolute(x)), [](T e) { return log1p_of(e); });
    return at_least(V{}, x) + tail;
}

// tanh(softplus(x)) = n / (n + 2) with n = e (e + 2), e = exp(x); 1 where e^2 would overflow.
template <class T, class V = typename Simd<T>::V>
GW_INLINE V tanh_softplus(V x) {
    const V e = vexp<T>(at_most(broadcast(ExpConstants<T>::kTanhEnd), x));
    const V n = e * (e + broadcast(T(2)));
    return n / (n + broadcast(T(2)));
}

template <class T, class V = typename Simd<T>::V>
GW_INLINE V normal_cdf(V x) {
    return broadcast(T(0.5)) *
           each_lane<T>(x * broadcast(T(-0.70710678118654752440)), [](T u) { return erfc_of(u); });
}

template <class T, class V = typename Simd<T>::V>
GW_INLINE V clip(V x, T low, T high) {
    return at_most(broadcast(high), at_least(broadcast(low), x));
}

template <class T>
struct Selu {
    static constexpr T kScale = T(1.0507009873554804934), kAlpha = T(1.6732632423543772849);
};

// sqrt(2/pi) (x + 0.044715 x^3), the argument of tanh in the approximate gelu.
template <class T, class V = typename Simd<T>::V>
GW_INLINE V gelu_argument(V x) {
    return broadcast(T(0.79788456080286535588)) * x * fma(x * x, broadcast(T(0.044715)), broadcast(T(1)));
}

template <class T, class V = typename Simd<T>::V>
__attribute__((noinline)) static V activate_rare(Activation a, V x) {
    const V zero = V{}, one = broadcast(T(1)), half = broadcast(T(0.5));
    switch (a) {
        case Activation::relu:
            return at_least(zero, x);
        case Activation::relu6:
            return clip<T>(x, 0, 6);
        case Activation::leaky_relu:
            return x < zero ? x * broadcast(T(0.2)) : x;
        case Activation::elu:
        case Activation::celu:
            return x > zero ? x : vexpm1<T>(x);
        case Activation::selu:
            return broadcast(Selu<T>::kScale) * (x > zero ? x : broadcast(Selu<T>::kAlpha) * vexpm1<T>(x));
        case Activation::gelu:
            return x * normal_cdf<T>(x);
        case Activation::gelu_approximate:
            return half * x * (one + vtanh<T>(gelu_argument<T>(x)));
        case Activation::softplus:
            return vsoftplus<T>(x);
        case Activation::softsign:
            return x / (one + absolute(x));
        case Activation::silu:
            return x * vsigmoid<T>(x);
        case Activation::hard_sigmoid:
            return clip<T>(x / broadcast(T(6)) + half, 0, 1);
        case Activation::hard_sigmoid_keras2:
            return clip<T>(x * broadcast(T(0.2)) + half, 0, 1);
        case Activation::hard_silu:
            return x * clip<T>(x / broadcast(T(6)) + half, 0, 1);
        case Activation::hard_tanh:
            return clip<T>(x, -1, 1);
        case Activation::mish:
            return x * tanh_softplus<T>(x);
        case Activation::log_sigmoid:
            return -vsoftplus<T>(-x);
        case Activation::squareplus: {  // (x + root) / 2, or 2 / (root - x), whichever adds
            const V sum = absolute(x) + square_root(fma(x, x, broadcast(T(4))));
            return x < zero ? broadcast(T(2)) / sum : half * sum;
        }
        case Activation::exponential:
            return vexp<T>(x);
        case Activation::tanh_shrink:
            return x - vtanh<T>(x);
        case Activation::soft_shrink:
            return x > half ? x - half : (x < -half ? x + half : x != x ? x : zero);
        case Activation::hard_shrink:
            return absolute(x) <= half ? zero : x;
        case Activation::sparse_plus: {
            const V middle = broadcast(T(0.25)) * (x + one) * (x + one);
            return x <= -one ? zero : (x < one ? middle : x);
        }
        case Activation::sparse_sigmoid:
            return clip<T>(half * (x + one), 0, 1);
        default:
            return x;
    }
}

// y = a(x)
template <class T, class V = typename Simd<T>::V>
GW_INLINE V activate(Activation a, V x) {
    if (a == Activation::sigmoid) return vsigmoid<T>(x);
    if (a == Activation::tanh) return vtanh<T>(x);
    if (a == Activation::linear) return x;
    return activate_rare<T>(a, x);
}

// d/dx of x times a function g, given g(x) and g'(x).
template <class V>
GW_INLINE V product_rule(V x, V g, V slope) {
    return fma(x, slope, g);
}

template <class T, class V = typename Simd<T>::V>
__attribute__((noinline)) static V derivative_rare(Activation a, V y, V x) {
    const V zero = V{}, one = broadcast(T(1)), half = broadcast(T(0.5));
    const V sixth = broadcast(T(1) / T(6));
    switch (a) {
        case Activation::relu:
            return y > zero ? one : zero;
        case Activation::relu6:
            return y > zero ? (y < broadcast(T(6)) ? one : zero) : zero;
        case Activation::leaky_relu:
            return y > zero ? one : broadcast(T(0.2));
        case Activation::elu:
        case Activation::celu:
            return y > zero ? one : y + one;
        case Activation::selu: {
            const V scale = broadcast(Selu<T>::kScale);
            return y > zero ? scale : fma(scale, broadcast(Selu<T>::kAlpha), y);
        }
        case Activation::gelu: {
            const V density = broadcast(T(0.39894228040143267794)) * vexp<T>(-half * x * x);
            return product_rule(x, normal_cdf<T>(x), density);
        }
        case Activation::gelu_approximate: {
            const V t = vtanh<T>(gelu_argument<T>(x));
            const V inner =
                fma(x * x, broadcast(T(3 * 0.044715)), one) * broadcast(T(0.79788456080286535588));
            return half * product_rule(x, one + t, (one - t * t) * inner);
        }
        case Activation::softplus:
            return -vexpm1<T>(-y);
        case Activation::softsign:
            return (one - absolute(y)) * (one - absolute(y));
        case Activation::silu: {
            const V s = vsigmoid<T>(x);
            return product_rule(x, s, s * (one - s));
        }
        case Activation::hard_sigmoid:
            return y > zero ? (y < one ? sixth : zero) : zero;
        case Activation::hard_sigmoid_keras2:
            return y > zero ? (y < one ? broadcast(T(0.2)) : zero) : zero;
        case Activation::hard_silu: {
            const V g = clip<T>(x * sixth + half, 0, 1);
            return product_rule(x, g, g > zero ? (g < one ? sixth : zero) : zero);
        }
        case Activation::hard_tanh:
            return absolute(y) < one ? one : zero;
        case Activation::mish: {
            const V t = tanh_softplus<T>(x);
            return product_rule(x, t, (one - t * t) * vsigmoid<T>(x));
        }
        case Activation::log_sigmoid:
            return -vexpm1<T>(y);
        case Activation::squareplus:
            return y * y / fma(y, y, one);
        case Activation::exponential:
            return y;
        case Activation::tanh_shrink: {
            const V t = vtanh<T>(x);
            return t * t;
        }
        case Activation::soft_shrink:
        case Activation::hard_shrink:
            return y == zero ? zero : one;
        case Activation::sparse_plus:
            return at_most(one, square_root(y));
        case Activation::sparse_sigmoid:
            return y > zero ? (y < one ? half : zero) : zero;
        default:
            return one;
    }
}

// a'(x), from y = a(x) alone unless derivative_needs_input(a).
template <class T, class V = typename Simd<T>::V>
GW_INLINE V derivative(Activation a, V y, V x) {
    if (a == Activation::sigmoid) return y * (broadcast(T(1)) - y);
    if (a == Activation::tanh) return fma(-y, y, broadcast(T(1)));
    return derivative_rare<T>(a, y, x);
}

}  // namespace GATEWISE_ISA
}  // namespace gatewise
