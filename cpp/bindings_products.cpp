// Matrix products, activations and optimizers for Python.
#include "bindings.h"

namespace gatewise {
namespace {

nb::object matmul(nb::handle a_, nb::handle b_, nb::handle out_, bool accumulate, nb::handle bias_) {
    FloatType type;
    const auto read = [&](const char* name, nb::handle value) {
        FloatType& shared = type;
        Axes free("matmul");
        const Array array = read_array("matmul", name, value);
        if (array.rank != 2) nb::raise_type_error("matmul: %s must have 2 axes, got %d", name, array.rank);
        Axes ignored("matmul");
        read_floats(ignored, shared, name, value, "RC");
        return array;
    };
    const Array a = read("a", a_), b = read("b", b_);
    const Index rows = a.shape[0], depth = a.shape[1], columns = b.shape[1];
    const auto text = [](Index n) { return std::to_string(n); };
    if (b.shape[0] != depth)
        throw nb::value_error(("matmul: a is (" + text(rows) + ", " + text(depth) + ") but b is (" +
                               text(b.shape[0]) + ", " + text(columns) + "); a's columns must be b's rows")
                                  .c_str());
    Array out = out_.is_none() ? make_array(type, rows, columns) : read("out", out_);
    if (out.shape[0] != rows || out.shape[1] != columns)
        throw nb::value_error(("matmul: out is (" + text(out.shape[0]) + ", " + text(out.shape[1]) +
                               "), expected (" + text(rows) + ", " + text(columns) + ")")
                                  .c_str());
    if (!out.writeable) throw nb::value_error("matmul: out is read-only");
    if (accumulate && out_.is_none()) throw nb::value_error("matmul: accumulate=True needs out");
    Array bias;
    if (!bias_.is_none()) bias = read_flat("matmul", type, "bias", bias_, columns, false);
    dispatch(type, [&](auto* p) {
        using T = GATEWISE_ELEMENT(p);
        const Matmul<T> m = {rows,
                             columns,
                             depth,
                             a.as<const T>(),
                             a.strides[0],
                             a.strides[1],
                             b.as<const T>(),
                             b.strides[0],
                             b.strides[1],
                             out.as<T>(),
                             out.strides[0],
                             out.strides[1],
                             bias ? bias.as<const T>() : nullptr,
                             accumulate};
        call_kernel(2.0 * rows * columns * depth, [&] { of<T>(kernels()).matmul(m); });
    });
    return out.keeper;
}

nb::object like(FloatType type, const Array& array) {
    return make_array(type, array.shape, array.rank).keeper;
}

// A C-contiguous float array of any rank.
Array read_whole(const char* function, FloatType& type, const char* name, nb::handle value,
                 const Array* same_shape) {
    Array array = read_array(function, name, value);
    Axes axes(function);
    char pattern[kMostAxes + 1] = {};
    for (int i = 0; i < array.rank; ++i) {
        pattern[i] = static_cast<char>('A' + i);
        if (same_shape && i < same_shape->rank) axes.set(pattern[i], same_shape->shape[i]);
    }
    if (same_shape && same_shape->rank != array.rank)
        throw nb::value_error(
            (std::string(function) + ": " + name + " must have the shape of the first array").c_str());
    array = read_floats(axes, type, name, value, pattern);
    if (array.contiguous) return array;
    const nb::object numpy = nb::module_::import_("numpy");
    return read_array(function, name, numpy.attr("ascontiguousarray")(value));
}

nb::object activation_forward(nb::handle name, nb::handle x_) {
    const char* function = "activation_forward";
    FloatType type;
    const Activation a = read_activation(function, "name", name);
    const Array x = read_whole(function, type, "x", x_, nullptr);
    const nb::object made = like(type, x);
    const Array y = read_array(function, "result", made);
    dispatch(type, [&](auto* p) {
        using T = GATEWISE_ELEMENT(p);
        call_kernel(20.0 * x.size(),
                    [&] { of<T>(kernels()).activation_forward(a, x.as<T>(), y.as<T>(), x.size()); });
    });
    return made;
}

nb::object activation_backward(nb::handle name, nb::handle dy_, nb::handle x_, nb::handle y_) {
    const char* function = "activation_backward";
    FloatType type;
    const Activation a = read_activation(function, "name", name);
    const Array dy = read_whole(function, type, "dy", dy_, nullptr);
    Array x, y;
    if (!x_.is_none()) x = read_whole(function, type, "x", x_, &dy);
    if (!y_.is_none()) y = read_whole(function, type, "y", y_, &dy);
    if (derivative_needs_input(a) ? !x : (a != Activation::linear && !y))
        throw nb::value_error((std::string(function) + ": the derivative of " + activation_name(a) +
                               " needs " + (derivative_needs_input(a) ? "x, the input" : "y, the output"))
                                  .c_str());
    const nb::object made = like(type, dy);
    const Array dx = read_array(function, "result", made);
    dispatch(type, [&](auto* p) {
        using T = GATEWISE_ELEMENT(p);
        call_kernel(20.0 * dy.size(), [&] {
            of<T>(kernels()).activation_backward(a, dy.as<T>(), x.as<T>(), y.as<T>(), dx.as<T>(), dy.size());
        });
    });
    return made;
}

// The arrays of an optimizer step: w and the states are changed in place.
struct Flat {
    const char* function;
    FloatType type;
    Array w, g, states[3];

    Flat(const char* name, nb::handle w_, nb::handle g_) : function(name) {
        w = read_flat(function, type, "w", w_, -1, true);
        g = read_flat(function, type, "g", g_, w.size(), false);
    }
    void state(int i, const char* name, nb::handle value) {
        if (!value.is_none()) states[i] = read_flat(function, type, name, value, w.size(), true);
    }
    template <class T>
    Optimizer<T> step(double rate, double decay1, double decay2, double epsilon, bool nesterov) const {
        return {w.size(), w.as<T>(), g.as<T>(), {states[0].as<T>(), states[1].as<T>(), states[2].as<T>()},
                rate,     decay1,    decay2,    epsilon,
                nesterov};
    }
};

void sgd_step(nb::handle w, nb::handle g, double lr, double momentum, nb::handle velocity, bool nesterov) {
    Flat flat("sgd_step", w, g);
    flat.state(0, "velocity", velocity);
    if (momentum != 0 && velocity.is_none())
        throw nb::value_error("sgd_step: momentum needs the array velocity");
    dispatch(flat.type, [&](auto* p) {
        using T = GATEWISE_ELEMENT(p);
        call_kernel(30.0 * flat.w.size(),
                    [&] { of<T>(kernels()).sgd(flat.step<T>(lr, momentum, 0, 0, nesterov)); });
    });
}

void rmsprop_step(nb::handle w, nb::handle g, nb::handle mean_square, double lr, double rho, double epsilon,
                  double momentum, nb::handle velocity, nb::handle mean) {
    Flat flat("rmsprop_step", w, g);
    if (mean_square.is_none()) throw nb::value_error("rmsprop_step: mean_square must be an array, got None");
    flat.state(0, "mean_square", mean_square);
    flat.state(1, "velocity", velocity);
    flat.state(2, "mean", mean);
    if (momentum != 0 && velocity.is_none())
        throw nb::value_error("rmsprop_step: momentum needs the array velocity");
    dispatch(flat.type, [&](auto* p) {
        using T = GATEWISE_ELEMENT(p);
        call_kernel(30.0 * flat.w.size(),
                    [&] { of<T>(kernels()).rmsprop(flat.step<T>(lr, rho, momentum, epsilon, false)); });
    });
}

void adam_step(nb::handle w, nb::handle g, nb::handle m, nb::handle v, double alpha, double beta_1,
               double beta_2, double epsilon, nb::handle v_hat) {
    Flat flat("adam_step", w, g);
    if (m.is_none() || v.is_none()) throw nb::value_error("adam_step: m and v must be arrays, got None");
    flat.state(0, "m", m);
    flat.state(1, "v", v);
    flat.state(2, "v_hat", v_hat);
    dispatch(flat.type, [&](auto* p) {
        using T = GATEWISE_ELEMENT(p);
        call_kernel(30.0 * flat.w.size(),
                    [&] { of<T>(kernels()).adam(flat.step<T>(alpha, beta_1, beta_2, epsilon, false)); });
    });
}

double sum_of_squares(nb::handle g_) {
    FloatType type;
    const Array g = read_flat("sum_of_squares", type, "g", g_, -1, false);
    return dispatch(type, [&](auto* p) {
        using T = GATEWISE_ELEMENT(p);
        double sum = 0;
        call_kernel(2.0 * g.size(), [&] { sum = of<T>(kernels()).sum_of_squares(g.as<T>(), g.size()); });
        return sum;
    });
}

}  // namespace

void define_products(nb::module_& m) {
    using namespace nb::literals;
    m.def("matmul", &matmul, any("a"), any("b"), none_or("out"), "accumulate"_a = false, none_or("bias"),
          nb::sig("def matmul(a: numpy.ndarray, b: numpy.ndarray, out: numpy.ndarray | None = None, "
                  "accumulate: bool = False, "
                  "bias: numpy.ndarray | None = None) -> numpy.ndarray"));
    m.def("activation_forward", &activation_forward, "name"_a, any("x"),
          nb::sig("def activation_forward(name: str, x: numpy.ndarray) -> numpy.ndarray"));
    m.def("activation_backward", &activation_backward, "name"_a, any("dy"), none_or("x"), none_or("y"),
          nb::sig("def activation_backward(name: str, dy: numpy.ndarray, x: numpy.ndarray | None = None, "
                  "y: numpy.ndarray | None = None) -> numpy.ndarray"));

    m.def("sgd_step", &sgd_step, any("w"), any("g"), "lr"_a, "momentum"_a = 0.0, none_or("velocity"),
          "nesterov"_a = false,
          nb::sig("def sgd_step(w: numpy.ndarray, g: numpy.ndarray, lr: float, momentum: float = 0.0, "
                  "velocity: numpy.ndarray | None = None, nesterov: bool = False) -> None"));
    m.def("rmsprop_step", &rmsprop_step, any("w"), any("g"), any("mean_square"), "lr"_a, "rho"_a = 0.9,
          "epsilon"_a = 1e-7, "momentum"_a = 0.0, none_or("velocity"), none_or("mean"),
          nb::sig("def rmsprop_step(w: numpy.ndarray, g: numpy.ndarray, mean_square: numpy.ndarray, lr: "
                  "float, rho: float = 0.9, "
                  "epsilon: float = 1e-7, momentum: float = 0.0, velocity: numpy.ndarray | None = None, "
                  "mean: numpy.ndarray | None = None) -> None"));
    m.def("adam_step", &adam_step, any("w"), any("g"), any("m"), any("v"), "alpha"_a, "beta_1"_a = 0.9,
          "beta_2"_a = 0.999, "epsilon"_a = 1e-7, none_or("v_hat"),
          nb::sig("def adam_step(w: numpy.ndarray, g: numpy.ndarray, m: numpy.ndarray, v: numpy.ndarray, "
                  "alpha: float, "
                  "beta_1: float = 0.9, beta_2: float = 0.999, epsilon: float = 1e-7, v_hat: numpy.ndarray | "
                  "None = None) -> None"));
    m.def("sum_of_squares", &sum_of_squares, any("g"),
          nb::sig("def sum_of_squares(g: numpy.ndarray) -> float"));
}

}  // namespace gatewise
