// Allocation and the stack of workspaces: see memory.h.
#include "memory.h"

#include <cstdlib>
#include <new>
#include <utility>
#include <vector>

#if defined(__linux__)
#    include <sys/mman.h>
#endif

namespace gatewise {

namespace {

constexpr std::size_t kAlignment = 64;
constexpr std::size_t kSmallestChunk = std::size_t{1} << 18;
constexpr std::size_t kKept = std::size_t{1} << 27;  // more than this is given back after the call
constexpr std::size_t kHugePage = std::size_t{1} << 21;
constexpr std::size_t kWorthHugePages = std::size_t{1} << 20;

struct Chunk {
    char* memory;
    std::size_t size, used;
    bool fits(std::size_t bytes) const { return used + bytes <= size; }
};

// Chunks are filled one after the other; `current` is the one being filled. Where a call needed several,
// they are given back after it, and the next call begins with one that holds as much as was in use.
struct Stack {
    std::vector<Chunk> chunks;
    std::size_t current = 0, in_use = 0, most_in_use = kSmallestChunk;
    int workspaces = 0;

    ~Stack() { clear(); }

    void clear() {
        for (Chunk& chunk : chunks) release(chunk.memory);
        chunks.clear();
        current = 0;
    }

    void tidy() {
        if (chunks.size() > 1 || (chunks.size() == 1 && chunks[0].size > kKept)) clear();
        if (most_in_use > kKept) most_in_use = kSmallestChunk;
    }
};

thread_local Stack stack;

}  // namespace

void* allocate(std::size_t bytes) {
    const std::size_t alignment = bytes >= kWorthHugePages ? kHugePage : kAlignment;
    bytes = (bytes + alignment - 1) / alignment * alignment;
    void* memory = std::aligned_alloc(alignment, bytes);
    if (!memory) throw std::bad_alloc();
#if defined(__linux__)
    if (alignment == kHugePage) madvise(memory, bytes, MADV_HUGEPAGE);
#endif
    return memory;
}

void release(void* memory) { std::free(memory); }

Workspace::Workspace() : chunk_before_(stack.current), used_before_(0), in_use_before_(stack.in_use) {
    if (!stack.chunks.empty()) used_before_ = stack.chunks[stack.current].used;
    ++stack.workspaces;
}

Workspace::~Workspace() {
    auto& chunks = stack.chunks;
    for (std::size_t i = chunk_before_; i < chunks.size(); ++i)
        chunks[i].used = i == chunk_before_ ? used_before_ : 0;
    stack.current = chunk_before_;
    stack.in_use = in_use_before_;
    if (--stack.workspaces == 0) stack.tidy();
}

void* Workspace::take(std::size_t bytes) {
    bytes = (bytes + kAlignment - 1) / kAlignment * kAlignment;
    auto& chunks = stack.chunks;
    while (stack.current + 1 < chunks.size() && !chunks[stack.current].fits(bytes)) ++stack.current;
    if (chunks.empty() || !chunks[stack.current].fits(bytes)) {
        std::size_t size = chunks.empty() ? stack.most_in_use : kSmallestChunk;
        if (size < bytes) size = bytes;
        chunks.push_back({static_cast<char*>(allocate(size)), size, 0});
        stack.current = chunks.size() - 1;
    }
    Chunk& chunk = chunks[stack.current];
    void* memory = chunk.memory + chunk.used;
    chunk.used += bytes;
    stack.in_use += bytes;
    if (stack.in_use > stack.most_in_use) stack.most_in_use = stack.in_use;
    return memory;
}

}  // namespace gatewise
