// The thread pool and the workspaces: see threads.h.
#include "threads.h"

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <mutex>
#include <thread>
#include <vector>

#include "subnormals.h"

#if defined(__linux__)
#    include <sched.h>
#endif
#if defined(__unix__) || defined(__APPLE__)
#    include <pthread.h>
#endif
#if defined(__x86_64__)
#    include <immintrin.h>
#endif

namespace gatewise {
namespace {

constexpr int kMostThreads = 256;
constexpr int kSpins = 1000;  // some tens of microseconds

thread_local bool inside_a_team = false;

inline void pause_briefly() {
#if defined(__x86_64__)
    _mm_pause();
#elif defined(__aarch64__)
    asm volatile("yield");
#endif
}

// Spins until ready(), giving the core away between rounds where the wait is long.
template <class Ready>
void spin_until(Ready ready) {
    for (;;) {
        for (int i = 0; i < kSpins; ++i) {
            if (ready()) return;
            pause_briefly();
        }
        std::this_thread::yield();
    }
}

struct alignas(128) Worker {
    std::atomic<std::uint32_t> posted{0};
    std::mutex mutex;
    std::condition_variable wake;
    bool asleep = false;
};

struct Pool {
    std::mutex busy;
    std::vector<Worker*> workers;
    void (*function)(void*, int) = nullptr;
    void* context = nullptr;
    alignas(128) std::atomic<int> running{0};
    alignas(128) std::atomic<int> arrived{0};
    alignas(128) std::atomic<std::uint32_t> passed{0};

    void serve(Worker& worker, int member) {
        const SubnormalsAreZero mode;
        inside_a_team = true;
        std::uint32_t seen = 0;
        for (;;) {
            wait_for_work(worker, seen);
            ++seen;
            function(context, member);
            running.fetch_sub(1, std::memory_order_release);
        }
    }

    static void wait_for_work(Worker& worker, std::uint32_t seen) {
        for (int i = 0; i < kSpins; ++i) {
            if (worker.posted.load(std::memory_order_acquire) != seen) return;
            pause_briefly();
        }
        std::unique_lock<std::mutex> lock(worker.mutex);
        worker.asleep = true;
        worker.wake.wait(lock, [&] { return worker.posted.load(std::memory_order_acquire) != seen; });
        worker.asleep = false;
    }

    static void post(Worker& worker) {
        bool asleep;
        {
            std::lock_guard<std::mutex> lock(worker.mutex);
            worker.posted.fetch_add(1, std::memory_order_release);
            asleep = worker.asleep;
        }
        if (asleep) worker.wake.notify_one();
    }

    // Starts workers until there are enough for a team of `size`; says how large a team there can be.
    int grow(int size) {
        while (static_cast<int>(workers.size()) + 1 < size) {
            auto* worker = new Worker;
            const int member = static_cast<int>(workers.size()) + 1;
            try {
                std::thread([this, worker, member] { serve(*worker, member); }).detach();
            } catch (const std::exception&) {  // no more threads to be had: work with those there are
                delete worker;
                break;
            }
            workers.push_back(worker);
        }
        const int most = static_cast<int>(workers.size()) + 1;
        return size < most ? size : most;
    }
};

std::atomic<Pool*> the_pool{nullptr};
std::atomic<int> the_threads{0};

// The threads of the parent do not exist in a forked child; its pool is abandoned, locked or not.
void forget_pool() { the_pool.store(nullptr, std::memory_order_relaxed); }

Pool& pool() {
    Pool* present = the_pool.load(std::memory_order_acquire);
    if (present) return *present;
#if defined(__unix__) || defined(__APPLE__)
    static const int registered = pthread_atfork(nullptr, nullptr, forget_pool);
    (void)registered;
#endif
    auto* fresh = new Pool;
    if (the_pool.compare_exchange_strong(present, fresh)) return *fresh;
    delete fresh;
    return *present;
}

// CPUs a container's quota allows, or a large number.
int quota_of_container() {
#if defined(__linux__)
    if (std::FILE* file = std::fopen("/sys/fs/cgroup/cpu.max", "r")) {
        long quota = 0, period = 0;
        const int read = std::fscanf(file, "%ld %ld", &quota, &period);
        std::fclose(file);
        if (read == 2 && quota > 0 && period > 0) return static_cast<int>((quota + period - 1) / period);
    }
#endif
    return kMostThreads;
}

int usable_cpus() {
    int count = static_cast<int>(std::thread::hardware_concurrency());
#if defined(__linux__)
    cpu_set_t set;
    if (sched_getaffinity(0, sizeof set, &set) == 0) count = CPU_COUNT(&set);
#endif
    const int quota = quota_of_container();
    if (quota < count) count = quota;
    return count < 1 ? 1 : count;
}

int initial_threads() {
    if (const char* text = std::getenv("GATEWISE_THREADS")) {
        char* end = nullptr;
        const long count = std::strtol(text, &end, 10);
        if (end != text && *end == 0 && count >= 1)
            return count < kMostThreads ? static_cast<int>(count) : kMostThreads;
    }
    const int cpus = usable_cpus();
    return cpus < kMostThreads ? cpus : kMostThreads;
}

}  // namespace

int get_threads() {
    if (inside_a_team) return 1;
    int count = the_threads.load(std::memory_order_relaxed);
    if (count == 0) {
        count = initial_threads();
        the_threads.store(count, std::memory_order_relaxed);
    }
    return count;
}

void set_threads(int count) {
    the_threads.store(count < 1 ? 1 : (count < kMostThreads ? count : kMostThreads),
                      std::memory_order_relaxed);
}

Team::Team(int wanted) : size_(1), holds_pool_(false) {
    const int most = get_threads();
    if (wanted > most) wanted = most;
    if (wanted < 2 || !pool().busy.try_lock()) return;
    holds_pool_ = true;
    size_ = pool().grow(wanted);
}

Team::~Team() {
    if (holds_pool_) pool().busy.unlock();
}

void Team::run(void (*function)(void*, int), void* context) {
    if (size_ > 1) {
        Pool& p = pool();
        p.function = function;
        p.context = context;
        p.arrived.store(0, std::memory_order_relaxed);
        p.running.store(size_ - 1, std::memory_order_relaxed);
        for (int i = 0; i + 1 < size_; ++i) Pool::post(*p.workers[i]);
    }
    const bool before = inside_a_team;
    inside_a_team = true;
    function(context, 0);
    inside_a_team = before;
    if (size_ > 1) {
        Pool& p = pool();
        spin_until([&] { return p.running.load(std::memory_order_acquire) == 0; });
    }
}

void Team::barrier() {
    if (size_ == 1) return;
    Pool& p = pool();
    const std::uint32_t round = p.passed.load(std::memory_order_acquire);
    if (p.arrived.fetch_add(1, std::memory_order_acq_rel) + 1 == size_) {
        p.arrived.store(0, std::memory_order_relaxed);
        p.passed.fetch_add(1, std::memory_order_release);
    } else {
        spin_until([&] { return p.passed.load(std::memory_order_acquire) != round; });
    }
}

void wait_for(const std::atomic<long>& value, long least) {
    spin_until([&] { return value.load(std::memory_order_acquire) >= least; });
}

}  // namespace gatewise
