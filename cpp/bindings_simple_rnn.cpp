// The kernels of the simple recurrent layer for Python.
#include "bindings_recurrent.h"

namespace gatewise {
namespace {

class PackedSimpleRnn : public PackedRecurrent {
  public:
    PackedSimpleRnn(nb::handle W, nb::handle U, nb::handle b) : PackedRecurrent("pack_simple_rnn", W, U, 1) {
        const Array bias = read_floats(axes_, type, "b", b, "H", true);
        pack([&](const auto& kernels) { return kernels.simple_rnn_packed_size(F, H); },
             [&](const auto& kernels, auto W, auto U, auto* to) {
                 kernels.simple_rnn_pack(W, U, flat(bias, to), F, H, to);
             });
    }
};

nb::tuple simple_rnn_forward(nb::handle x_, nb::handle h0_, nb::handle W_, nb::handle U_, nb::handle b_,
                             nb::handle mask_, nb::handle activation_, nb::handle x_dropout_,
                             nb::handle h_dropout_, bool keep_sums) {
    Axes axes("simple_rnn_forward");
    FloatType type;
    const RecurrentArguments read =
        read_arguments(axes, type, 1, x_, h0_, W_, U_, mask_, x_dropout_, h_dropout_);
    const Array b = read_floats(axes, type, "b", b_, "H", true);
    const RecurrentSizes& sizes = read.sizes;
    const Activation a = read_activation(axes.function, "activation", activation_);

    const Array h = make_array(type, sizes.N, sizes.T, sizes.H);
    Array z;
    if (keep_sums || derivative_needs_input(a)) z = make_array(type, sizes.N, sizes.T, sizes.H);
    dispatch(type, [&](auto* p) {
        using T = GATEWISE_ELEMENT(p);
        const KernelsOf<T>& k = of<T>(kernels());
        SimpleRnnForward<T> in = {};
        read.fill<T>(in);
        in.activation = a;
        in.h = h.view3<T>();
        in.z = z.as<T>();
        call_recurrence(recurrent_work(sizes, 1, type), [&] {
            Workspace workspace;
            const Index size = k.simple_rnn_packed_size(sizes.F, sizes.H);
            T* packed = static_cast<T*>(workspace.take(sizeof(T) * size));
            k.simple_rnn_pack(read.W.view2<const T>(), read.U.view2<const T>(), b.as<const T>(), sizes.F,
                              sizes.H, packed);
            in.packed = packed;
            k.simple_rnn_forward(in);
        });
    });
    return nb::make_tuple(h.keeper, result(z));
}

nb::tuple simple_rnn_predict(nb::handle x_, nb::handle h0_, const PackedSimpleRnn& weights, nb::handle mask_,
                             nb::handle activation_, bool sequences) {
    Axes axes("simple_rnn_predict");
    FloatType type = {weights.type.item, "weights"};
    axes.set('F', weights.F);
    axes.set('H', weights.H);
    const RecurrentArguments read =
        read_arguments(axes, type, 1, x_, h0_, {}, {}, mask_, nb::none(), nb::none());
    const RecurrentSizes& sizes = read.sizes;
    const Activation a = read_activation(axes.function, "activation", activation_);

    const Array h_last = make_array(type, sizes.N, sizes.H);
    Array h;
    if (sequences) h = make_array(type, sizes.N, sizes.T, sizes.H);
    dispatch(type, [&](auto* p) {
        using T = GATEWISE_ELEMENT(p);
        SimpleRnnForward<T> in = {};
        read.fill<T>(in);
        in.packed = weights.memory<T>();
        in.activation = a;
        in.h = view3<T>(h);
        in.h_last = h_last.view2<T>();
        call_recurrence(recurrent_work(sizes, 1, type), [&] { of<T>(weights.made_for()).simple_rnn_forward(in); });
    });
    return nb::make_tuple(result(h), h_last.keeper);
}

struct Tape {
    Array h, z;
};

Tape read_tape(Axes& axes, FloatType& type, nb::handle value, bool needs_z) {
    check_tape(axes, value, 2, "simple_rnn_forward");
    const Tape tape = {read_of_tape(axes, type, value, 0, "tape.h", "NTH"),
                       read_of_tape(axes, type, value, 1, "tape.z", "NTH", true)};
    if (needs_z && !tape.z)
        throw nb::value_error(
            "simple_rnn_backward: this activation needs tape.z; the tape was made with another");
    return tape;
}

nb::tuple simple_rnn_backward(nb::handle tape_, nb::handle x_, nb::handle h0_, nb::handle W_, nb::handle U_,
                              nb::handle dh_, nb::handle dh_T_, nb::handle mask_, nb::handle activation_,
                              nb::handle x_dropout_, nb::handle h_dropout_, nb::handle wants_) {
    Axes axes("simple_rnn_backward");
    FloatType type;
    const Activation a = read_activation(axes.function, "activation", activation_);
    const Wants wants(axes.function, "five booleans (dx, dstates, dW, dU, db)", wants_);
    const RecurrentArguments read =
        read_arguments(axes, type, 1, x_, h0_, W_, U_, mask_, x_dropout_, h_dropout_);
    const Tape tape = read_tape(axes, type, tape_, derivative_needs_input(a));
    const Array dh = read_floats(axes, type, "dh", dh_, "NTH", true);
    const Array dh_T = read_floats(axes, type, "dh_T", dh_T_, "NH", true);

    const RecurrentGradients gradients(type, read.sizes, 1, 0, wants);
    dispatch(type, [&](auto* p) {
        using T = GATEWISE_ELEMENT(p);
        SimpleRnnBackward<T> in = {};
        read.fill<T>(in);
        gradients.fill<T>(in);
        in.W = read.W.view2<const T>();
        in.U = read.U.view2<const T>();
        in.activation = a;
        in.h = tape.h.view3<const T>();
        in.z = tape.z.as<const T>();
        in.dh = view3<const T>(dh);
        in.dh_last = view2<const T>(dh_T);
        call_recurrence(recurrent_work(read.sizes, 1, type), [&] { of<T>(kernels()).simple_rnn_backward(in); });
    });
    return gradients.results();
}

}  // namespace

PackedCell packed_simple_rnn(nb::handle weights) {
    return cell_of(nb::cast<const PackedSimpleRnn&>(weights));
}

void define_simple_rnn(nb::module_& m) {
    using namespace nb::literals;
    nb::class_<PackedSimpleRnn>(
        m, "PackedSimpleRNN",
        "SimpleRNN weights in the kernels' own order, for any number of simple_rnn_predict calls.")
        .def_prop_ro(
            "features", [](const PackedSimpleRnn& w) { return w.F; }, "F, the number of input features.")
        .def_prop_ro("units", [](const PackedSimpleRnn& w) { return w.H; }, "H, the number of units.");
    m.def(
        "pack_simple_rnn",
        [](nb::handle W, nb::handle U, nb::handle b) { return new PackedSimpleRnn(W, U, b); }, any("W"),
        any("U"), none_or("b"), nb::rv_policy::take_ownership,
        nb::sig("def pack_simple_rnn(W: numpy.ndarray, U: numpy.ndarray, b: numpy.ndarray | None = None) -> "
                "PackedSimpleRNN"));
    m.def("simple_rnn_forward", &simple_rnn_forward, any("x"), any("h0"), any("W"), any("U"), any("b"),
          none_or("mask"), nb::arg("activation").none() = "tanh", none_or("x_dropout"), none_or("h_dropout"),
          "keep_sums"_a = false,
          nb::sig("def simple_rnn_forward(x: numpy.ndarray, h0: numpy.ndarray | None, W: numpy.ndarray, "
                  "U: numpy.ndarray, b: numpy.ndarray | None, mask: numpy.ndarray | None = None, "
                  "activation: str = 'tanh', "
                  "x_dropout: numpy.ndarray | None = None, "
                  "h_dropout: numpy.ndarray | None = None, keep_sums: bool = False) -> "
                  "tuple[numpy.ndarray, numpy.ndarray | None]"));
    m.def("simple_rnn_predict", &simple_rnn_predict, any("x"), any("h0"), "weights"_a, none_or("mask"),
          nb::arg("activation").none() = "tanh", "sequences"_a = false,
          nb::sig(
              "def simple_rnn_predict(x: numpy.ndarray, h0: numpy.ndarray | None, weights: PackedSimpleRNN, "
              "mask: numpy.ndarray | None = None, activation: str = 'tanh', "
              "sequences: bool = False) -> "
              "tuple[numpy.ndarray | None, numpy.ndarray]"));
    m.def("simple_rnn_backward", &simple_rnn_backward, any("tape"), any("x"), any("h0"), any("W"), any("U"),
          none_or("dh"), none_or("dh_T"), none_or("mask"), nb::arg("activation").none() = "tanh",
          none_or("x_dropout"), none_or("h_dropout"),
          nb::arg("wants").none() = nb::make_tuple(true, true, true, true, true),
          nb::sig("def simple_rnn_backward(tape: tuple[numpy.ndarray, numpy.ndarray | None], x: "
                  "numpy.ndarray, h0: numpy.ndarray | None, W: numpy.ndarray, "
                  "U: numpy.ndarray, dh: numpy.ndarray | None = None, dh_T: numpy.ndarray | None = None, "
                  "mask: numpy.ndarray | None = None, activation: str = 'tanh', "
                  "x_dropout: numpy.ndarray | None = None, h_dropout: numpy.ndarray | None = None, "
                  "wants: tuple[bool, bool, bool, bool, bool] = (True, True, True, True, True)) -> "
                  "tuple[numpy.ndarray | None, numpy.ndarray | None, numpy.ndarray | None, "
                  "numpy.ndarray | None, numpy.ndarray | None]"));
}

}  // namespace gatewise
