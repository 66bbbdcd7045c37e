// The Python module gatewise.kernels._native: arguments in, checks, kernels, results out.
#include "bindings.h"

#include "threads.h"

namespace gatewise {
namespace {

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

nb::tuple read_tuple(const char* function, const char* name, nb::handle value, std::size_t least) {
    if (!PyTuple_Check(value.ptr()) || static_cast<std::size_t>(PyTuple_Size(value.ptr())) < least)
        throw nb::value_error((std::string(function) + ": " + name + " must be a tuple of at least " +
                               std::to_string(least) + " items")
                                  .c_str());
    return nb::borrow<nb::tuple>(value);
}

void read_wants(const char* function, const char* expected, nb::handle value, int count, bool* wants) {
    const nb::object items = nb::steal(PySequence_Tuple(value.ptr()));
    if (!items.is_valid() || PyTuple_Size(items.ptr()) != count) {
        PyErr_Clear();
        throw nb::value_error((std::string(function) + ": wants must be " + expected).c_str());
    }
    for (int i = 0; i < count; ++i) {
        const int truth = PyObject_IsTrue(PyTuple_GetItem(items.ptr(), i));
        if (truth < 0) nb::raise_python_error();
        wants[i] = truth == 1;
    }
}

}  // namespace gatewise

NB_MODULE(_native, m) {
    using namespace gatewise;
    using namespace nb::literals;
    m.doc() = "Recurrent kernels in C++. Use them through gatewise.kernels, which documents them.";
    // A value of another type where a tuple or a list holds it; arguments of functions are refused by name.
    nb::register_exception_translator([](const std::exception_ptr& thrown, void*) {
        try {
            std::rethrow_exception(thrown);
        } catch (const nb::cast_error&) {
            PyErr_SetString(PyExc_TypeError, "a value within an argument has a type that does not fit there");
        }
    });
    kernels();  // an unknown $GATEWISE_ISA is an error now, not in the first kernel

    define_lstm(m);
    define_lstm_variants(m);
    define_gru(m);
    define_simple_rnn(m);
    define_narrow(m);
    define_products(m);
    define_optimizers(m);
    define_stream(m);
    define_chain(m);
    define_losses(m);
    define_plan(m);
    m.def("get_threads", &get_threads, "The number of threads a kernel may use.");
    m.def("set_threads", &set_threads_checked, "count"_a, "Sets the number of threads a kernel may use.");
    m.def(
        "together", [](nb::tuple calls) { return Gathering(std::move(calls)).results(); }, "calls"_a,
        nb::sig("def together(calls: tuple[typing.Callable[[], typing.Any], ...]) -> list[typing.Any]"),
        "The results of all calls; the first recurrence of each runs at the same time as the others' where that "
        "is expected to pay.");
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
