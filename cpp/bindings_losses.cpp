// Losses, accuracies, softmax and sums of columns for Python.
#include "memory.h"
#include "scores.h"

namespace gatewise {
namespace {

// Rows of numbers, the last axis of any shape; contiguous.
Array read_rows(const char* function, FloatType& type, const char* name, nb::handle value, int axes) {
    const Array array = read_array(function, name, value);
    check_float(function, type, name, array);
    if (!array.contiguous || array.rank < axes)
        throw nb::value_error((std::string(function) + ": " + name + " must be contiguous, with at least " +
                               std::to_string(axes) + (axes == 1 ? " axis" : " axes"))
                                  .c_str());
    return array;
}

Predictions predictions_of(const Array& array) {
    const Index columns = array.shape[array.rank - 1];
    return {columns ? array.size() / columns : 0, columns, array.shape, array.rank};
}

// (sum of the values, how many, slope of their mean or None), or None where the targets do not suit.
nb::object score(const std::string& name, nb::handle y_true, nb::handle y_pred, double option, double epsilon,
                 bool wants_slope) {
    const char* function = "score";
    const ScoreKind kind = read_score(function, name, option, epsilon);
    const Array predicted = read_in_place(y_pred), y = read_in_place(y_true);
    if (!predicted || predicted.kind != 'f' || !predicted.contiguous || predicted.rank < 1 ||
        (predicted.item != 4 && predicted.item != 8))
        return nb::none();
    const Predictions p = predictions_of(predicted);
    if (p.rows == 0 || p.columns == 0 || !targets_fit(kind, p, predicted.item, y)) return nb::none();
    const FloatType type = {predicted.item, "y_pred"};
    const double count = count_of(kind, p);
    Array slope;
    if (wants_slope && !kind.facts().is_accuracy) slope = make_array(type, predicted.shape, predicted.rank);
    double sum = 0;
    bool fits = true;
    dispatch(type, [&](auto* t) {
        using T = GATEWISE_ELEMENT(t);
        call_kernel(50.0 * p.rows * p.columns, [&] {
            if (kind.facts().is_accuracy) sum = hits(kind, p, predicted.as<const T>(), y);
            else fits = loss_sum(kind, p, predicted.as<const T>(), y, slope.as<T>(), count, sum);
        });
    });
    if (!fits) return nb::none();
    return nb::make_tuple(sum, count, result(slope));
}

nb::object softmax_forward(nb::handle x_) {
    FloatType type;
    const Array x = read_rows("softmax_forward", type, "x", x_, 1);
    const Array y = make_array(type, x.shape, x.rank);
    const Predictions p = predictions_of(x);
    dispatch(type, [&](auto* t) {
        using T = GATEWISE_ELEMENT(t);
        call_kernel(30.0 * x.size(),
                    [&] { of<T>(kernels()).softmax_forward(x.as<const T>(), y.as<T>(), p.rows, p.columns); });
    });
    return y.keeper;
}

nb::object softmax_backward(nb::handle dy_, nb::handle y_) {
    const char* function = "softmax_backward";
    FloatType type;
    const Array y = read_rows(function, type, "y", y_, 1), dy = read_rows(function, type, "dy", dy_, 1);
    if (y.rank != dy.rank || !same_sizes(y.shape, dy.shape, y.rank))
        throw nb::value_error("softmax_backward: dy and y must have one shape");
    const Array dx = make_array(type, y.shape, y.rank);
    const Predictions p = predictions_of(y);
    dispatch(type, [&](auto* t) {
        using T = GATEWISE_ELEMENT(t);
        call_kernel(10.0 * y.size(), [&] {
            of<T>(kernels()).softmax_backward(dy.as<const T>(), y.as<const T>(), dx.as<T>(), p.rows,
                                              p.columns);
        });
    });
    return dx.keeper;
}

nb::object column_sums(nb::handle x_) {
    FloatType type;
    const Array x = read_rows("column_sums", type, "x", x_, 2);
    if (x.rank != 2) throw nb::value_error("column_sums: x must have 2 axes");
    const Array sums = make_array(type, x.shape + 1, 1);
    dispatch(type, [&](auto* t) {
        using T = GATEWISE_ELEMENT(t);
        call_kernel(2.0 * x.size(), [&] {
            of<T>(kernels()).column_sums(x.as<const T>(), sums.as<T>(), x.shape[0], x.shape[1]);
        });
    });
    return sums.keeper;
}

}  // namespace

void define_losses(nb::module_& m) {
    using namespace nb::literals;
    m.def("score", &score, "name"_a, any("y_true"), any("y_pred"), "option"_a = 0.0, "epsilon"_a = 1e-7,
          "wants_slope"_a = true,
          nb::sig("def score(name: str, y_true: numpy.ndarray, y_pred: numpy.ndarray, option: float = 0.0, "
                  "epsilon: float = 1e-07, wants_slope: bool = True) -> "
                  "tuple[float, float, numpy.ndarray | None] | None"));
    m.def("softmax_forward", &softmax_forward, any("x"),
          nb::sig("def softmax_forward(x: numpy.ndarray) -> numpy.ndarray"));
    m.def("softmax_backward", &softmax_backward, any("dy"), any("y"),
          nb::sig("def softmax_backward(dy: numpy.ndarray, y: numpy.ndarray) -> numpy.ndarray"));
    m.def("column_sums", &column_sums, any("x"),
          nb::sig("def column_sums(x: numpy.ndarray) -> numpy.ndarray"));
}

}  // namespace gatewise
