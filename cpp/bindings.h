// What the parts of the Python module share: calling kernels, and the functions each part offers.
#pragma once

#include <type_traits>

#include "arrays.h"
#include "instruction_sets.h"

namespace gatewise {

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

void define_lstm(nb::module_& m);      // bindings_lstm.cpp
void define_products(nb::module_& m);  // bindings_products.cpp: matmul, activations, optimizers

// Arguments that may be None: those that have a default, and those that the functions refuse by name.
inline auto any(const char* name) { return nb::arg(name).none(); }
inline auto none_or(const char* name) { return nb::arg(name).none() = nb::none(); }

}  // namespace gatewise
