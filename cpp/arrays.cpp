// Reading and making NumPy arrays: see arrays.h.
#include "arrays.h"

#include <cstdlib>
#include <cstring>

namespace gatewise {

namespace {

// What `__array_struct__` holds (the NumPy array interface, version 3).
struct ArrayInterface {
    int two, rank;
    char kind;
    int item, flags;
    Index *shape, *strides;
    void* data;
    PyObject* description;
};
constexpr int kAligned = 0x100, kNativeOrder = 0x200, kWriteable = 0x400;

// Kept for the life of the process, and never released: module teardown may come after the interpreter's.
struct Names {
    PyObject *array_struct, *empty, *ascontiguousarray, *ndarray, *float32, *float64;
};
const Names& names() {
    static const Names kept = [] {
        const nb::module_ numpy = nb::module_::import_("numpy");
        const auto keep = [&](const char* name) { return nb::object(numpy.attr(name)).release().ptr(); };
        return Names{PyUnicode_InternFromString("__array_struct__"),
                     keep("empty"),
                     keep("ascontiguousarray"),
                     keep("ndarray"),
                     nb::object(numpy.attr("dtype")("float32")).release().ptr(),
                     nb::object(numpy.attr("dtype")("float64")).release().ptr()};
    }();
    return kept;
}

std::string python_type(nb::handle value) {
    return nb::cast<std::string>(
        nb::handle(reinterpret_cast<PyObject*>(Py_TYPE(value.ptr()))).attr("__name__"));
}

std::string dtype_name(nb::handle array) {
    if (!nb::hasattr(array, "dtype")) return "something of " + python_type(array);
    return nb::cast<std::string>(nb::steal(PyObject_Str(nb::object(array.attr("dtype")).ptr())));
}

std::string text_of(Index n) { return std::to_string(n); }

[[noreturn]] void refuse_value(const char* function, const char* name, nb::handle value) {
    nb::raise_type_error("%s: %s must be a NumPy array of float32 or float64, got %s", function, name,
                         value.is_none() ? "None" : python_type(value).c_str());
}

std::string shape_text(const Array& array) {
    std::string text = "(";
    for (int i = 0; i < array.rank; ++i) text += (i ? ", " : "") + text_of(array.shape[i]);
    return text + (array.rank == 1 ? ",)" : ")");
}

// The factor before an axis letter; moves on to the letter.
Index factor_at(const char*& p) { return *p >= '2' && *p <= '9' ? *p++ - '0' : 1; }

// "(F, 4H) = (?, 40)"
std::string pattern_text(Axes& axes, const char* pattern) {
    std::string names, sizes;
    int rank = 0;
    for (const char* p = pattern; *p; ++p, ++rank) {
        const Index factor = factor_at(p);
        const Index* size = axes.find(*p);
        names += std::string(rank ? ", " : "") + (factor > 1 ? text_of(factor) : "") + *p;
        sizes += std::string(rank ? ", " : "") + (size ? text_of(factor * *size) : "?");
    }
    const char* end = rank == 1 ? ",)" : ")";
    return "(" + names + end + " = (" + sizes + end;
}

[[noreturn]] void refuse_shape(Axes& axes, const char* name, const Array& array, const char* pattern) {
    throw nb::value_error((std::string(axes.function) + ": " + name + " has shape " + shape_text(array) +
                           ", expected " + pattern_text(axes, pattern))
                              .c_str());
}

void bind_shape(Axes& axes, const char* name, const Array& array, const char* pattern) {
    int axis = 0;
    for (const char* p = pattern; *p; ++p, ++axis) {
        const Index factor = factor_at(p);
        if (axis >= array.rank) refuse_shape(axes, name, array, pattern);
        const Index* bound = axes.find(*p);
        if (bound ? array.shape[axis] != factor * *bound : array.shape[axis] % factor != 0)
            refuse_shape(axes, name, array, pattern);
        if (!bound) axes.set(*p, array.shape[axis] / factor);
    }
    if (axis != array.rank) refuse_shape(axes, name, array, pattern);
}

Array copied(const char* function, const char* name, nb::handle value) {
    return read_array(function, name, nb::handle(names().ascontiguousarray)(value));
}

bool last_axis_contiguous(const Array& a) {
    return a.rank == 0 || a.shape[a.rank - 1] <= 1 || a.strides[a.rank - 1] == 1;
}

// The array interface of a value, which `capsule` keeps; null where it has none.
const ArrayInterface* interface_of(nb::handle value, nb::object& capsule) {
    capsule = nb::steal(PyObject_GetAttr(value.ptr(), names().array_struct));
    const auto* found = capsule.is_valid()
                            ? static_cast<const ArrayInterface*>(PyCapsule_GetPointer(capsule.ptr(), nullptr))
                            : nullptr;
    if (found && found->two == 2 && found->rank >= 0) return found;
    PyErr_Clear();
    return nullptr;
}

// Whether each step along an axis is a whole number of elements.
bool has_whole_strides(const ArrayInterface& given) {
    if (given.item <= 0) return false;
    for (int i = 0; i < given.rank; ++i)
        if (given.strides[i] % given.item) return false;
    return true;
}

// Whether numbers lie as the kernels read them; nothing but floats is read as numbers.
bool lies_well(const ArrayInterface& given) {
    const int usable = kAligned | kNativeOrder;
    return given.kind != 'f' || ((given.flags & usable) == usable && has_whole_strides(given));
}

Array described(const ArrayInterface& given, nb::handle value, const nb::object& capsule) {
    Array array;
    array.data = static_cast<char*>(given.data);
    array.kind = given.kind;
    array.item = given.item;
    array.rank = given.rank;
    array.writeable = (given.flags & kWriteable) != 0;
    const bool whole_strides = has_whole_strides(given);
    Index next = 1;
    array.contiguous = true;
    for (int i = array.rank - 1; i >= 0; --i) {
        array.shape[i] = given.shape[i];
        array.strides[i] = whole_strides ? given.strides[i] / given.item : 0;
        if (array.shape[i] != 1 && array.strides[i] != next) array.contiguous = false;
        next *= array.shape[i];
    }
    if (next == 0) array.contiguous = true;
    array.keeper = nb::borrow(value);
    if (!is_numpy_array(value)) array.description = capsule;
    return array;
}

}  // namespace

bool is_numpy_array(nb::handle value) {
    return reinterpret_cast<PyObject*>(Py_TYPE(value.ptr())) == names().ndarray;
}

Array read_array(const char* function, const char* name, nb::handle value) {
    nb::object capsule;
    const ArrayInterface* given = interface_of(value, capsule);
    if (!given) refuse_value(function, name, value);
    if (given->rank > kMostAxes)
        throw nb::value_error((std::string(function) + ": " + name + " has " + text_of(given->rank) +
                               " axes, more than the kernels take")
                                  .c_str());
    if (lies_well(*given)) return described(*given, value, capsule);
    if ((given->flags & kNativeOrder) == 0)
        nb::raise_type_error(
            "%s: %s has foreign byte order; convert it with .astype(dtype.newbyteorder('='))", function,
            name);
    return copied(function, name, nb::object(value.attr("copy")()));
}

Array read_in_place(nb::handle value) {
    nb::object capsule;
    const ArrayInterface* given = interface_of(value, capsule);
    return given && given->rank <= kMostAxes && lies_well(*given) ? described(*given, value, capsule)
                                                                  : Array{};
}

void check_float(const char* function, FloatType& type, const char* name, const Array& array) {
    if (array.kind != 'f' || (array.item != 4 && array.item != 8)) {
        nb::raise_type_error("%s: %s must be float32 or float64, got %s", function, name,
                             dtype_name(array.keeper).c_str());
    }
    if (type.item == 0) {
        type = {array.item, name};
    } else if (type.item != array.item) {
        nb::raise_type_error("%s: %s is float%d but %s is float%d; all arrays of a call must have one dtype",
                             function, name, array.item * 8, type.from, type.item * 8);
    }
}

Array read_floats(Axes& axes, FloatType& type, const char* name, nb::handle value, const char* pattern,
                  bool optional) {
    if (value.is_none()) {
        if (optional) return {};
        refuse_value(axes.function, name, value);
    }
    Array array = read_array(axes.function, name, value);
    check_float(axes.function, type, name, array);
    bind_shape(axes, name, array, pattern);
    if (last_axis_contiguous(array)) return array;
    array = copied(axes.function, name, value);
    check_float(axes.function, type, name, array);  // whatever is no NumPy array may answer anew each time
    bind_shape(axes, name, array, pattern);
    return array;
}

Array read_mask(Axes& axes, nb::handle value) {
    if (value.is_none()) return {};
    const Array array = read_array(axes.function, "mask", value);
    if (array.kind != 'b')
        nb::raise_type_error("%s: mask must be a bool array, got %s", axes.function,
                             dtype_name(value).c_str());
    bind_shape(axes, "mask", array, "NT");
    return array;
}

Array read_flat(const char* function, FloatType& type, const char* name, nb::handle value, Index size,
                bool writeable) {
    const Array array = read_array(function, name, value);
    check_float(function, type, name, array);
    if (array.rank != 1 || !array.contiguous)
        throw nb::value_error((std::string(function) + ": " + name +
                               " must be flat and contiguous, got shape " + shape_text(array))
                                  .c_str());
    if (writeable && (!array.writeable || array.keeper.ptr() != value.ptr()))
        throw nb::value_error((std::string(function) + ": " + name +
                               " is changed in place, but the array is read-only or unaligned")
                                  .c_str());
    if (size >= 0 && array.shape[0] != size)
        throw nb::value_error((std::string(function) + ": " + name + " has " + text_of(array.shape[0]) +
                               " elements, expected " + text_of(size))
                                  .c_str());
    return array;
}

Array make_array(FloatType type, const Index* shape, int rank) {
    PyObject* tuple = PyTuple_New(rank);
    if (!tuple) nb::raise_python_error();
    for (int i = 0; i < rank; ++i) PyTuple_SetItem(tuple, i, PyLong_FromSsize_t(shape[i]));
    const nb::object held = nb::steal(tuple);
    PyObject* arguments[] = {nullptr, tuple, type.item == 4 ? names().float32 : names().float64};
    nb::object made = nb::steal(
        PyObject_Vectorcall(names().empty, arguments + 1, 2 | PY_VECTORCALL_ARGUMENTS_OFFSET, nullptr));
    if (!made.is_valid()) nb::raise_python_error();
    return read_array("numpy.empty", "result", made);
}

namespace {
const char* const kActivationNames[] = {"linear",
                                        "sigmoid",
                                        "tanh",
                                        "relu",
                                        "relu6",
                                        "leaky_relu",
                                        "elu",
                                        "selu",
                                        "celu",
                                        "gelu",
                                        "gelu_approximate",
                                        "softplus",
                                        "softsign",
                                        "silu",
                                        "hard_sigmoid",
                                        "hard_sigmoid_keras2",
                                        "hard_silu",
                                        "hard_tanh",
                                        "mish",
                                        "log_sigmoid",
                                        "squareplus",
                                        "exponential",
                                        "tanh_shrink",
                                        "soft_shrink",
                                        "hard_shrink",
                                        "sparse_plus",
                                        "sparse_sigmoid"};
static_assert(sizeof kActivationNames / sizeof *kActivationNames == static_cast<int>(Activation::count));
}  // namespace

const char* activation_name(Activation a) { return kActivationNames[static_cast<int>(a)]; }

Activation read_activation(const char* function, const char* argument, nb::handle name) {
    if (!PyUnicode_Check(name.ptr()))
        nb::raise_type_error("%s: %s must be the name of an activation, got %s", function, argument,
                             python_type(name).c_str());
    const char* text = PyUnicode_AsUTF8AndSize(name.ptr(), nullptr);
    if (!text) nb::raise_python_error();
    for (int i = 0; i < static_cast<int>(Activation::count); ++i)
        if (!std::strcmp(text, kActivationNames[i])) return static_cast<Activation>(i);
    throw nb::value_error((std::string(function) + ": " + argument + " is '" + text +
                           "', which is not an activation the kernels know; see gatewise.kernels.ACTIVATIONS")
                              .c_str());
}

}  // namespace gatewise
