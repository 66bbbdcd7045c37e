// NumPy arrays, in and out, for bindings.cpp.
//
// The idea: an argument is read through `__array_struct__`, which costs a tenth of a microsecond, accepts
// read-only arrays and needs no NumPy headers; results are made by calling `numpy.empty`. Every argument is
// checked for type, rank and shape before a kernel sees it, and the message names the function, the
// argument, what came and what was expected.
#pragma once

#include <nanobind/nanobind.h>
#include <nanobind/stl/string.h>

#include <cstddef>
#include <cstdint>
#include <string>

#include "kernels.h"

namespace gatewise {

namespace nb = nanobind;
using Index = std::ptrdiff_t;

constexpr int kMostAxes = 4;

// Letters for the axes a function's arguments share, and the sizes they turned out to have.
struct Axes {
    const char* function;
    char letters[12] = {};
    Index sizes[12] = {};
    int count = 0;

    explicit Axes(const char* name) : function(name) {}
    void set(char letter, Index size) {
        letters[count] = letter;
        sizes[count++] = size;
    }
    Index* find(char letter) {
        for (int i = 0; i < count; ++i)
            if (letters[i] == letter) return &sizes[i];
        return nullptr;
    }
};

// An array argument; `keeper` holds what owns the data.
struct Array {
    char* data = nullptr;
    char kind = 0;  // 'f', 'b', ...
    int item = 0;   // bytes in an element
    int rank = 0;
    bool writeable = false, contiguous = false;
    Index shape[kMostAxes] = {}, strides[kMostAxes] = {};  // strides in elements
    nb::object keeper;
    nb::object description;  // where that is no NumPy array: its memory may live no longer than this

    explicit operator bool() const { return data != nullptr; }
    Index size() const {
        Index n = 1;
        for (int i = 0; i < rank; ++i) n *= shape[i];
        return n;
    }
    template <class T>
    T* as() const {
        return reinterpret_cast<T*>(data);
    }
    template <class T>
    View2<T> view2() const {
        return {as<T>(), strides[0]};
    }
    template <class T>
    View3<T> view3() const {
        return {as<T>(), strides[0], strides[1]};
    }
};

// The one dtype of a call: 4 (float32) or 8 (float64); 0 until the first array has come.
struct FloatType {
    int item = 0;
    const char* from = nullptr;
};

// True for numpy.ndarray itself.
bool is_numpy_array(nb::handle value);

// The argument as it is: any dtype, any rank up to kMostAxes, any strides.
Array read_array(const char* function, const char* name, nb::handle value);

// The same, but absent where the kernels cannot read the value as it lies in memory.
Array read_in_place(nb::handle value);

// Refuse all but float32 and float64, and a type other than the call's.
void check_float(const char* function, FloatType& type, const char* name, const Array& array);

// A float array of the shape that `pattern` spells, one character an axis: a letter is an axis shared by the
// arguments (bound at first use), a digit before a letter means so many times it. The last axis comes
// contiguous: an array where it is not is copied. None gives an absent array where `optional`.
Array read_floats(Axes& axes, FloatType& type, const char* name, nb::handle value, const char* pattern,
                  bool optional = false);

// A bool array (N, T), or absent.
Array read_mask(Axes& axes, nb::handle value);

// A flat, contiguous float array of `size` elements (any size where negative); writeable where asked.
Array read_flat(const char* function, FloatType& type, const char* name, nb::handle value, Index size,
                bool writeable);

// A new C-contiguous float array.
Array make_array(FloatType type, const Index* shape, int rank);
inline Array make_array(FloatType type, Index a, Index b) {
    const Index shape[] = {a, b};
    return make_array(type, shape, 2);
}
inline Array make_array(FloatType type, Index a, Index b, Index c) {
    const Index shape[] = {a, b, c};
    return make_array(type, shape, 3);
}
inline Array make_array(FloatType type, Index a, Index b, Index c, Index d) {
    const Index shape[] = {a, b, c, d};
    return make_array(type, shape, 4);
}

// An array made by make_array, or None where it was not wanted.
inline nb::object result(const Array& array) { return array ? array.keeper : nb::none(); }

Activation read_activation(const char* function, const char* argument, nb::handle name);
const char* activation_name(Activation a);

}  // namespace gatewise
