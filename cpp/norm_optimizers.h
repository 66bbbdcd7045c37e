// Optimizer steps that look at a whole variable: its norm, its rows and columns.
//
// The idea: every sum is over one variable, in float64, in an order that does not depend on the number of
// threads (see `sum_of`); between the sums are the same element-by-element passes as in optimizers.h.
#pragma once

#include "normal.h"
#include "optimizers.h"

namespace gatewise {
namespace GATEWISE_ISA {

// state: [m, v]; more: 1 - beta1^t, 1 - beta2^t. The step has the length of w, times the rate.
template <class T>
static void lamb(const Optimizer<T>& o) {
    using V = typename Simd<T>::V;
    const V rest1 = broadcast(T(1 - o.decay1)), rest2 = broadcast(T(1 - o.decay2));
    const T grown1 = T(o.more[0]), grown2 = T(o.more[1]), epsilon = T(o.epsilon);
    const T *m_ = o.state[0], *v_ = o.state[1];
    update<T>(o, [&](V&, V g, V& m, V& v, V&) {
        m = m + (g - m) * rest1;
        v = v + (g * g - v) * rest2;
    });
    const double length = __builtin_sqrt(sum_of_squares(o.w, o.size));
    const double step_length = __builtin_sqrt(sum_of(o.size, [=](Index i) {
        const double step = m_[i] / grown1 / (root_of(v_[i] / grown2) + epsilon);
        return step * step;
    }));
    const double ratio = length > 0 && step_length > 0 ? length / step_length : 1;
    const V rate = broadcast(T(ratio * o.rate)), wide1 = broadcast(grown1), wide2 = broadcast(grown2);
    const V wide_epsilon = broadcast(epsilon);
    update<T>(o, [&](V& w, V, V& m, V& v, V&) {
        w = w - rate * (m / wide1 / (square_root(v / wide2) + wide_epsilon));
    });
}

// Calls f(i) for i in [0, count), in parallel where `elements` in all are many.
template <class F>
static void each(Index count, Index elements, F& f) {
    Team team(threads_for(kFlopsOfAnElement * elements));
    auto part = [&](int member) {
        const Range mine = share(count, member, team.size());
        for (Index i = mine.begin; i < mine.end; ++i) f(i);
    };
    run_team(team, part);
}

// Running means of g^2 + epsilon1 over each row.
template <class T>
static void adafactor_rows(const Adafactor<T>& a) {
    auto row = [&](Index i) {
        const T* g = a.g + i * a.columns;
        double sum = 0;
        for (Index j = 0; j < a.columns; ++j) sum += (double)g[j] * (double)g[j] + a.epsilon1;
        a.r[i] = T(a.decay * a.r[i] + (1 - a.decay) * (sum / a.columns));
    };
    each(a.stacked * a.rows, a.stacked * a.rows * a.columns, row);
}

// Running means of g^2 + epsilon1 over each column, some columns at a time.
template <class T>
static void adafactor_columns(const Adafactor<T>& a) {
    constexpr Index kTogether = 64;
    const Index strips = ceil_div(a.columns, kTogether);
    auto strip = [&](Index k) {
        const Index first = k % strips * kTogether, count = min_of(kTogether, a.columns - first);
        const T* g = a.g + k / strips * a.rows * a.columns + first;
        T* c = a.c + k / strips * a.columns + first;
        double sums[kTogether] = {};
        for (Index i = 0; i < a.rows; ++i, g += a.columns)
            for (Index j = 0; j < count; ++j) sums[j] += (double)g[j] * (double)g[j] + a.epsilon1;
        for (Index j = 0; j < count; ++j) c[j] = T(a.decay * c[j] + (1 - a.decay) * (sums[j] / a.rows));
    };
    each(a.stacked * strips, a.stacked * a.rows * a.columns, strip);
}

// v, the product of the rows' and the columns' means.
template <class T>
static void adafactor_products(const Adafactor<T>& a) {
    Workspace workspace;
    double* means = (double*)workspace.take(sizeof(double) * (a.stacked + 1));
    for (Index s = 0; s < a.stacked; ++s) {
        double sum = 0;
        for (Index i = 0; i < a.rows; ++i) sum += a.r[s * a.rows + i];
        means[s] = sum / a.rows;
    }
    auto row = [&](Index i) {
        const T share_of_row = T(a.r[i] / means[i / a.rows]), *c = a.c + i / a.rows * a.columns;
        T* v = a.v + i * a.columns;
        for (Index j = 0; j < a.columns; ++j) v[j] = share_of_row * c[j];
    };
    each(a.stacked * a.rows, a.stacked * a.rows * a.columns, row);
}

template <class T>
static void adafactor(const Adafactor<T>& a) {
    using V = typename Simd<T>::V;
    const Index size = a.stacked * a.rows * a.columns;
    if (size == 0) return;
    const double length = __builtin_sqrt(sum_of_squares(a.w, size) / size);
    Optimizer<T> flat = {};
    flat.size = size, flat.w = a.w, flat.g = a.g, flat.state[0] = a.v;
    if (a.r) {
        adafactor_rows(a);
        adafactor_columns(a);
        adafactor_products(a);
    } else {
        const V decay = broadcast(T(a.decay)), rest = broadcast(T(1 - a.decay)),
                epsilon = broadcast(T(a.epsilon1));
        update<T>(flat, [&](V&, V g, V& v, V&, V&) { v = decay * v + rest * (g * g + epsilon); });
    }
    const double squares = sum_of(size, [&](Index i) {
        const double step = a.g[i] / root_of(a.v[i]);
        return step * step;
    });
    const double step_length = __builtin_sqrt(squares / size);
    const double excess = step_length / a.threshold;
    const double least = length > a.epsilon2 ? length : a.epsilon2;
    const V rate = broadcast(T(least * a.rho / (excess > 1 ? excess : 1)));
    update<T>(flat, [&](V& w, V g, V& v, V&, V&) { w = w - rate * (g / square_root(v)); });
}

}  // namespace GATEWISE_ISA
}  // namespace gatewise
