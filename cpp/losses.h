// Losses with their slopes, softmax, and sums of columns.
//
// The idea: a loss is a sum over elements (or rows) of a value, and its gradient needs what the value needed;
// so one pass makes both. Values are computed in the arrays' own type and added up in double, in the order in
// which they lie in memory, so that a sum does not depend on how vectors or threads divide the work.
#pragma once

#include "activations.h"
#include "memory.h"

namespace gatewise {
namespace GATEWISE_ISA {

GW_INLINE float log_of(float x) { return ::logf(x); }
GW_INLINE double log_of(double x) { return ::log(x); }
GW_INLINE float exp_of(float x) { return ::expf(x); }
GW_INLINE double exp_of(double x) { return ::exp(x); }
template <class T>
GW_INLINE T size_of(T x) {
    return x < 0 ? -x : x;
}

// p kept between `low` and 1 - low, so that its logarithms are finite; NaN stays NaN.
template <class T>
GW_INLINE T within(T p, T low) {
    return p < low ? low : p > 1 - low ? 1 - low : p;
}

// y = exp(x - max(x)) for a row; returns the sum. `highest` is the maximum.
template <class T>
static double exponentials(const T* x, T* y, Index columns, T& highest) {
    constexpr int L = Simd<T>::kLanes;
    highest = x[0];
    for (Index k = 1; k < columns; ++k) highest = x[k] > highest ? x[k] : highest;
    for (Index k = 0; k < columns; k += L)
        store_first(y + k, vexp<T>(load_first(x + k, columns - k) - broadcast(highest)), columns - k);
    double sum = 0;
    for (Index k = 0; k < columns; ++k) sum += y[k];
    return sum;
}

template <class T>
static void softmax_forward(const T* x, T* y, Index rows, Index columns) {
    for (Index r = 0; r < rows; ++r, x += columns, y += columns) {
        T highest;
        const T scale = T(exponentials(x, y, columns, highest));
        for (Index k = 0; k < columns; ++k) y[k] /= scale;
    }
}

// dx = y (dy - sum(dy y)); dx may be dy.
template <class T>
static void softmax_backward(const T* dy, const T* y, T* dx, Index rows, Index columns) {
    for (Index r = 0; r < rows; ++r, dy += columns, y += columns, dx += columns) {
        double sum = 0;
        for (Index k = 0; k < columns; ++k) sum += dy[k] * y[k];
        const T along = T(sum);
        for (Index k = 0; k < columns; ++k) dx[k] = y[k] * (dy[k] - along);
    }
}

template <class T>
static void column_sums(const T* x, T* sums, Index rows, Index columns) {
    Workspace workspace;
    double* total = static_cast<double*>(workspace.take(sizeof(double) * columns));
    for (Index k = 0; k < columns; ++k) total[k] = 0;
    for (Index r = 0; r < rows; ++r, x += columns)
        for (Index k = 0; k < columns; ++k) total[k] += x[k];
    for (Index k = 0; k < columns; ++k) sums[k] = T(total[k]);
}

// The sum of value(truth, predicted, slope), which sets the element's slope, over all elements.
template <class T, class Value>
static double sum_of_elements(const Scored<T>& s, const Value& value) {
    const Index size = s.rows * s.columns;
    double sum = 0;
    for (Index k = 0; k < size; ++k) {
        T slope;
        sum += value(s.truth[k], s.predicted[k], slope);
        if (s.slope) s.slope[k] = slope;
    }
    return sum;
}

template <class T>
static double squared_error(const Scored<T>& s) {
    const T twice = T(2 * (1 / s.divisor));
    return sum_of_elements(s, [=](T truth, T predicted, T& slope) {
        const T difference = predicted - truth;
        slope = difference * twice;
        return difference * difference;
    });
}

template <class T>
static double absolute_error(const Scored<T>& s) {
    const T once = T(1 / s.divisor);
    return sum_of_elements(s, [=](T truth, T predicted, T& slope) {
        const T difference = predicted - truth;
        slope = difference > 0 ? once : difference < 0 ? -once : difference;
        return size_of(difference);
    });
}

template <class T>
static double huber(const Scored<T>& s) {
    const T once = T(1 / s.divisor), delta = T(s.option), half_square = T(0.5 * s.option * s.option);
    return sum_of_elements(s, [=](T truth, T predicted, T& slope) {
        const T difference = predicted - truth, size = size_of(difference);
        slope = (difference > delta ? delta : difference < -delta ? -delta : difference) * once;
        return size <= delta ? T(0.5) * difference * difference : delta * size - half_square;
    });
}

template <class T>
static double binary_crossentropy(const Scored<T>& s) {
    const T once = T(1 / s.divisor), low = T(s.epsilon);
    const T kept = T(1 - s.option), moved = T(0.5 * s.option);
    return sum_of_elements(s, [=](T truth, T predicted, T& slope) {
        const T t = s.option != 0 ? truth * kept + moved : truth;
        const T p = within(predicted, low), other = 1 - p;
        slope = p == predicted ? (p - t) / (p * other) * once : T(0);
        return -(t * log_of(p) + (1 - t) * log_of(other));
    });
}

template <class T>
static double binary_crossentropy_of_logits(const Scored<T>& s) {
    const T once = T(1 / s.divisor), kept = T(1 - s.option), moved = T(0.5 * s.option);
    return sum_of_elements(s, [=](T truth, T x, T& slope) {
        const T t = s.option != 0 ? truth * kept + moved : truth;
        const T decay = exp_of(-size_of(x));
        slope = ((x >= 0 ? T(1) : decay) / (1 + decay) - t) * once;
        return (x < 0 ? T(0) : x) - x * t + log1p_of(decay);
    });
}

// Truths (rows, columns) along which probabilities are given; smoothing spreads some of each over all.
template <class T>
static double categorical_crossentropy(const Scored<T>& s) {
    const T once = T(1 / s.divisor), low = T(s.epsilon);
    const T kept = T(1 - s.option), moved = T(s.option / s.columns);
    const T *truth = s.truth, *given = s.predicted;
    T* slope = s.slope;
    double sum = 0;
    for (Index r = 0; r < s.rows; ++r, truth += s.columns, given += s.columns) {
        double all = 0, value = 0, along = 0;
        for (Index k = 0; k < s.columns; ++k) all += given[k];
        const T total = T(all);
        for (Index k = 0; k < s.columns; ++k) {
            const T t = s.option != 0 ? truth[k] * kept + moved : truth[k];
            const T q = given[k] / total, p = within(q, low);
            value -= t == 0 ? 0 * p : t * log_of(p);
            if (!slope) continue;
            slope[k] = p == q ? -t / p * once : T(0);
            along += slope[k] * q;
        }
        sum += T(value);
        if (!slope) continue;
        const T mean = T(along);
        for (Index k = 0; k < s.columns; ++k) slope[k] = (slope[k] - mean) / total;
        slope += s.columns;
    }
    return sum;
}

template <class T>
static double categorical_crossentropy_of_logits(const Scored<T>& s) {
    Workspace workspace;
    T* powers = static_cast<T*>(workspace.take(sizeof(T) * s.columns));
    const T once = T(1 / s.divisor), kept = T(1 - s.option), moved = T(s.option / s.columns);
    const T *truth = s.truth, *given = s.predicted;
    T* slope = s.slope;
    double sum = 0;
    for (Index r = 0; r < s.rows; ++r, truth += s.columns, given += s.columns) {
        T highest;
        const T total = T(exponentials(given, powers, s.columns, highest)), log_total = log_of(total);
        double value = 0, mass = 0;
        for (Index k = 0; k < s.columns; ++k) {
            const T t = s.option != 0 ? truth[k] * kept + moved : truth[k];
            mass += t;
            value -= t * (given[k] - highest - log_total);
        }
        sum += T(value);
        if (!slope) continue;
        for (Index k = 0; k < s.columns; ++k) {
            const T t = s.option != 0 ? truth[k] * kept + moved : truth[k];
            slope[k] = (powers[k] / total * T(mass) - t) * once;
        }
        slope += s.columns;
    }
    return sum;
}

template <class T>
static double sparse_crossentropy(const Scored<T>& s) {
    const T once = T(1 / s.divisor), low = T(s.epsilon);
    const T* given = s.predicted;
    T* slope = s.slope;
    double sum = 0;
    for (Index r = 0; r < s.rows; ++r, given += s.columns) {
        const Index truth = s.classes[r];
        double all = 0;
        for (Index k = 0; k < s.columns; ++k) all += within(given[k], low);
        const T total = T(all), p = within(given[truth], low);
        sum += log_of(total / p);
        if (!slope) continue;
        const T even = 1 / total;
        for (Index k = 0; k < s.columns; ++k) {
            const T own = k == truth ? even - 1 / p : even;
            slope[k] = within(given[k], low) == given[k] ? own * once : T(0);
        }
        slope += s.columns;
    }
    return sum;
}

template <class T>
static double sparse_crossentropy_of_logits(const Scored<T>& s) {
    Workspace workspace;
    T* powers = static_cast<T*>(workspace.take(sizeof(T) * s.columns));
    const T once = T(1 / s.divisor);
    const T* given = s.predicted;
    T* slope = s.slope;
    double sum = 0;
    for (Index r = 0; r < s.rows; ++r, given += s.columns) {
        T highest;
        const T total = T(exponentials(given, powers, s.columns, highest));
        sum += log_of(total) - (given[s.classes[r]] - highest);
        if (!slope) continue;
        for (Index k = 0; k < s.columns; ++k) slope[k] = (powers[k] / total - T(k == s.classes[r])) * once;
        slope += s.columns;
    }
    return sum;
}

template <class T>
static double score(const Scored<T>& s) {
    switch (s.kind) {
        case Score::squared_error:
            return squared_error(s);
        case Score::absolute_error:
            return absolute_error(s);
        case Score::huber:
            return huber(s);
        case Score::binary_crossentropy:
            return binary_crossentropy(s);
        case Score::binary_crossentropy_of_logits:
            return binary_crossentropy_of_logits(s);
        case Score::categorical_crossentropy:
            return categorical_crossentropy(s);
        case Score::categorical_crossentropy_of_logits:
            return categorical_crossentropy_of_logits(s);
        case Score::sparse_crossentropy:
            return sparse_crossentropy(s);
        default:
            return sparse_crossentropy_of_logits(s);
    }
}

}  // namespace GATEWISE_ISA
}  // namespace gatewise
