// SPDX-License-Identifier: BSD-3-Clause
//
// How lines are cut. test_line.py compiles this program and runs it.
#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <initializer_list>
#include <mutex>
#include <thread>
#include <vector>

#include "../../csrc/runtime/line.h"
#include "../../csrc/runtime/pages.h"

using namespace fastrelu;
using std::ptrdiff_t;

namespace {

constexpr auto page = static_cast<ptrdiff_t>(huge_page_bytes);
constexpr ptrdiff_t shared_cost = 8 * 1024 * 1024;
constexpr char untouched = 7, computed = 1;

#define EXPECT(condition) expect(condition, #condition, __LINE__)
void expect(bool is_true, const char* condition, int line) {
  if (is_true) return;
  std::printf("line %d: %s\n", line, condition);
  std::exit(1);
}

struct Piece {
  ptrdiff_t begin, end;
};

// The pieces of a line in order, which must be all of it.
std::vector<Piece> pieces_of(const Line& line) {
  const auto caller = std::this_thread::get_id();
  std::mutex mutex;
  std::vector<Piece> pieces;
  run_line(line, [&](ptrdiff_t begin, ptrdiff_t end, char* memory) {
    const std::lock_guard lock(mutex);
    EXPECT((memory == nullptr) == (std::this_thread::get_id() == caller));
    if (line.out && begin < end) {
      char* const first = line.out + begin * line.out_size;
      char* const last = line.out + end * line.out_size - 1;
      EXPECT(std::all_of(first, last, [](char byte) { return byte == untouched; }));
      EXPECT(*last == (end < line.n ? 0 : untouched));
      std::memset(first, computed, static_cast<std::size_t>(last + 1 - first));
    }
    pieces.push_back({begin, end});
  });
  std::sort(pieces.begin(), pieces.end(), [](const Piece& a, const Piece& b) { return a.begin < b.begin; });
  ptrdiff_t next = 0;
  for (const Piece& piece : pieces) {
    EXPECT(piece.begin == next && piece.end >= piece.begin && piece.begin % line.granule == 0);
    next = piece.end;
  }
  EXPECT(next == line.n);
  return pieces;
}

void test_threads() {
  for (const ptrdiff_t n : {0, 1, 2, 63, 64, 65, 511, 512, 513, 1000, 4095, 65536, 1000003}) {
    for (const ptrdiff_t granule : {1, 3, 64, 512, 4096, 2000000}) {
      for (const int threads : {1, 2, 5}) {
        set_num_threads(threads);
        EXPECT(pieces_of({n, 0, 1, granule}).size() == 1);
        const std::size_t pieces = pieces_of({n, shared_cost / 4, 4, granule}).size();
        EXPECT(threads > 1 || pieces <= 1);
        EXPECT(pieces <= shared_cost / piece_cost);
      }
    }
  }
  set_num_threads(2);
  EXPECT(pieces_of({1000003, shared_cost / 4, 4, 1}).size() == shared_cost / piece_cost);
}

void test_new_pages(char* memory, ptrdiff_t offset, ptrdiff_t size, ptrdiff_t granule, ptrdiff_t n) {
  std::memset(memory, untouched, 3 * page);
  char* const out = memory + offset;
  const Line line{n, n * size, 1, granule, out, size, OutputMemory::untouched_huge_pages};
  const std::vector<Piece> pieces = pieces_of(line);
  EXPECT(std::all_of(memory, out, [](char byte) { return byte == untouched; }));
  EXPECT(std::all_of(out, out + n * size, [](char byte) { return byte == computed; }));
  EXPECT(std::all_of(out + n * size, memory + 3 * page, [](char byte) { return byte == untouched; }));
  for (std::size_t i = 1; i < pieces.size(); ++i) {
    const ptrdiff_t boundary = offset + pieces[i].begin * size;
    const ptrdiff_t to_page = (page - boundary % page) % page;
    EXPECT(to_page < granule * size);
  }
  const ptrdiff_t pages = n == 0 ? 0 : (offset + n * size - 1) / page - offset / page + 1;
  EXPECT(static_cast<ptrdiff_t>(pieces.size()) <= pages && static_cast<ptrdiff_t>(pieces.size()) >= pages - 1);
}

void test_new_pages() {
  auto* const memory = static_cast<char*>(std::aligned_alloc(huge_page_bytes, 3 * huge_page_bytes));
  EXPECT(memory);
  for (const int threads : {1, 3}) {
    set_num_threads(threads);
    for (const ptrdiff_t size : {1, 4, 12, 16}) {
      for (const ptrdiff_t granule : {1, 64, 512}) {
        for (const ptrdiff_t offset : {ptrdiff_t(0), ptrdiff_t(2112), page - 48, page - 1}) {
          for (const ptrdiff_t bytes : {ptrdiff_t(0), size, page - 48, page, page + 48, page + 4096}) {
            test_new_pages(memory, offset, size, granule, bytes / size);
          }
        }
      }
    }
  }
  std::free(memory);
}

}  // namespace

int main() {
  prepare_parallel();
  EXPECT(divided_up(0, 3) == 0 && divided_up(1, 3) == 1 && divided_up(3, 3) == 1 && divided_up(4, 3) == 2);
  EXPECT(divided_up(PTRDIFF_MAX, 8) == PTRDIFF_MAX / 8 + 1);
  test_threads();
  test_new_pages();
  std::puts("done");
}
