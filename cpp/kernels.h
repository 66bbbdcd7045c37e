// What the kernels offer, as plain data: the arguments of each, and one table of functions per
// instruction set. This header is the only thing bindings.cpp and the kernels share, and it holds no code,
// so that nothing compiled for one instruction set can reach another.
//
// Letters: N batch, T steps, F features, H units. Strides count elements. The last axis of every view is
// contiguous. A null pointer means "absent".
#pragma once

#include <cstddef>
#include <cstdint>

namespace gatewise {

enum class Activation : int {
    linear,
    sigmoid,
    tanh,
    relu,
    relu6,
    leaky_relu,
    elu,
    selu,
    celu,
    gelu,
    gelu_approximate,
    softplus,
    softsign,
    silu,
    hard_sigmoid,
    hard_sigmoid_keras2,
    hard_silu,
    hard_tanh,
    mish,
    log_sigmoid,
    squareplus,
    exponential,
    tanh_shrink,
    soft_shrink,
    hard_shrink,
    sparse_plus,
    sparse_sigmoid,
    count
};

// Two axes: (rows, contiguous).
template <class T>
struct View2 {
    T* data = nullptr;
    std::ptrdiff_t stride = 0;
};

// Three axes: (outer, inner, contiguous).
template <class T>
struct View3 {
    T* data = nullptr;
    std::ptrdiff_t outer = 0, inner = 0;
};

// Of LSTM, GRU and SimpleRNN.
struct RecurrentSizes {
    std::ptrdiff_t N, T, F, H;
};

// Weights packed for one instruction set; `memory` is owned by whoever allocated `lstm_packed_size` elements.
template <class T>
struct PackedLstm {
    T* memory;
    std::ptrdiff_t F, H;
};

template <class T>
struct LstmForward {
    RecurrentSizes sizes;
    View3<const T> x;                     // (N, T, F)
    View2<const T> h0, c0;                // (N, H)
    View2<const T> x_dropout, h_dropout;  // (N, F), (N, H)
    View3<const std::uint8_t> mask;       // (N, T): inner is the stride of T
    const T* packed;                      // from lstm_pack
    Activation activation, recurrent_activation;
    View3<T> h, c;            // (N, T, H); c absent in prediction
    T* gates;                 // (N, T, 4, H) contiguous; absent in prediction
    T* z;                     // (N, T, 4, H) contiguous, before activation; mostly absent
    View2<T> h_last, c_last;  // (N, H)
};

template <class T>
struct LstmBackward {
    RecurrentSizes sizes;
    View3<const T> x;
    View2<const T> h0, c0, W, U;
    View2<const T> x_dropout, h_dropout;
    View3<const std::uint8_t> mask;
    Activation activation, recurrent_activation;
    View3<const T> h, c;  // the tape; contiguous
    const T* gates;
    const T* z;
    View3<const T> dh, dc;             // (N, T, H)
    View2<const T> dh_last, dc_last;   // (N, H)
    T *dx, *dh0, *dc0, *dW, *dU, *db;  // contiguous; null where not wanted
    bool consumes_gates = false;       // whether `gates` may be overwritten: the way is gone once
};

// GRU. With reset_after the bias is (2, 3H): of the inputs, and of the states; else (3H,).
template <class T>
struct GruForward {
    RecurrentSizes sizes;
    View3<const T> x;
    View2<const T> h0, x_dropout, h_dropout;
    View3<const std::uint8_t> mask;
    const T* packed;  // from gru_pack
    bool reset_after;
    Activation activation, recurrent_activation;
    View3<T> h;    // (N, T, H)
    T* gates;      // (N, T, 3, H): z, r, h after activation; this and what follows is absent in prediction
    T* recurrent;  // (N, T, H): reset_after: h[t-1] U_h + b; else r h[t-1]
    T* sums;       // (N, T, 3, H), the gates before activation; mostly absent
    View2<T> h_last;
};

template <class T>
struct GruBackward {
    RecurrentSizes sizes;
    View3<const T> x;
    View2<const T> h0, W, U, x_dropout, h_dropout;
    View3<const std::uint8_t> mask;
    bool reset_after;
    Activation activation, recurrent_activation;
    View3<const T> h;  // the tape; contiguous
    const T *gates, *recurrent, *sums;
    View3<const T> dh;
    View2<const T> dh_last;
    T *dx, *dh0, *dW, *dU, *db;
};

template <class T>
struct SimpleRnnForward {
    RecurrentSizes sizes;
    View3<const T> x;
    View2<const T> h0, x_dropout, h_dropout;
    View3<const std::uint8_t> mask;
    const T* packed;  // from simple_rnn_pack
    Activation activation;
    View3<T> h;  // (N, T, H)
    T* z;        // (N, T, H), before activation; mostly absent
    View2<T> h_last;
};

template <class T>
struct SimpleRnnBackward {
    RecurrentSizes sizes;
    View3<const T> x;
    View2<const T> h0, W, U, x_dropout, h_dropout;
    View3<const std::uint8_t> mask;
    Activation activation;
    View3<const T> h;  // the tape; contiguous
    const T* z;
    View3<const T> dh;
    View2<const T> dh_last;
    T *dx, *dh0, *dW, *dU, *db;
};

// H units, P outputs (H without a projection), G gates: i, f, c, o, or i, c, o where f = 1 - i; and what
// there is.
struct LstmVariantSizes {
    std::ptrdiff_t N, T, F, H, P, G;
    bool peephole, projection, layer_norm;
};

template <class T>
struct LstmVariantWeights {
    View2<const T> W, U;                                              // (F, G H), (P, G H)
    const T* b;                                                       // (G H,)
    View2<const T> peephole;                                          // (G - 1, H)
    View2<const T> projection;                                        // (H, P)
    const T *kernel_gain, *recurrent_gain, *cell_gain, *cell_offset;  // (G H,) twice, (H,) twice: all or none
};

struct LstmVariantOptions {
    double cell_clip, epsilon, zoneout_cell, zoneout_output;
};

template <class T>
struct LstmVariantForward {
    LstmVariantSizes sizes;
    LstmVariantOptions options;
    View3<const T> x;                     // (N, T, F)
    View2<const T> h0, c0;                // (N, P), (N, H)
    View2<const T> x_dropout, h_dropout;  // (N, F), (N, P)
    View3<const std::uint8_t> mask;
    View3<const T> keep_c, keep_h;  // (N, T, H), (N, T, P); absent: the rates of `options`
    const T* packed;                // from lstm_variant_pack
    Activation activation, recurrent_activation;
    View3<T> h, c;  // (N, T, P), (N, T, H)
    T* gates;       // (N, T, 4, H); this and what follows is contiguous, and absent in prediction
    T* z;           // (N, T, G, H)
    T *candidate, *unprojected;  // (N, T, H)
    T *normal_x, *normal_h;      // (N, T, G, H)
    T* statistics;               // (N, T, 4): 1 / deviation of x W and of h U, mean and 1 / deviation of c
    View2<T> h_last, c_last;     // (N, P), (N, H)
};

template <class T>
struct LstmVariantBackward {
    LstmVariantSizes sizes;
    LstmVariantOptions options;
    LstmVariantWeights<T> weights;
    View3<const T> x;
    View2<const T> h0, c0, x_dropout, h_dropout;
    View3<const std::uint8_t> mask;
    View3<const T> keep_c, keep_h;
    Activation activation, recurrent_activation;
    const T *h, *c, *gates, *z, *candidate, *unprojected, *normal_x, *normal_h, *statistics;  // the tape
    View3<const T> dh, dc;
    View2<const T> dh_last, dc_last;
    T *dx, *dh0, *dc0, *dW, *dU, *db, *dpeephole, *dprojection;  // contiguous; null where not wanted
    T *dkernel_gain, *drecurrent_gain, *dcell_gain, *dcell_offset;
};

// c = a b, or c += a b; then + bias along the rows.
template <class T>
struct Matmul {
    std::ptrdiff_t rows, columns, depth;
    const T* a;
    std::ptrdiff_t a_row, a_column;
    const T* b;
    std::ptrdiff_t b_row, b_column;
    T* c;
    std::ptrdiff_t c_row, c_column;
    const T* bias;
    bool accumulate;
};

template <class T>
struct Optimizer {
    std::ptrdiff_t size;
    T* w;
    const T* g;
    T* state[3];  // null where the variant has none
    double rate, decay1, decay2, epsilon;
    bool nesterov;
    double more[4];  // what else a formula needs: see optimizers.h
    // What comes first: g is multiplied by scale, kept within [-limit, limit] (0: no limit), w multiplied by
    // keep.
    double scale = 1, limit = 0, keep = 1;
};

// One Adafactor step of a variable seen as `stacked` matrices (rows, columns); as one row where r and c are
// null.
template <class T>
struct Adafactor {
    std::ptrdiff_t stacked, rows, columns;
    T* w;
    const T* g;
    T *v, *r, *c;  // (stacked, rows, columns), (stacked, rows), (stacked, columns)
    double rho, decay, epsilon1, epsilon2, threshold;
};

// How far predictions are from the truth: see losses.h.
enum class Score : int {
    squared_error,
    absolute_error,
    huber,
    binary_crossentropy,
    binary_crossentropy_of_logits,
    categorical_crossentropy,
    categorical_crossentropy_of_logits,
    sparse_crossentropy,
    sparse_crossentropy_of_logits,
    count
};

template <class T>
struct Scored {
    Score kind;
    std::ptrdiff_t rows, columns;   // of the predictions
    const T* truth;                 // (rows, columns); absent where there are classes
    const std::ptrdiff_t* classes;  // (rows,), each from 0 to columns - 1
    const T* predicted;             // (rows, columns)
    T* slope;                       // (rows, columns), absent where not wanted
    double option;                  // delta of huber, label smoothing of cross-entropies
    double epsilon;                 // how near to 0 and 1 probabilities are taken
    double divisor;                 // the slope is that of the sum over this
};

// What is asked about a recurrent kernel, and the answer: see plan.h.
enum class PlannedLayer : int { lstm, gru, gru_reset_before, simple };
struct PlanQuestion {
    PlannedLayer layer;
    RecurrentSizes sizes;
    bool backward, masked, dropout;
};
struct Plan {
    int threads;
    bool by_units, projected, sorted;  // members share units; x W of all steps first; the longest first
    std::ptrdiff_t lanes;
    double step_flops;
    std::ptrdiff_t weight_bytes, rows_for_one, few_rows, cache_bytes;
    double flops_for_a_thread, flops_for_a_barrier;
};

template <class T>
struct KernelsOf {
    std::ptrdiff_t (*lstm_packed_size)(std::ptrdiff_t F, std::ptrdiff_t H);
    void (*lstm_pack)(View2<const T> W, View2<const T> U, const T* b, std::ptrdiff_t F, std::ptrdiff_t H,
                      T* packed);
    void (*lstm_forward)(const LstmForward<T>&);
    void (*lstm_backward)(const LstmBackward<T>&);
    std::ptrdiff_t (*lstm_variant_packed_size)(const LstmVariantSizes&);
    void (*lstm_variant_pack)(const LstmVariantSizes&, const LstmVariantWeights<T>&, T* packed);
    void (*lstm_variant_forward)(const LstmVariantForward<T>&);
    void (*lstm_variant_backward)(const LstmVariantBackward<T>&);
    std::ptrdiff_t (*gru_packed_size)(std::ptrdiff_t F, std::ptrdiff_t H, bool reset_after);
    void (*gru_pack)(View2<const T> W, View2<const T> U, View2<const T> b, std::ptrdiff_t F, std::ptrdiff_t H,
                     bool reset_after, T* packed);
    void (*gru_forward)(const GruForward<T>&);
    void (*gru_backward)(const GruBackward<T>&);
    std::ptrdiff_t (*simple_rnn_packed_size)(std::ptrdiff_t F, std::ptrdiff_t H);
    void (*simple_rnn_pack)(View2<const T> W, View2<const T> U, const T* b, std::ptrdiff_t F,
                            std::ptrdiff_t H, T* packed);
    void (*simple_rnn_forward)(const SimpleRnnForward<T>&);
    void (*simple_rnn_backward)(const SimpleRnnBackward<T>&);
    void (*matmul)(const Matmul<T>&);
    void (*activation_forward)(Activation, const T* x, T* y, std::ptrdiff_t size);
    void (*activation_backward)(Activation, const T* dy, const T* x, const T* y, T* dx, std::ptrdiff_t size);
    void (*sgd)(const Optimizer<T>&);
    void (*rmsprop)(const Optimizer<T>&);
    void (*adam)(const Optimizer<T>&);
    void (*adagrad)(const Optimizer<T>&);
    void (*adadelta)(const Optimizer<T>&);
    void (*adamax)(const Optimizer<T>&);
    void (*nadam)(const Optimizer<T>&);
    void (*ftrl)(const Optimizer<T>&);
    void (*lion)(const Optimizer<T>&);
    void (*lamb)(const Optimizer<T>&);
    void (*schedule_free_adamw)(const Optimizer<T>&);
    void (*adafactor)(const Adafactor<T>&);
    void (*average)(const Optimizer<T>&);
    double (*sum_of_squares)(const T*, std::ptrdiff_t size);
    void (*softmax_forward)(const T* x, T* y, std::ptrdiff_t rows, std::ptrdiff_t columns);
    void (*softmax_backward)(const T* dy, const T* y, T* dx, std::ptrdiff_t rows, std::ptrdiff_t columns);
    void (*column_sums)(const T* x, T* sums, std::ptrdiff_t rows, std::ptrdiff_t columns);
    double (*score)(const Scored<T>&);
    Plan (*plan_recurrence)(const PlanQuestion&);
    double (*multiply_adds)(std::ptrdiff_t rounds, T* out);  // operations done
};

struct Kernels {
    const char* name;
    KernelsOf<float> f32;
    KernelsOf<double> f64;
};

extern const Kernels kernels_baseline;
#if defined(GATEWISE_X86)
extern const Kernels kernels_avx2;
extern const Kernels kernels_avx512;
#endif

// Narrow weights as floats: for int8 whole numbers between -127 and 127. b is (G H,), of a GRU (2, 3H). For
// int8 also the scale of each sum, laid out as b (of a GRU's gates z and r in the first row, zeros in the
// second), and the largest sizes of x (F,) and of h that can be told apart from larger ones.
struct NarrowWeights {
    View2<const float> W, U, b, scales;
    std::ptrdiff_t F, H;
    const float* x_range;
    float h_range;
};

// One storage of weights: how many bytes they take and how they are packed, and predictions with them, whose
// `packed` is what the packing wrote. Predictions say false where x is not finite (int8). GRU: reset after.
struct NarrowKernelsOf {
    struct Packing {
        std::ptrdiff_t (*size)(std::ptrdiff_t F, std::ptrdiff_t H);
        void (*pack)(const NarrowWeights&, void* packed);
    };
    Packing lstm, gru, simple_rnn;
    bool (*lstm_forward)(const LstmForward<float>&);
    bool (*gru_forward)(const GruForward<float>&);
    bool (*simple_rnn_forward)(const SimpleRnnForward<float>&);
};

struct NarrowKernels {
    const char* name;
    NarrowKernelsOf int8, bfloat16;
};

extern const NarrowKernels narrow_baseline;
#if defined(GATEWISE_X86)
extern const NarrowKernels narrow_avx2;
extern const NarrowKernels narrow_avx_vnni;
extern const NarrowKernels narrow_avx512_vnni;
#endif

// Whether a derivative needs the activation's input, not only its output.
constexpr bool derivative_needs_input(Activation a) {
    return a == Activation::gelu || a == Activation::gelu_approximate || a == Activation::silu ||
           a == Activation::hard_silu || a == Activation::mish || a == Activation::tanh_shrink;
}

}  // namespace gatewise
