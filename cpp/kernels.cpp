// The kernels' table; compiled once for each instruction set (see simd.h).
#include "kernels.h"

#include "gru_backward.h"
#include "losses.h"
#include "lstm_backward.h"
#include "lstm_variants_backward.h"
#include "norm_optimizers.h"
#include "optimizers.h"
#include "plan.h"
#include "simple_rnn_backward.h"

namespace gatewise {
namespace GATEWISE_ISA {

template <class T>
static void activation_forward(Activation a, const T* x, T* y, Index size) {
    constexpr int L = Simd<T>::kLanes;
    auto block = [&](Index begin, Index end) {
        for (Index i = begin; i < end; i += L)
            store_first(y + i, activate<T>(a, load_first(x + i, end - i)), end - i);
    };
    sweep(size, block);
}

template <class T>
static void activation_backward(Activation a, const T* dy, const T* x, const T* y, T* dx, Index size) {
    constexpr int L = Simd<T>::kLanes;
    using V = typename Simd<T>::V;
    auto block = [&](Index begin, Index end) {
        for (Index i = begin; i < end; i += L) {
            const Index some = end - i;
            const V slope =
                derivative<T>(a, y ? load_first(y + i, some) : V{}, x ? load_first(x + i, some) : V{});
            store_first(dx + i, load_first(dy + i, some) * slope, some);
        }
    };
    sweep(size, block);
}

template <class T>
static constexpr KernelsOf<T> table() {
    return {lstm_packed_size<T>,
            lstm_pack<T>,
            lstm_forward<T>,
            lstm_backward<T>,
            lstm_variant_packed_size<T>,
            lstm_variant_pack<T>,
            lstm_variant_forward<T>,
            lstm_variant_backward<T>,
            gru_packed_size<T>,
            gru_pack<T>,
            gru_forward<T>,
            gru_backward<T>,
            simple_rnn_packed_size<T>,
            simple_rnn_pack<T>,
            simple_rnn_forward<T>,
            simple_rnn_backward<T>,
            matmul<T>,
            activation_forward<T>,
            activation_backward<T>,
            sgd<T>,
            rmsprop<T>,
            adam<T>,
            adagrad<T>,
            adadelta<T>,
            adamax<T>,
            nadam<T>,
            ftrl<T>,
            lion<T>,
            lamb<T>,
            schedule_free_adamw<T>,
            adafactor<T>,
            average<T>,
            sum_of_squares<T>,
            softmax_forward<T>,
            softmax_backward<T>,
            column_sums<T>,
            score<T>,
            plan_recurrence<T>,
            multiply_adds<T>};
}

}  // namespace GATEWISE_ISA

#if GATEWISE_LEVEL == 2
const Kernels kernels_avx512 = {"avx512", GATEWISE_ISA::table<float>(), GATEWISE_ISA::table<double>()};
#elif GATEWISE_LEVEL == 1
const Kernels kernels_avx2 = {"avx2", GATEWISE_ISA::table<float>(), GATEWISE_ISA::table<double>()};
#else
const Kernels kernels_baseline = {"baseline", GATEWISE_ISA::table<float>(), GATEWISE_ISA::table<double>()};
#endif

}  // namespace gatewise
