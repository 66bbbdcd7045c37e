// The kernels of the LSTM's variants for Python.
#include "bindings_lstm_variants.h"

namespace gatewise {
namespace lstm_variants {
namespace {

// ---- the functions ------------------------------------------------------------------------------------

nb::tuple forward(nb::handle x, nb::handle h0, nb::handle c0, nb::handle weights_, nb::handle options_,
                  nb::handle mask, nb::handle activation, nb::handle recurrent, nb::handle x_dropout,
                  nb::handle h_dropout, nb::handle keep_c, nb::handle keep_h, bool keep_sums) {
    Axes axes("lstm_variant_forward");
    FloatType type;
    const Weights weights = read_weights(axes, type, weights_);
    const LstmVariantOptions options = read_options(axes, options_);
    LstmVariantSizes sizes = sizes_of(axes, weights);
    const Given given = read_given(
        axes, type, {x, h0, c0, mask, activation, recurrent, x_dropout, h_dropout, keep_c, keep_h}, sizes);
    const Tape tape = make_tape(type, sizes, keep_sums || given.needs_z(), given.keep_c || options.zoneout_cell > 0);
    dispatch(type, [&](auto* p) {
        using T = GATEWISE_ELEMENT(p);
        const KernelsOf<T>& k = of<T>(kernels());
        LstmVariantForward<T> in = forward_of<T>(sizes, options, given);
        in.h = tape.of[0].view3<T>();
        in.c = tape.of[1].view3<T>();
        T** const rest[] = {&in.gates,    &in.z,        &in.candidate, &in.unprojected,
                            &in.normal_x, &in.normal_h, &in.statistics};
        for (int i = 2; i < kTape; ++i) *rest[i - 2] = tape.of[i] ? tape.of[i].template as<T>() : nullptr;
        call_recurrence(work_of(sizes, type), [&] {
            Workspace workspace;
            T* packed = static_cast<T*>(workspace.take(sizeof(T) * k.lstm_variant_packed_size(sizes)));
            k.lstm_variant_pack(sizes, weights.views<T>(), packed);
            in.packed = packed;
            k.lstm_variant_forward(in);
        });
    });
    return tape.as_tuple();
}

nb::tuple predict(nb::handle x, nb::handle h0, nb::handle c0, const PackedVariant& weights,
                  nb::handle options_, nb::handle mask, nb::handle activation, nb::handle recurrent,
                  bool sequences) {
    Axes axes("lstm_variant_predict");
    FloatType type = {weights.type.item, "weights"};
    LstmVariantSizes sizes = weights.sizes;
    axes.set('F', sizes.F);
    axes.set('H', sizes.H);
    axes.set('P', sizes.P);
    const LstmVariantOptions options = read_options(axes, options_);
    const nb::object none = nb::none();
    const Given given =
        read_given(axes, type, {x, h0, c0, mask, activation, recurrent, none, none, none, none}, sizes);
    const Array h_last = make_array(type, sizes.N, sizes.P), c_last = make_array(type, sizes.N, sizes.H);
    Array h;
    if (sequences) h = make_array(type, sizes.N, sizes.T, sizes.P);
    dispatch(type, [&](auto* p) {
        using T = GATEWISE_ELEMENT(p);
        LstmVariantForward<T> in = forward_of<T>(sizes, options, given);
        in.packed = weights.memory<T>();
        in.h = view3<T>(h);
        in.h_last = h_last.view2<T>();
        in.c_last = c_last.view2<T>();
        call_recurrence(work_of(sizes, type), [&] { of<T>(weights.made_for()).lstm_variant_forward(in); });
    });
    return nb::make_tuple(result(h), h_last.keeper, c_last.keeper);
}

// A new array like each weight whose gradient is wanted.
void make_gradients(FloatType type, const Weights& weights, const bool* wants, Array* made) {
    for (int i = 0; i < kWeights; ++i)
        if (wants[i] && weights.of[i]) made[i] = make_array(type, weights.of[i].shape, weights.of[i].rank);
}

nb::tuple backward(nb::handle tape_, nb::handle x, nb::handle h0, nb::handle c0, nb::handle weights_,
                   nb::handle options_, nb::handle dh_, nb::handle dh_T_, nb::handle dc_T_, nb::handle mask,
                   nb::handle activation, nb::handle recurrent, nb::handle x_dropout, nb::handle h_dropout,
                   nb::handle keep_c, nb::handle keep_h, nb::handle dc_, nb::handle wants_) {
    Axes axes("lstm_variant_backward");
    FloatType type;
    bool wants[2 + kWeights];
    read_wants(axes.function, "eleven booleans (dx, dstates, and one for each weight)", wants_, 2 + kWeights,
               wants);
    const Weights weights = read_weights(axes, type, weights_);
    const LstmVariantOptions options = read_options(axes, options_);
    LstmVariantSizes sizes = sizes_of(axes, weights);
    const Given given = read_given(
        axes, type, {x, h0, c0, mask, activation, recurrent, x_dropout, h_dropout, keep_c, keep_h}, sizes);
    const Tape tape =
        read_tape(axes, type, tape_, sizes, given.needs_z(), given.keep_c || options.zoneout_cell > 0);
    const Array dh = read_floats(axes, type, "dh", dh_, "NTP", true),
                dc = read_floats(axes, type, "dc", dc_, "NTH", true);
    const Array dh_T = read_floats(axes, type, "dh_T", dh_T_, "NP", true),
                dc_T = read_floats(axes, type, "dc_T", dc_T_, "NH", true);

    Array dx, dh0, dc0, made[kWeights];
    if (wants[0]) dx = make_array(type, sizes.N, sizes.T, sizes.F);
    if (wants[1]) dh0 = make_array(type, sizes.N, sizes.P);
    if (wants[1]) dc0 = make_array(type, sizes.N, sizes.H);
    make_gradients(type, weights, wants + 2, made);
    dispatch(type, [&](auto* p) {
        using T = GATEWISE_ELEMENT(p);
        const LstmVariantForward<T> same = forward_of<T>(sizes, options, given);
        const auto held = [&](int i) { return tape.of[i] ? tape.of[i].template as<const T>() : nullptr; };
        const auto gradient = [&](int i) { return made[i].template as<T>(); };
        const LstmVariantBackward<T> in = {sizes,
                                           options,
                                           weights.views<T>(),
                                           same.x,
                                           same.h0,
                                           same.c0,
                                           same.x_dropout,
                                           same.h_dropout,
                                           same.mask,
                                           same.keep_c,
                                           same.keep_h,
                                           same.activation,
                                           same.recurrent_activation,
                                           held(0),
                                           held(1),
                                           held(2),
                                           held(3),
                                           held(4),
                                           held(5),
                                           held(6),
                                           held(7),
                                           held(8),
                                           view3<const T>(dh),
                                           view3<const T>(dc),
                                           view2<const T>(dh_T),
                                           view2<const T>(dc_T),
                                           dx.as<T>(),
                                           dh0.as<T>(),
                                           dc0.as<T>(),
                                           gradient(0),
                                           gradient(1),
                                           gradient(2),
                                           gradient(3),
                                           gradient(4),
                                           gradient(5),
                                           gradient(6),
                                           gradient(7),
                                           gradient(8)};
        call_recurrence(work_of(sizes, type), [&] { of<T>(kernels()).lstm_variant_backward(in); });
    });
    return nb::make_tuple(result(dx), result(dh0), result(dc0), result(made[0]), result(made[1]),
                          result(made[2]), result(made[3]), result(made[4]), result(made[5]), result(made[6]),
                          result(made[7]), result(made[8]));
}

}  // namespace
}  // namespace lstm_variants

void define_lstm_variants(nb::module_& m) {
    using namespace nb::literals;
    using namespace lstm_variants;
    nb::class_<PackedVariant>(m, "PackedLSTMVariant",
                              "Weights of a variant of the LSTM in the kernels' own order, for any number of "
                              "lstm_variant_predict calls.")
        .def_prop_ro(
            "features", [](const PackedVariant& w) { return w.sizes.F; }, "F, the number of input features.")
        .def_prop_ro(
            "units", [](const PackedVariant& w) { return w.sizes.H; }, "H, the number of units.")
        .def_prop_ro(
            "outputs", [](const PackedVariant& w) { return w.sizes.P; }, "P, the length of the output.");
    m.def(
        "pack_lstm_variant", [](nb::handle weights) { return new PackedVariant(weights); }, any("weights"),
        nb::rv_policy::take_ownership,
        nb::sig("def pack_lstm_variant(weights: tuple[numpy.ndarray | None, ...]) -> PackedLSTMVariant"));
    m.def("lstm_variant_forward", &forward, any("x"), any("h0"), any("c0"), any("weights"), any("options"),
          none_or("mask"), nb::arg("activation").none() = "tanh",
          nb::arg("recurrent_activation").none() = "sigmoid", none_or("x_dropout"), none_or("h_dropout"),
          none_or("keep_c"), none_or("keep_h"), "keep_sums"_a = false,
          nb::sig("def lstm_variant_forward(x: numpy.ndarray, h0: numpy.ndarray | None, c0: numpy.ndarray | "
                  "None, weights: tuple[numpy.ndarray | None, ...], options: tuple[float, float, float, "
                  "float], mask: numpy.ndarray | None = None, activation: str = 'tanh', "
                  "recurrent_activation: str = 'sigmoid', x_dropout: numpy.ndarray | None = None, h_dropout: "
                  "numpy.ndarray | None = None, keep_c: numpy.ndarray | None = None, keep_h: numpy.ndarray | "
                  "None = None, keep_sums: bool = False) -> tuple[numpy.ndarray | None, ...]"));
    m.def("lstm_variant_predict", &predict, any("x"), any("h0"), any("c0"), "weights"_a, any("options"),
          none_or("mask"), nb::arg("activation").none() = "tanh",
          nb::arg("recurrent_activation").none() = "sigmoid", "sequences"_a = false,
          nb::sig("def lstm_variant_predict(x: numpy.ndarray, h0: numpy.ndarray | None, c0: numpy.ndarray | "
                  "None, weights: PackedLSTMVariant, options: tuple[float, float, float, float], mask: "
                  "numpy.ndarray | None = None, activation: str = 'tanh', recurrent_activation: str = "
                  "'sigmoid', sequences: bool = False) -> tuple[numpy.ndarray | None, numpy.ndarray, "
                  "numpy.ndarray]"));
    m.def("lstm_variant_backward", &backward, any("tape"), any("x"), any("h0"), any("c0"), any("weights"),
          any("options"), none_or("dh"), none_or("dh_T"), none_or("dc_T"), none_or("mask"),
          nb::arg("activation").none() = "tanh", nb::arg("recurrent_activation").none() = "sigmoid",
          none_or("x_dropout"), none_or("h_dropout"), none_or("keep_c"), none_or("keep_h"), none_or("dc"),
          nb::arg("wants").none() =
              nb::make_tuple(true, true, true, true, true, true, true, true, true, true, true),
          nb::sig("def lstm_variant_backward(tape: tuple[numpy.ndarray | None, ...], x: numpy.ndarray, h0: "
                  "numpy.ndarray | None, c0: numpy.ndarray | None, weights: tuple[numpy.ndarray | None, "
                  "...], options: tuple[float, float, float, float], dh: numpy.ndarray | None = None, dh_T: "
                  "numpy.ndarray | None = None, dc_T: numpy.ndarray | None = None, mask: numpy.ndarray | "
                  "None = None, activation: str = 'tanh', recurrent_activation: str = 'sigmoid', x_dropout: "
                  "numpy.ndarray | None = None, h_dropout: numpy.ndarray | None = None, keep_c: "
                  "numpy.ndarray | None = None, keep_h: numpy.ndarray | None = None, dc: numpy.ndarray | "
                  "None = None, wants: tuple[bool, ...] = (True, True, True, True, True, True, True, True, "
                  "True, True, True)) -> tuple[numpy.ndarray | None, ...]"));
}

}  // namespace gatewise
