// Targets beside predictions: which shapes and types go together, and the losses and accuracies of them.
//
// The idea: a model that is trained by one native call and one that is trained layer by layer get the same
// loss from the same function. What does not fit (a broadcast, another type, a class that there is no
// prediction for) is left to the general way, which handles it or says what is wrong: `fits` is false then.
#pragma once

#include <iterator>
#include <string>

#include "bindings.h"
#include "memory.h"

namespace gatewise {

// How a loss or an accuracy is called; what its targets are; which kernel computes it.
struct ScoreFacts {
    const char* name;
    bool of_classes;  // targets are integers, one for a row of predictions
    bool is_accuracy;
    bool by_element;  // a value for each element, else one for each row
};
constexpr ScoreFacts kScores[] = {
    {"squared_error", false, false, true},
    {"absolute_error", false, false, true},
    {"huber", false, false, true},
    {"binary_crossentropy", false, false, true},
    {"binary_crossentropy_of_logits", false, false, true},
    {"categorical_crossentropy", false, false, false},
    {"categorical_crossentropy_of_logits", false, false, false},
    {"sparse_crossentropy", true, false, false},
    {"sparse_crossentropy_of_logits", true, false, false},
    {"binary_accuracy", false, true, true},
    {"categorical_accuracy", false, true, false},
    {"sparse_accuracy", true, true, false},
};

struct ScoreKind {
    int index = 0;
    double option = 0, epsilon = 0;  // see Scored; the threshold of binary_accuracy

    const ScoreFacts& facts() const { return kScores[index]; }
};

inline ScoreKind read_score(const char* function, const std::string& name, double option, double epsilon) {
    for (int k = 0; k < static_cast<int>(std::size(kScores)); ++k)
        if (name == kScores[k].name) return {k, option, epsilon};
    throw nb::value_error((std::string(function) + ": there is no score '" + name + "'").c_str());
}

// Predictions, contiguous: `rows` of `columns`, the last axis of a shape.
struct Predictions {
    Index rows, columns;
    const Index* shape;
    int rank;
};

inline bool same_sizes(const Index* a, const Index* b, int count) {
    for (int k = 0; k < count; ++k)
        if (a[k] != b[k]) return false;
    return true;
}

// Whether targets have a shape and type that the kernels take beside these predictions of `item` bytes.
inline bool targets_fit(const ScoreKind& kind, const Predictions& p, int item, const Array& y) {
    if (!y || !y.contiguous || p.rank < 1) return false;
    const bool all_but_last = same_sizes(y.shape, p.shape, p.rank - 1 < y.rank ? p.rank - 1 : y.rank);
    const bool has_last = y.rank == p.rank, lacks_last = y.rank == p.rank - 1 && p.rank > 1;
    if (!all_but_last || !(has_last || lacks_last)) return false;
    if (kind.facts().of_classes)
        return p.rank > 1 && (lacks_last || y.shape[y.rank - 1] == 1) &&
               (y.kind == 'f' ? y.item == 4 || y.item == 8 : y.kind == 'i' && (y.item == 4 || y.item == 8));
    if (y.kind != 'f' || y.item != item) return false;
    if (has_last) return y.shape[y.rank - 1] == p.columns;
    return p.columns == 1 && kind.facts().by_element;
}

inline double number_at(const Array& y, Index k) {
    if (y.kind == 'i') return y.item == 4 ? double(y.as<std::int32_t>()[k]) : double(y.as<std::int64_t>()[k]);
    return y.item == 4 ? double(y.as<float>()[k]) : y.as<double>()[k];
}

// Where the largest of some numbers is: the first of equals, the first NaN where there is one.
template <class T>
Index place_of_largest(const T* x, Index count) {
    Index found = 0;
    for (Index k = 0; k < count; ++k) {
        if (x[k] != x[k]) return k;
        if (x[k] > x[found]) found = k;
    }
    return found;
}

// How many elements (or rows) are right.
template <class T>
double hits(const ScoreKind& kind, const Predictions& p, const T* predicted, const Array& y) {
    Index found = 0;
    if (kind.facts().by_element) {
        const T threshold = T(kind.option);
        for (Index k = 0; k < p.rows * p.columns; ++k)
            found += y.as<const T>()[k] == T(predicted[k] > threshold);
        return double(found);
    }
    for (Index r = 0; r < p.rows; ++r) {
        const Index place = place_of_largest(predicted + r * p.columns, p.columns);
        found += kind.facts().of_classes
                     ? number_at(y, r) == double(place)
                     : place_of_largest(y.as<const T>() + r * p.columns, p.columns) == place;
    }
    return double(found);
}

// How many values the score of these predictions adds up.
inline double count_of(const ScoreKind& kind, const Predictions& p) {
    return double(p.rows) * double(kind.facts().by_element ? p.columns : 1);
}

// The classes in targets, in the workspace; null where one is not from 0 to columns - 1.
inline const Index* read_classes(const Predictions& p, const Array& y, Workspace& workspace) {
    auto* classes = static_cast<Index*>(workspace.take(sizeof(Index) * p.rows));
    for (Index r = 0; r < p.rows; ++r) {
        const double given = number_at(y, r);
        if (!(given > -1 && given < double(p.columns))) return nullptr;
        classes[r] = static_cast<Index>(given);
    }
    return classes;
}

// The sum of the values of a loss; where `slope` is given, the gradient of that sum over `divisor`.
template <class T>
bool loss_sum(const ScoreKind& kind, const Predictions& p, const T* predicted, const Array& y, T* slope,
              double divisor, double& sum) {
    Workspace workspace;
    Scored<T> in = {static_cast<Score>(kind.index),
                    p.rows,
                    p.columns,
                    nullptr,
                    nullptr,
                    predicted,
                    slope,
                    kind.option,
                    kind.epsilon,
                    divisor};
    if (!kind.facts().of_classes) in.truth = y.as<const T>();
    else if (!(in.classes = read_classes(p, y, workspace))) return false;
    sum = of<T>(kernels()).score(in);
    return true;
}

}  // namespace gatewise
