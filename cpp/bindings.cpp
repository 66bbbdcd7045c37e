// The Python module gatewise.kernels._native: arguments in, checks, kernels, results out.
#include <nanobind/nanobind.h>

#include <cstdlib>
#include <memory>
#include <new>

#include "arrays.h"
#include "instruction_sets.h"
#include "memory.h"
#include "threads.h"

namespace gatewise {
namespace {

constexpr double kFlopsWorthReleasing = 2e5;  // shorter calls keep the interpreter lock

// Calls a kernel, without the interpreter lock where it will take a while.
template <class F>
void call_kernel(double flops, F kernel) {
    if (flops < kFlopsWorthReleasing) return kernel();
    const nb::gil_scoped_release released;
    kernel();
}

template <class T>
const KernelsOf<T>& of(const Kernels& k) {
    if constexpr (sizeof(T) == 4) return k.f32;
    else return k.f64;
}

// Calls f with a null pointer to float or to double.
template <class F>
auto dispatch(FloatType type, F f) {
    return type.item == 4 ? f(static_cast<float*>(nullptr)) : f(static_cast<double*>(nullptr));
}

#define GATEWISE_ELEMENT(pointer) std::remove_pointer_t<decltype(pointer)>

LstmSizes read_sizes(Axes& axes) {
    const LstmSizes sizes = {*axes.find('N'), *axes.find('T'), *axes.find('F'), *axes.find('H')};
    const auto refuse = [&](const char* what) {
        throw nb::value_error((std::string(axes.function) + ": " + what).c_str());
    };
    if (sizes.T == 0) refuse("x has no time steps (axis 1 has length 0)");
    if (sizes.F == 0) refuse("x has no features (axis 2 has length 0)");
    if (sizes.H == 0) refuse("the layer has no units (U has no rows)");
    return sizes;
}

double flops_of(const LstmSizes& s) { return 8.0 * s.N * s.T * s.H * (s.F + s.H + 16); }

template <class T>
View2<T> view2(const Array& a) {
    return a ? a.view2<T>() : View2<T>{};
}
template <class T>
View3<T> view3(const Array& a) {
    return a ? a.view3<T>() : View3<T>{};
}

// ---- packed weights ---------------------------------------------------------------------------------

struct Free {
    void operator()(void* p) const { release(p); }
};

class PackedWeights {
  public:
    PackedWeights(nb::handle W, nb::handle U, nb::handle b) : kernels_(&kernels()) {
        Axes axes("pack_lstm");
        const Array u = read_floats(axes, type, "U", U, "H4H"), w = read_floats(axes, type, "W", W, "F4H");
        const Array bias = read_floats(axes, type, "b", b, "4H", true);
        F = *axes.find('F');
        H = *axes.find('H');
        if (F == 0 || H == 0)
            throw nb::value_error("pack_lstm: W (F, 4H) and U (H, 4H) must have no axis of length 0");
        dispatch(type, [&](auto* p) {
            using T = GATEWISE_ELEMENT(p);
            memory_.reset(allocate(sizeof(T) * of<T>(*kernels_).lstm_packed_size(F, H)));
            const T* flat = bias ? bias.as<T>() : nullptr;
            call_kernel(4.0 * (F + H) * H, [&] {
                of<T>(*kernels_).lstm_pack(w.view2<const T>(), u.view2<const T>(), flat, F, H,
                                           static_cast<T*>(memory_.get()));
            });
        });
    }

    template <class T>
    const T* memory() const {
        return static_cast<const T*>(memory_.get());
    }
    const Kernels& made_for() const { return *kernels_; }

    FloatType type;
    Index F = 0, H = 0;

  private:
    const Kernels* kernels_;
    std::unique_ptr<void, Free> memory_;
};

// ---- LSTM -------------------------------------------------------------------------------------------

nb::tuple lstm_forward(nb::handle x_, nb::handle h0_, nb::handle c0_, nb::handle W_, nb::handle U_,
                       nb::handle b_, nb::handle mask_, nb::handle activation_, nb::handle recurrent_,
                       nb::handle x_dropout_, nb::handle h_dropout_) {
    Axes axes("lstm_forward");
    FloatType type;
    const Array x = read_floats(axes, type, "x", x_, "NTF");
    const Array U = read_floats(axes, type, "U", U_, "H4H"), W = read_floats(axes, type, "W", W_, "F4H");
    const Array b = read_floats(axes, type, "b", b_, "4H", true);
    const Array h0 = read_floats(axes, type, "h0", h0_, "NH", true),
                c0 = read_floats(axes, type, "c0", c0_, "NH", true);
    const Array x_dropout = read_floats(axes, type, "x_dropout", x_dropout_, "NF", true);
    const Array h_dropout = read_floats(axes, type, "h_dropout", h_dropout_, "NH", true);
    const Array mask = read_mask(axes, mask_);
    const LstmSizes sizes = read_sizes(axes);
    const Activation a = read_activation(axes.function, "activation", activation_);
    const Activation s = read_activation(axes.function, "recurrent_activation", recurrent_);

    const Array h = make_array(type, sizes.N, sizes.T, sizes.H),
                c = make_array(type, sizes.N, sizes.T, sizes.H);
    const Array gates = make_array(type, sizes.N, sizes.T, 4, sizes.H);
    Array z;
    if (derivative_needs_input(a) || derivative_needs_input(s))
        z = make_array(type, sizes.N, sizes.T, 4, sizes.H);
    dispatch(type, [&](auto* p) {
        using T = GATEWISE_ELEMENT(p);
        const KernelsOf<T>& k = of<T>(kernels());
        LstmForward<T> in = {sizes,
                             x.view3<const T>(),
                             view2<const T>(h0),
                             view2<const T>(c0),
                             view2<const T>(x_dropout),
                             view2<const T>(h_dropout),
                             view3<const std::uint8_t>(mask),
                             nullptr,
                             a,
                             s,
                             h.view3<T>(),
                             c.view3<T>(),
                             gates.as<T>(),
                             z ? z.as<T>() : nullptr,
                             {},
                             {}};
        call_kernel(flops_of(sizes), [&] {
            Workspace workspace;
            T* packed = static_cast<T*>(workspace.take(sizeof(T) * k.lstm_packed_size(sizes.F, sizes.H)));
            k.lstm_pack(W.view2<const T>(), U.view2<const T>(), b ? b.as<T>() : nullptr, sizes.F, sizes.H,
                        packed);
            in.packed = packed;
            k.lstm_forward(in);
        });
    });
    return nb::make_tuple(h.keeper, c.keeper, gates.keeper, result(z));
}

nb::tuple lstm_predict(nb::handle x_, nb::handle h0_, nb::handle c0_, const PackedWeights& weights,
                       nb::handle mask_, nb::handle activation_, nb::handle recurrent_, bool sequences) {
    Axes axes("lstm_predict");
    FloatType type = {weights.type.item, "weights"};
    axes.set('F', weights.F);
    axes.set('H', weights.H);
    const Array x = read_floats(axes, type, "x", x_, "NTF");
    const Array h0 = read_floats(axes, type, "h0", h0_, "NH", true),
                c0 = read_floats(axes, type, "c0", c0_, "NH", true);
    const Array mask = read_mask(axes, mask_);
    const LstmSizes sizes = read_sizes(axes);
    const Activation a = read_activation(axes.function, "activation", activation_);
    const Activation s = read_activation(axes.function, "recurrent_activation", recurrent_);

    const Array h_last = make_array(type, sizes.N, sizes.H), c_last = make_array(type, sizes.N, sizes.H);
    Array h;
    if (sequences) h = make_array(type, sizes.N, sizes.T, sizes.H);
    dispatch(type, [&](auto* p) {
        using T = GATEWISE_ELEMENT(p);
        const LstmForward<T> in = {sizes,
                                   x.view3<const T>(),
                                   view2<const T>(h0),
                                   view2<const T>(c0),
                                   {},
                                   {},
                                   view3<const std::uint8_t>(mask),
                                   weights.memory<T>(),
                                   a,
                                   s,
                                   view3<T>(h),
                                   {},
                                   nullptr,
                                   nullptr,
                                   h_last.view2<T>(),
                                   c_last.view2<T>()};
        call_kernel(flops_of(sizes), [&] { of<T>(weights.made_for()).lstm_forward(in); });
    });
    return nb::make_tuple(result(h), h_last.keeper, c_last.keeper);
}

struct Wants {
    bool dx, dstates, dW, dU, db;
};

Wants read_wants(const char* function, nb::handle value) {
    bool flags[5];
    nb::object items = nb::steal(PySequence_Tuple(value.ptr()));
    if (!items.is_valid() || PyTuple_Size(items.ptr()) != 5) {
        PyErr_Clear();
        throw nb::value_error(
            (std::string(function) + ": wants must be five booleans (dx, dstates, dW, dU, db)").c_str());
    }
    for (int i = 0; i < 5; ++i) {
        const int truth = PyObject_IsTrue(PyTuple_GetItem(items.ptr(), i));
        if (truth < 0) nb::raise_python_error();
        flags[i] = truth == 1;
    }
    return {flags[0], flags[1], flags[2], flags[3], flags[4]};
}

struct Tape {
    Array h, c, gates, z;
};

Tape read_tape(Axes& axes, FloatType& type, nb::handle value, bool needs_z) {
    if (!PyTuple_Check(value.ptr()) || PyTuple_Size(value.ptr()) != 4)
        nb::raise_type_error("%s: tape must be what lstm_forward returned", axes.function);
    const auto read = [&](const char* name, int i, const char* pattern, bool optional) {
        const Array a =
            read_floats(axes, type, name, nb::handle(PyTuple_GetItem(value.ptr(), i)), pattern, optional);
        if (a && !a.contiguous)
            throw nb::value_error((std::string(axes.function) + ": " + name + " is not contiguous").c_str());
        return a;
    };
    const Tape tape = {read("tape.h", 0, "NTH", false), read("tape.c", 1, "NTH", false),
                       read("tape.gates", 2, "NTGH", false), read("tape.z", 3, "NTGH", true)};
    if (*axes.find('G') != 4) throw nb::value_error("lstm_backward: tape.gates must have 4 gates on axis 2");
    if (needs_z && !tape.z)
        throw nb::value_error("lstm_backward: these activations need tape.z; the tape was made with others");
    return tape;
}

nb::tuple lstm_backward(nb::handle tape_, nb::handle x_, nb::handle h0_, nb::handle c0_, nb::handle W_,
                        nb::handle U_, nb::handle dh_, nb::handle dh_T_, nb::handle dc_T_, nb::handle mask_,
                        nb::handle activation_, nb::handle recurrent_, nb::handle x_dropout_,
                        nb::handle h_dropout_, nb::handle dc_, nb::handle wants_) {
    Axes axes("lstm_backward");
    FloatType type;
    const Activation a = read_activation(axes.function, "activation", activation_);
    const Activation s = read_activation(axes.function, "recurrent_activation", recurrent_);
    const Wants wants = read_wants(axes.function, wants_);
    const Array x = read_floats(axes, type, "x", x_, "NTF");
    const Array U = read_floats(axes, type, "U", U_, "H4H"), W = read_floats(axes, type, "W", W_, "F4H");
    const Tape tape = read_tape(axes, type, tape_, derivative_needs_input(a) || derivative_needs_input(s));
    const Array h0 = read_floats(axes, type, "h0", h0_, "NH", true),
                c0 = read_floats(axes, type, "c0", c0_, "NH", true);
    const Array dh = read_floats(axes, type, "dh", dh_, "NTH", true),
                dc = read_floats(axes, type, "dc", dc_, "NTH", true);
    const Array dh_T = read_floats(axes, type, "dh_T", dh_T_, "NH", true);
    const Array dc_T = read_floats(axes, type, "dc_T", dc_T_, "NH", true);
    const Array x_dropout = read_floats(axes, type, "x_dropout", x_dropout_, "NF", true);
    const Array h_dropout = read_floats(axes, type, "h_dropout", h_dropout_, "NH", true);
    const Array mask = read_mask(axes, mask_);
    const LstmSizes sizes = read_sizes(axes);

    Array dx, dh0, dc0, dW, dU, db;
    if (wants.dx) dx = make_array(type, sizes.N, sizes.T, sizes.F);
    if (wants.dstates) dh0 = make_array(type, sizes.N, sizes.H);
    if (wants.dstates) dc0 = make_array(type, sizes.N, sizes.H);
    if (wants.dW) dW = make_array(type, sizes.F, 4 * sizes.H);
    if (wants.dU) dU = make_array(type, sizes.H, 4 * sizes.H);
    const Index bias_shape[] = {4 * sizes.H};
    if (wants.db) db = make_array(type, bias_shape, 1);
    dispatch(type, [&](auto* p) {
        using T = GATEWISE_ELEMENT(p);
        const LstmBackward<T> in = {sizes,
                                    x.view3<const T>(),
                                    view2<const T>(h0),
                                    view2<const T>(c0),
                                    W.view2<const T>(),
                                    U.view2<const T>(),
                                    view2<const T>(x_dropout),
                                    view2<const T>(h_dropout),
                                    view3<const std::uint8_t>(mask),
                                    a,
                                    s,
                                    tape.h.view3<const T>(),
                                    tape.c.view3<const T>(),
                                    tape.gates.as<const T>(),
                                    tape.z ? tape.z.as<const T>() : nullptr,
                                    view3<const T>(dh),
                                    view3<const T>(dc),
                                    view2<const T>(dh_T),
                                    view2<const T>(dc_T),
                                    dx.as<T>(),
                                    dh0.as<T>(),
                                    dc0.as<T>(),
                                    dW.as<T>(),
                                    dU.as<T>(),
                                    db.as<T>()};
        call_kernel(flops_of(sizes), [&] { of<T>(kernels()).lstm_backward(in); });
    });
    return nb::make_tuple(result(dx), result(dh0), result(dc0), result(dW), result(dU), result(db));
}

// ---- products, activations, optimizers --------------------------------------------------------------

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

nb::tuple activations() {
    nb::list all;
    for (int i = 0; i < static_cast<int>(Activation::count); ++i)
        all.append(activation_name(static_cast<Activation>(i)));
    return nb::tuple(all);
}

nb::tuple instruction_set_names() {
    nb::list all;
    for (const Kernels* k : supported_kernels()) all.append(k->name);
    return nb::tuple(all);
}

void set_threads_checked(long count) {
    if (count < 1)
        throw nb::value_error(
            ("set_threads: the count must be at least 1, got " + std::to_string(count)).c_str());
    set_threads(count > 1024 ? 1024 : static_cast<int>(count));
}

}  // namespace
}  // namespace gatewise

NB_MODULE(_native, m) {
    using namespace gatewise;
    using namespace nb::literals;
    m.doc() = "Recurrent kernels in C++. Use them through gatewise.kernels, which documents them.";
    const nb::object none = nb::none();
    // None where it may not be is refused by the functions themselves, by name.
    const auto any = [](const char* name) { return nb::arg(name).none(); };
    const auto none_or = [&](const char* name) { return nb::arg(name).none() = none; };

    kernels();  // an unknown $GATEWISE_ISA is an error now, not in the first kernel

    nb::class_<PackedWeights>(m, "PackedLSTM",
                              "LSTM weights in the kernels' own order, for any number of lstm_predict calls.")
        .def_prop_ro(
            "features", [](const PackedWeights& w) { return w.F; }, "F, the number of input features.")
        .def_prop_ro("units", [](const PackedWeights& w) { return w.H; }, "H, the number of units.");
    m.def(
        "pack_lstm", [](nb::handle W, nb::handle U, nb::handle b) { return new PackedWeights(W, U, b); },
        any("W"), any("U"), none_or("b"), nb::rv_policy::take_ownership,
        nb::sig("def pack_lstm(W: numpy.ndarray, U: numpy.ndarray, b: numpy.ndarray | None = None) -> "
                "PackedLSTM"));

    m.def("lstm_forward", &lstm_forward, any("x"), any("h0"), any("c0"), any("W"), any("U"), any("b"),
          none_or("mask"), nb::arg("activation").none() = "tanh",
          nb::arg("recurrent_activation").none() = "sigmoid", none_or("x_dropout"), none_or("h_dropout"),
          nb::sig("def lstm_forward(x: numpy.ndarray, h0: numpy.ndarray | None, c0: numpy.ndarray | None, W: "
                  "numpy.ndarray, "
                  "U: numpy.ndarray, b: numpy.ndarray | None, mask: numpy.ndarray | None = None, activation: "
                  "str = 'tanh', "
                  "recurrent_activation: str = 'sigmoid', x_dropout: numpy.ndarray | None = None, "
                  "h_dropout: numpy.ndarray | None = None) -> "
                  "tuple[numpy.ndarray, numpy.ndarray, numpy.ndarray, numpy.ndarray | None]"));
    m.def("lstm_predict", &lstm_predict, any("x"), any("h0"), any("c0"), "weights"_a, none_or("mask"),
          nb::arg("activation").none() = "tanh", nb::arg("recurrent_activation").none() = "sigmoid",
          "sequences"_a = false,
          nb::sig("def lstm_predict(x: numpy.ndarray, h0: numpy.ndarray | None, c0: numpy.ndarray | None, "
                  "weights: PackedLSTM, "
                  "mask: numpy.ndarray | None = None, activation: str = 'tanh', recurrent_activation: str = "
                  "'sigmoid', "
                  "sequences: bool = False) -> tuple[numpy.ndarray | None, numpy.ndarray, numpy.ndarray]"));
    m.def("lstm_backward", &lstm_backward, any("tape"), any("x"), any("h0"), any("c0"), any("W"), any("U"),
          none_or("dh"), none_or("dh_T"), none_or("dc_T"), none_or("mask"),
          nb::arg("activation").none() = "tanh", nb::arg("recurrent_activation").none() = "sigmoid",
          none_or("x_dropout"), none_or("h_dropout"), none_or("dc"),
          nb::arg("wants").none() = nb::make_tuple(true, true, true, true, true),
          nb::sig("def lstm_backward(tape: tuple[numpy.ndarray, numpy.ndarray, numpy.ndarray, numpy.ndarray "
                  "| None], "
                  "x: numpy.ndarray, h0: numpy.ndarray | None, c0: numpy.ndarray | None, W: numpy.ndarray, "
                  "U: numpy.ndarray, "
                  "dh: numpy.ndarray | None = None, dh_T: numpy.ndarray | None = None, dc_T: numpy.ndarray | "
                  "None = None, "
                  "mask: numpy.ndarray | None = None, activation: str = 'tanh', recurrent_activation: str = "
                  "'sigmoid', "
                  "x_dropout: numpy.ndarray | None = None, h_dropout: numpy.ndarray | None = None, "
                  "dc: numpy.ndarray | None = None, wants: tuple[bool, bool, bool, bool, bool] = (True, "
                  "True, True, True, True)) "
                  "-> tuple[numpy.ndarray | None, numpy.ndarray | None, numpy.ndarray | None, numpy.ndarray "
                  "| None, "
                  "numpy.ndarray | None, numpy.ndarray | None]"));

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

    m.def("get_threads", &get_threads, "The number of threads a kernel may use.");
    m.def("set_threads", &set_threads_checked, "count"_a, "Sets the number of threads a kernel may use.");
    m.def("instruction_set", [] { return kernels().name; }, "The instruction set in use.");
    m.def("supported_instruction_sets", &instruction_set_names,
          "Those this machine can run, the plainest first.",
          nb::sig("def supported_instruction_sets() -> tuple[str, ...]"));
    m.def(
        "use_instruction_set",
        [](const char* name) {
            try {
                use_kernels(name);
            } catch (const std::runtime_error& e) {
                throw nb::value_error(e.what());
            }
        },
        "name"_a, "Switches every following call to another instruction set; for tests and measurements.");
    m.attr("ACTIVATIONS") = activations();
}
