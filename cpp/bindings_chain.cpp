// Chains of layers for Python: see chain.h and training_chain.h.
#include "training_chain.h"

namespace gatewise {
namespace {

template <class T>
nb::tuple copied_as_none(const T&) {
    return nb::make_tuple(nb::borrow(nb::handle(reinterpret_cast<PyObject*>(Py_TYPE(Py_None)))), nb::tuple());
}

}  // namespace

void define_chain(nb::module_& m) {
    using namespace nb::literals;
    nb::class_<Chain>(m, "Chain", "A chain of layers in prediction: see gatewise.chains.")
        .def(nb::init<int, int, Index, nb::list, nb::list, nb::object, nb::tuple>(), "item"_a, "rank"_a,
             "features"_a, "stages"_a, "variables"_a, "weights"_a, "circumstances"_a)
        .def("__call__", &Chain::predict, any("x"),
             nb::sig("def __call__(self, x: object) -> numpy.ndarray | None"),
             "The output for x, or None where the general way is to be gone.")
        .def("__reduce__", &copied_as_none<Chain>,
             "A copy of a model makes a chain of its own when it needs one.");
    nb::class_<TrainingChain>(m, "TrainingChain", "A chain of layers in training: see gatewise.chains.")
        .def(nb::init<nb::object, nb::list, nb::list, nb::tuple, nb::list>(), "chain"_a, "weights"_a,
             "held"_a, "loss"_a, "metrics"_a)
        .def("step", &TrainingChain::step, any("x"), any("y"), "wants_output"_a = false,
             nb::sig("def step(self, x: object, y: object, wants_output: bool = False) -> object"),
             "The loss of a batch, with its gradients and means kept; None where the general way is to be "
             "gone.")
        .def("is_current", &TrainingChain::is_current, "Whether the model is still as it was.")
        .def("__reduce__", &copied_as_none<TrainingChain>,
             "A copy of a model makes a chain of its own when it needs one.")
        .def("reset", &TrainingChain::reset, "Begins all running means anew.")
        .def("results", &TrainingChain::results, nb::sig("def results(self) -> list[float]"),
             "The running means: the loss, then each metric.");
}

}  // namespace gatewise
