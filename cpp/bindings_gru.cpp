// The GRU kernels for Python.
#include "bindings_recurrent.h"

namespace gatewise {
namespace {

constexpr int kGates = 3;

Array read_bias(Axes& axes, FloatType& type, nb::handle value, bool reset_after) {
    if (reset_after && !axes.find('B')) axes.set('B', 2);  // of the inputs, and of the states
    return read_floats(axes, type, "b", value, reset_after ? "B3H" : "3H", true);
}

// As rows: one of 3H numbers, or two.
template <class T>
View2<const T> rows_of(const Array& bias) {
    return {bias.as<const T>(), bias.rank == 2 ? bias.strides[0] : 0};
}

class PackedGru : public PackedRecurrent {
  public:
    PackedGru(nb::handle W, nb::handle U, nb::handle b, bool after)
        : PackedRecurrent("pack_gru", W, U, kGates), reset_after(after) {
        const Array bias = read_bias(axes_, type, b, after);
        pack([&](const auto& kernels) { return kernels.gru_packed_size(F, H, after); },
             [&](const auto& kernels, auto W, auto U, auto* to) {
                 using T = GATEWISE_ELEMENT(to);
                 kernels.gru_pack(W, U, rows_of<T>(bias), F, H, after, to);
             });
    }

    const bool reset_after;
};

nb::tuple gru_forward(nb::handle x_, nb::handle h0_, nb::handle W_, nb::handle U_, nb::handle b_,
                      nb::handle mask_, nb::handle activation_, nb::handle recurrent_, bool reset_after,
                      nb::handle x_dropout_, nb::handle h_dropout_, bool keep_sums) {
    Axes axes("gru_forward");
    FloatType type;
    const RecurrentArguments read =
        read_arguments(axes, type, kGates, x_, h0_, W_, U_, mask_, x_dropout_, h_dropout_);
    const Array b = read_bias(axes, type, b_, reset_after);
    const RecurrentSizes& sizes = read.sizes;
    const Activation a = read_activation(axes.function, "activation", activation_);
    const Activation s = read_activation(axes.function, "recurrent_activation", recurrent_);

    const Array h = make_array(type, sizes.N, sizes.T, sizes.H);
    const Array gates = make_array(type, sizes.N, sizes.T, kGates, sizes.H);
    const Array recurrent = make_array(type, sizes.N, sizes.T, sizes.H);
    Array sums;
    if (keep_sums || derivative_needs_input(a) || derivative_needs_input(s))
        sums = make_array(type, sizes.N, sizes.T, kGates, sizes.H);
    dispatch(type, [&](auto* p) {
        using T = GATEWISE_ELEMENT(p);
        const KernelsOf<T>& k = of<T>(kernels());
        GruForward<T> in = {};
        read.fill<T>(in);
        in.reset_after = reset_after;
        in.activation = a;
        in.recurrent_activation = s;
        in.h = h.view3<T>();
        in.gates = gates.as<T>();
        in.recurrent = recurrent.as<T>();
        in.sums = sums.as<T>();
        call_recurrence(recurrent_work(sizes, kGates, type), [&] {
            Workspace workspace;
            const Index size = k.gru_packed_size(sizes.F, sizes.H, reset_after);
            T* packed = static_cast<T*>(workspace.take(sizeof(T) * size));
            k.gru_pack(read.W.view2<const T>(), read.U.view2<const T>(), rows_of<T>(b), sizes.F, sizes.H,
                       reset_after, packed);
            in.packed = packed;
            k.gru_forward(in);
        });
    });
    return nb::make_tuple(h.keeper, gates.keeper, recurrent.keeper, result(sums));
}

nb::tuple gru_predict(nb::handle x_, nb::handle h0_, const PackedGru& weights, nb::handle mask_,
                      nb::handle activation_, nb::handle recurrent_, bool sequences) {
    Axes axes("gru_predict");
    FloatType type = {weights.type.item, "weights"};
    axes.set('F', weights.F);
    axes.set('H', weights.H);
    const RecurrentArguments read =
        read_arguments(axes, type, kGates, x_, h0_, {}, {}, mask_, nb::none(), nb::none());
    const RecurrentSizes& sizes = read.sizes;
    const Activation a = read_activation(axes.function, "activation", activation_);
    const Activation s = read_activation(axes.function, "recurrent_activation", recurrent_);

    const Array h_last = make_array(type, sizes.N, sizes.H);
    Array h;
    if (sequences) h = make_array(type, sizes.N, sizes.T, sizes.H);
    dispatch(type, [&](auto* p) {
        using T = GATEWISE_ELEMENT(p);
        GruForward<T> in = {};
        read.fill<T>(in);
        in.packed = weights.memory<T>();
        in.reset_after = weights.reset_after;
        in.activation = a;
        in.recurrent_activation = s;
        in.h = view3<T>(h);
        in.h_last = h_last.view2<T>();
        call_recurrence(recurrent_work(sizes, kGates, type), [&] { of<T>(weights.made_for()).gru_forward(in); });
    });
    return nb::make_tuple(result(h), h_last.keeper);
}

struct Tape {
    Array h, gates, recurrent, sums;
};

Tape read_tape(Axes& axes, FloatType& type, nb::handle value, bool needs_sums) {
    check_tape(axes, value, 4, "gru_forward");
    const Tape tape = {read_of_tape(axes, type, value, 0, "tape.h", "NTH"),
                       read_of_tape(axes, type, value, 1, "tape.gates", "NTGH"),
                       read_of_tape(axes, type, value, 2, "tape.recurrent", "NTH"),
                       read_of_tape(axes, type, value, 3, "tape.sums", "NTGH", true)};
    if (*axes.find('G') != kGates)
        throw nb::value_error("gru_backward: tape.gates must have 3 gates on axis 2");
    if (needs_sums && !tape.sums)
        throw nb::value_error(
            "gru_backward: these activations need tape.sums; the tape was made with others");
    return tape;
}

nb::tuple gru_backward(nb::handle tape_, nb::handle x_, nb::handle h0_, nb::handle W_, nb::handle U_,
                       nb::handle dh_, nb::handle dh_T_, nb::handle mask_, nb::handle activation_,
                       nb::handle recurrent_, bool reset_after, nb::handle x_dropout_, nb::handle h_dropout_,
                       nb::handle wants_) {
    Axes axes("gru_backward");
    FloatType type;
    const Activation a = read_activation(axes.function, "activation", activation_);
    const Activation s = read_activation(axes.function, "recurrent_activation", recurrent_);
    const Wants wants(axes.function, "five booleans (dx, dstates, dW, dU, db)", wants_);
    const RecurrentArguments read =
        read_arguments(axes, type, kGates, x_, h0_, W_, U_, mask_, x_dropout_, h_dropout_);
    const Tape tape = read_tape(axes, type, tape_, derivative_needs_input(a) || derivative_needs_input(s));
    const Array dh = read_floats(axes, type, "dh", dh_, "NTH", true);
    const Array dh_T = read_floats(axes, type, "dh_T", dh_T_, "NH", true);

    const RecurrentGradients gradients(type, read.sizes, kGates, reset_after ? 2 : 0, wants);
    dispatch(type, [&](auto* p) {
        using T = GATEWISE_ELEMENT(p);
        GruBackward<T> in = {};
        read.fill<T>(in);
        gradients.fill<T>(in);
        in.W = read.W.view2<const T>();
        in.U = read.U.view2<const T>();
        in.reset_after = reset_after;
        in.activation = a;
        in.recurrent_activation = s;
        in.h = tape.h.view3<const T>();
        in.gates = tape.gates.as<const T>();
        in.recurrent = tape.recurrent.as<const T>();
        in.sums = tape.sums.as<const T>();
        in.dh = view3<const T>(dh);
        in.dh_last = view2<const T>(dh_T);
        call_recurrence(recurrent_work(read.sizes, kGates, type), [&] { of<T>(kernels()).gru_backward(in); });
    });
    return gradients.results();
}

}  // namespace

PackedCell packed_gru(nb::handle weights) {
    const auto& packed = nb::cast<const PackedGru&>(weights);
    PackedCell cell = cell_of(packed);
    cell.reset_after = packed.reset_after;
    return cell;
}

void define_gru(nb::module_& m) {
    using namespace nb::literals;
    nb::class_<PackedGru>(m, "PackedGRU",
                          "GRU weights in the kernels' own order, for any number of gru_predict calls.")
        .def_prop_ro(
            "features", [](const PackedGru& w) { return w.F; }, "F, the number of input features.")
        .def_prop_ro("units", [](const PackedGru& w) { return w.H; }, "H, the number of units.");
    m.def(
        "pack_gru",
        [](nb::handle W, nb::handle U, nb::handle b, bool reset_after) {
            return new PackedGru(W, U, b, reset_after);
        },
        any("W"), any("U"), none_or("b"), "reset_after"_a = true, nb::rv_policy::take_ownership,
        nb::sig("def pack_gru(W: numpy.ndarray, U: numpy.ndarray, b: numpy.ndarray | None = None, "
                "reset_after: bool = True) -> PackedGRU"));
    m.def("gru_forward", &gru_forward, any("x"), any("h0"), any("W"), any("U"), any("b"), none_or("mask"),
          nb::arg("activation").none() = "tanh", nb::arg("recurrent_activation").none() = "sigmoid",
          "reset_after"_a = true, none_or("x_dropout"), none_or("h_dropout"), "keep_sums"_a = false,
          nb::sig("def gru_forward(x: numpy.ndarray, h0: numpy.ndarray | None, W: numpy.ndarray, "
                  "U: numpy.ndarray, b: numpy.ndarray | None, mask: numpy.ndarray | None = None, "
                  "activation: str = 'tanh', recurrent_activation: str = 'sigmoid', "
                  "reset_after: bool = True, x_dropout: numpy.ndarray | None = None, "
                  "h_dropout: numpy.ndarray | None = None, keep_sums: bool = False) -> "
                  "tuple[numpy.ndarray, numpy.ndarray, numpy.ndarray, numpy.ndarray | None]"));
    m.def("gru_predict", &gru_predict, any("x"), any("h0"), "weights"_a, none_or("mask"),
          nb::arg("activation").none() = "tanh", nb::arg("recurrent_activation").none() = "sigmoid",
          "sequences"_a = false,
          nb::sig("def gru_predict(x: numpy.ndarray, h0: numpy.ndarray | None, weights: PackedGRU, "
                  "mask: numpy.ndarray | None = None, activation: str = 'tanh', "
                  "recurrent_activation: str = 'sigmoid', sequences: bool = False) -> "
                  "tuple[numpy.ndarray | None, numpy.ndarray]"));
    m.def("gru_backward", &gru_backward, any("tape"), any("x"), any("h0"), any("W"), any("U"), none_or("dh"),
          none_or("dh_T"), none_or("mask"), nb::arg("activation").none() = "tanh",
          nb::arg("recurrent_activation").none() = "sigmoid", "reset_after"_a = true, none_or("x_dropout"),
          none_or("h_dropout"), nb::arg("wants").none() = nb::make_tuple(true, true, true, true, true),
          nb::sig("def gru_backward(tape: tuple[numpy.ndarray, numpy.ndarray, numpy.ndarray, "
                  "numpy.ndarray | None], x: numpy.ndarray, h0: numpy.ndarray | None, W: numpy.ndarray, "
                  "U: numpy.ndarray, dh: numpy.ndarray | None = None, dh_T: numpy.ndarray | None = None, "
                  "mask: numpy.ndarray | None = None, activation: str = 'tanh', "
                  "recurrent_activation: str = 'sigmoid', reset_after: bool = True, "
                  "x_dropout: numpy.ndarray | None = None, h_dropout: numpy.ndarray | None = None, "
                  "wants: tuple[bool, bool, bool, bool, bool] = (True, True, True, True, True)) -> "
                  "tuple[numpy.ndarray | None, numpy.ndarray | None, numpy.ndarray | None, "
                  "numpy.ndarray | None, numpy.ndarray | None]"));
}

}  // namespace gatewise
