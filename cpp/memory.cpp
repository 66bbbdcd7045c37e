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
constexpr std::size_t kKept = std::size_t{1} << 26;  // more than this is given back after the call
constexpr std::size_t kHugePage = std::size_t{1} << 21;
constexpr std::size_t kWorthHugePages = std::size_t{1} << 20;

struct Chunk {
    char* memory;
    std::size_t size, used;
};

// A stack of chunks; the last is the one being used.
struct Stack {
    std::vector<Chunk> chunks;
    int workspaces = 0;
    ~Stack() {
        for (Chunk& chunk : chunks) release(chunk.memory);
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

Workspace::Workspace() : used_before_(0), chunks_before_(stack.chunks.size()) {
    if (chunks_before_) used_before_ = stack.chunks.back().used;
    ++stack.workspaces;
}

Workspace::~Workspace() {
    auto& chunks = stack.chunks;
    const bool outermost = --stack.workspaces == 0;
    if (outermost && !chunks.empty()) {  // of several chunks only the largest is worth keeping
        std::size_t largest = 0;
        for (std::size_t i = 1; i < chunks.size(); ++i)
            if (chunks[i].size > chunks[largest].size) largest = i;
        std::swap(chunks[0], chunks[largest]);
    }
    const std::size_t keep = outermost ? (chunks.empty() || chunks[0].size > kKept ? 0 : 1) : chunks_before_;
    while (chunks.size() > keep) {
        release(chunks.back().memory);
        chunks.pop_back();
    }
    if (!chunks.empty()) chunks.back().used = outermost ? 0 : used_before_;
}

void* Workspace::take(std::size_t bytes) {
    bytes = (bytes + kAlignment - 1) / kAlignment * kAlignment;
    auto& chunks = stack.chunks;
    if (chunks.empty() || chunks.back().used + bytes > chunks.back().size) {
        std::size_t size = chunks.empty() ? kSmallestChunk : 2 * chunks.back().size;
        if (size > kKept) size = kKept;
        if (size < bytes) size = bytes;
        chunks.push_back({static_cast<char*>(allocate(size)), size, 0});
    }
    Chunk& chunk = chunks.back();
    void* memory = chunk.memory + chunk.used;
    chunk.used += bytes;
    return memory;
}

}  // namespace gatewise
