// Matrix products and activations for Python.
#include "bindings.h"

namespace gatewise {
namespace {

nb::object matmul(nb::handle a_, nb::handle b_, nb::handle out_, bool accumulate, nb::handle bias_) {
    FloatType type;
    const auto read = [&](const char* name, nb::handle value) {
        const Array array = read_array("matmul", name, value);
        if (array.rank != 2) nb::raise_type_error("matmul: %s must have 2 axes, got %d", name, array.rank);
        check_float("matmul", type, name, array);
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
    if (!out.writeable || (!out_.is_none() && out.keeper.ptr() != out_.ptr()))
        throw nb::value_error("matmul: out is written in place, but the array is read-only or unaligned");
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
}

}  // namespace gatewise
