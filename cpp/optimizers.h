// Optimizer steps over flat arrays, one pass each.
//
// The idea: an optimizer is a functor that updates one vector of weights from its gradients and state;
// `sweep` runs it over the arrays, in parallel where they are long. Formulas and their order are Keras 3's.
#pragma once

#include "gemm.h"
#include "simd.h"

namespace gatewise {
namespace GATEWISE_ISA {

constexpr Index kSweepBlock = 4096;
constexpr double kFlopsOfAnElement = 30;

// Calls f(begin, end) over [0, size) in blocks whose borders do not depend on the number of threads.
template <class F>
static void sweep(Index size, F& f) {
    const Index blocks = ceil_div(size, kSweepBlock);
    Team team(threads_for(kFlopsOfAnElement * size));
    auto part = [&](int member) {
        const Range mine = share(blocks, member, team.size());
        for (Index b = mine.begin; b < mine.end; ++b) f(b * kSweepBlock, min_of((b + 1) * kSweepBlock, size));
    };
    run_team(team, part);
}

// Element-by-element updates: step(w, g, s0, s1, s2) changes a vector of w and of up to three states.
// Gradients are scaled and limited, weights decay, on the way in, so that each of the arrays is read once.
template <class T, class Step>
static void update(const Optimizer<T>& o, const Step& step) {
    constexpr int L = Simd<T>::kLanes;
    using V = typename Simd<T>::V;
    const bool scaled = o.scale != 1, limited = o.limit > 0, decays = o.keep != 1;
    const V scale = broadcast(T(o.scale)), limit = broadcast(T(o.limit)), keep = broadcast(T(o.keep));
    auto block = [&](Index begin, Index end) {
        for (Index i = begin; i < end; i += L) {
            const Index some = end - i;
            V w = load_first(o.w + i, some), s[3] = {};
            V g = load_first(o.g + i, some);
            if (scaled) g = g * scale;
            if (limited) g = at_most(limit, at_least(-limit, g));  // NaN stays
            if (decays) w = w * keep;
            for (int k = 0; k < 3; ++k)
                if (o.state[k]) s[k] = load_first(o.state[k] + i, some);
            step(w, g, s[0], s[1], s[2]);
            store_first(o.w + i, w, some);
            for (int k = 0; k < 3; ++k)
                if (o.state[k]) store_first(o.state[k] + i, s[k], some);
        }
    };
    sweep(o.size, block);
}

// state: [momentum buffer, -, -]; decay1: momentum.
template <class T>
static void sgd(const Optimizer<T>& o) {
    using V = typename Simd<T>::V;
    const V rate = broadcast(T(o.rate)), momentum = broadcast(T(o.decay1));
    if (!o.state[0]) return update<T>(o, [&](V& w, V g, V&, V&, V&) { w = w - g * rate; });
    if (!o.nesterov)
        return update<T>(o, [&](V& w, V g, V& m, V&, V&) {
            m = m * momentum - g * rate;
            w = w + m;
        });
    update<T>(o, [&](V& w, V g, V& m, V&, V&) {
        m = m * momentum - g * rate;
        w = w + (m * momentum - g * rate);
    });
}

// state: [mean square, momentum buffer, mean (centered)]; decay1: rho, decay2: momentum.
template <class T>
static void rmsprop(const Optimizer<T>& o) {
    using V = typename Simd<T>::V;
    const V rate = broadcast(T(o.rate)), rho = broadcast(T(o.decay1)), rest = broadcast(T(1 - o.decay1));
    const V momentum = broadcast(T(o.decay2)), epsilon = broadcast(T(o.epsilon));
    const bool centered = o.state[2], moving = o.state[1];
    update<T>(o, [&](V& w, V g, V& square, V& m, V& mean) {
        square = rho * square + rest * (g * g);
        V under = square + epsilon;
        if (centered) {
            mean = rho * mean + rest * g;
            under = square - mean * mean + epsilon;
        }
        const V step = rate * g / square_root(under);
        m = moving ? momentum * m + step : step;
        w = w - m;
    });
}

// state: [m, v, largest v (amsgrad)]; rate: lr sqrt(1 - beta2^t) / (1 - beta1^t).
template <class T>
static void adam(const Optimizer<T>& o) {
    using V = typename Simd<T>::V;
    const V rate = broadcast(T(o.rate)), rest1 = broadcast(T(1 - o.decay1)),
            rest2 = broadcast(T(1 - o.decay2));
    const V epsilon = broadcast(T(o.epsilon));
    const bool amsgrad = o.state[2];
    update<T>(o, [&](V& w, V g, V& m, V& v, V& largest) {
        m = m + (g - m) * rest1;
        v = v + (g * g - v) * rest2;
        if (amsgrad) largest = largest < v ? v : largest;
        w = w - m * rate / (square_root(amsgrad ? largest : v) + epsilon);
    });
}

// state: [sum of squares].
template <class T>
static void adagrad(const Optimizer<T>& o) {
    using V = typename Simd<T>::V;
    const V rate = broadcast(T(o.rate)), epsilon = broadcast(T(o.epsilon));
    update<T>(o, [&](V& w, V g, V& sum, V&, V&) {
        sum = sum + g * g;
        w = w - rate * g / square_root(sum + epsilon);
    });
}

// state: [mean square of g, mean square of the steps]; decay1: rho.
template <class T>
static void adadelta(const Optimizer<T>& o) {
    using V = typename Simd<T>::V;
    const V rate = broadcast(T(o.rate)), rho = broadcast(T(o.decay1)), rest = broadcast(T(1 - o.decay1));
    const V epsilon = broadcast(T(o.epsilon));
    update<T>(o, [&](V& w, V g, V& square, V& steps, V&) {
        square = rho * square + rest * (g * g);
        const V step = square_root(steps + epsilon) * g / square_root(square + epsilon);
        steps = rho * steps + rest * (step * step);
        w = w - rate * step;
    });
}

// state: [m, u]; rate: lr / (1 - beta1^t).
template <class T>
static void adamax(const Optimizer<T>& o) {
    using V = typename Simd<T>::V;
    const V rate = broadcast(T(o.rate)), rest = broadcast(T(1 - o.decay1)), beta2 = broadcast(T(o.decay2));
    const V epsilon = broadcast(T(o.epsilon));
    update<T>(o, [&](V& w, V g, V& m, V& u, V&) {
        m = m + (g - m) * rest;
        u = at_least(beta2 * u, absolute(g));
        w = w - rate * m / (u + epsilon);
    });
}

// state: [m, v]; rate: what m counts in the step, more[0]: what g counts, more[1]: 1 - beta2^t.
template <class T>
static void nadam(const Optimizer<T>& o) {
    using V = typename Simd<T>::V;
    const V of_m = broadcast(T(o.rate)), of_g = broadcast(T(o.more[0])), grown = broadcast(T(o.more[1]));
    const V rest1 = broadcast(T(1) - T(o.decay1)), rest2 = broadcast(T(1) - T(o.decay2));
    const V epsilon = broadcast(T(o.epsilon));
    update<T>(o, [&](V& w, V g, V& m, V& v, V&) {
        m = m + (g - m) * rest1;
        v = v + (g * g - v) * rest2;
        w = w - (of_m * m + of_g * g) / (square_root(v / grown) + epsilon);
    });
}

// x^exponent by lanes; the usual exponent of Ftrl is a root.
GW_INLINE F32 power(F32 x, double exponent) {
    if (exponent == 0.5) return square_root(x);
    for (int i = 0; i < Simd<float>::kLanes; ++i) x[i] = __builtin_powf(x[i], (float)exponent);
    return x;
}
GW_INLINE F64 power(F64 x, double exponent) {
    if (exponent == 0.5) return square_root(x);
    for (int i = 0; i < Simd<double>::kLanes; ++i) x[i] = __builtin_pow(x[i], exponent);
    return x;
}

// state: [sum of squares, linear]; decay1: minus the rate's power, more: l1, l2 (with beta / 2 lr),
// shrinkage.
template <class T>
static void ftrl(const Optimizer<T>& o) {
    using V = typename Simd<T>::V;
    const V rate = broadcast(T(o.rate)), l1 = broadcast(T(o.more[0])), twice_l2 = broadcast(T(2 * o.more[1]));
    const V twice_shrinkage = broadcast(T(2 * o.more[2]));
    update<T>(o, [&](V& w, V g, V& sum, V& linear, V&) {
        const V grown = sum + g * g, root = power(grown, o.decay1);
        linear = linear + (g + twice_shrinkage * w - (root - power(sum, o.decay1)) / rate * w);
        w = (at_most(l1, at_least(-l1, linear)) - linear) / (root / rate + twice_l2);
        sum = grown;
    });
}

// state: [m].
template <class T>
static void lion(const Optimizer<T>& o) {
    using V = typename Simd<T>::V;
    const V rate = broadcast(T(o.rate)), beta1 = broadcast(T(o.decay1)), beta2 = broadcast(T(o.decay2));
    const V one = broadcast(T(1)), zero = {};
    update<T>(o, [&](V& w, V g, V& m, V&, V&) {
        const V d = m * beta1 + g * (one - beta1);
        w = w - rate * (d > zero ? one : d < zero ? -one : d);  // d: zero, or not a number
        m = m * beta2 + g * (one - beta2);
    });
}

// state: [z, v]; more[0]: 1 / t, more[1]: 1 - beta2^t.
template <class T>
static void schedule_free_adamw(const Optimizer<T>& o) {
    using V = typename Simd<T>::V;
    const V rate = broadcast(T(o.rate)), beta1 = broadcast(T(o.decay1)), one = broadcast(T(1));
    const V rest1 = one - beta1, rest2 = broadcast(T(1) - T(o.decay2)), epsilon = broadcast(T(o.epsilon));
    const V part = broadcast(T(o.more[0])), grown = broadcast(T(o.more[1]));
    update<T>(o, [&](V& w, V g, V& z, V& v, V&) {
        v = v + (g * g - v) * rest2;
        z = z - rate * g / (square_root(v / grown) + epsilon);
        const V x = (w - rest1 * z) / beta1;
        w = rest1 * z + beta1 * ((one - part) * x + part * z);
    });
}

// w: a moving average, of which decay1 stays; g: what is averaged.
template <class T>
static void average(const Optimizer<T>& o) {
    using V = typename Simd<T>::V;
    const V momentum = broadcast(T(o.decay1)), rest = broadcast(T(1 - o.decay1));
    update<T>(o, [&](V& w, V g, V&, V&, V&) { w = w * momentum + g * rest; });
}

// The sum of term(i) in float64: blocks are summed one by one, then their sums in order.
template <class F>
static double sum_of(Index size, const F& term) {
    Workspace workspace;
    double* sums = (double*)workspace.take(sizeof(double) * (ceil_div(size, kSweepBlock) + 1));
    auto block = [&](Index begin, Index end) {
        double lanes[8] = {};
        Index i = begin;
        for (; i + 8 <= end; i += 8)
            for (int k = 0; k < 8; ++k) lanes[k] += term(i + k);
        for (; i < end; ++i) lanes[0] += term(i);
        sums[begin / kSweepBlock] =
            ((lanes[0] + lanes[4]) + (lanes[1] + lanes[5])) + ((lanes[2] + lanes[6]) + (lanes[3] + lanes[7]));
    };
    sweep(size, block);
    double total = 0;
    for (Index b = 0; b < ceil_div(size, kSweepBlock); ++b) total += sums[b];
    return total;
}

template <class T>
static double sum_of_squares(const T* g, Index size) {
    return sum_of(size, [g](Index i) { return (double)g[i] * (double)g[i]; });
}

}  // namespace GATEWISE_ISA
}  // namespace gatewise
