// What the parts of the Python module share: calling kernels, and the functions each part offers.
#pragma once

#include <memory>
#include <type_traits>

#if defined(__GLIBC__)
#    include <cxxabi.h>
#    include <unistd.h>
#endif

#include "arrays.h"
#include "instruction_sets.h"
#include "memory.h"
#include "subnormals.h"
#include "together.h"

namespace gatewise {

constexpr double kFlopsWorthReleasing = 2e5;  // shorter calls keep the interpreter lock

// Lets go of the interpreter lock. A thread that asks for it again when the interpreter has ended is made to
// exit by older Pythons, which glibc does by unwinding the stack: no frame here allows that. It sleeps
// instead until the process ends, as in Python 3.14.
class WithoutLock {
  public:
    WithoutLock() : state_(PyEval_SaveThread()) {}
    ~WithoutLock() {
#if defined(__GLIBC__)
        try {
            PyEval_RestoreThread(state_);
        } catch (const abi::__forced_unwind&) {
            for (;;) pause();
        }
#else
        PyEval_RestoreThread(state_);
#endif
    }
    WithoutLock(const WithoutLock&) = delete;
    WithoutLock& operator=(const WithoutLock&) = delete;

  private:
    PyThreadState* state_;
};

// Calls a kernel, without the interpreter lock where it will take a while.
template <class F>
void call_kernel(double flops, F kernel) {
    if (flops < kFlopsWorthReleasing) {
        const SubnormalsAreZero mode;
        return kernel();
    }
    const WithoutLock released;
    const SubnormalsAreZero mode;
    kernel();
}

// Calls a kernel that runs a recurrence: maybe at the same time as others (together.h).
template <class F>
void call_recurrence(const RecurrentWork& work, F kernel) {
    Gathering* gathering = Gathering::current();
    if (!gathering) return call_kernel(work.flops, kernel);
    gathering->arrive({work, [](void* f) { (*static_cast<F*>(f))(); }, &kernel});
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

template <class T>
View2<T> view2(const Array& a) {
    return a ? a.view2<T>() : View2<T>{};
}
template <class T>
View3<T> view3(const Array& a) {
    return a ? a.view3<T>() : View3<T>{};
}

// Refuse sizes whose memory cannot be counted: arrays without strides may claim them, and products would
// wrap.
inline void check_countable(const std::string& function, double rows, double columns) {
    const double bytes = rows * columns * sizeof(double);
    if (bytes > 4e18)
        throw nb::value_error((function + ": these sizes need more memory than there can be").c_str());
}

// A tuple of at least `least` items.
nb::tuple read_tuple(const char* function, const char* name, nb::handle value, std::size_t least);

// `count` booleans from a tuple; `expected` says in words what they are.
void read_wants(const char* function, const char* expected, nb::handle value, int count, bool* wants);

struct Free {
    void operator()(void* p) const { release(p); }
};
using OwnedMemory = std::unique_ptr<void, Free>;

void define_lstm(nb::module_& m);           // bindings_lstm.cpp
void define_lstm_variants(nb::module_& m);  // bindings_lstm_variants.cpp
void define_gru(nb::module_& m);            // bindings_gru.cpp
void define_simple_rnn(nb::module_& m);     // bindings_simple_rnn.cpp
void define_narrow(nb::module_& m);         // bindings_narrow.cpp: weights of fewer bits
void define_products(nb::module_& m);       // bindings_products.cpp: matmul, activations
void define_optimizers(nb::module_& m);     // bindings_optimizers.cpp
void define_stream(nb::module_& m);         // bindings_stream.cpp
void define_chain(nb::module_& m);          // bindings_chain.cpp
void define_losses(nb::module_& m);         // bindings_losses.cpp
void define_plan(nb::module_& m);           // bindings_plan.cpp: what kernels would do

// A recurrent layer's packed weights, as bindings_stream.cpp reads them.
struct PackedCell {
    const Kernels* made_for = nullptr;
    int item = 0;
    Index F = 0, H = 0;
    const void* memory = nullptr;
    bool reset_after = false;  // GRU
};
// Of a PackedLSTM, a PackedGRU, a PackedSimpleRNN; they throw for anything else.
PackedCell packed_lstm(nb::handle weights);
PackedCell packed_gru(nb::handle weights);
PackedCell packed_simple_rnn(nb::handle weights);

// Arguments that may be None: those that have a default, and those that the functions refuse by name.
inline auto any(const char* name) { return nb::arg(name).none(); }
inline auto none_or(const char* name) { return nb::arg(name).none() = nb::none(); }

}  // namespace gatewise
