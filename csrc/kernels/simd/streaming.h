// SPDX-License-Identifier: BSD-3-Clause
//
// Stores that go past the caches of an x86 processor (non-temporal stores): the line that is written is not read
// first. The address must be aligned to the vector.
#pragma once

#include <immintrin.h>

#include "scalar.h"

namespace fastrelu::FASTRELU_ISA {

inline void stream(void* p, __m128i v) { _mm_stream_si128(static_cast<__m128i*>(p), v); }
inline void stream(void* p, __m128 v) { _mm_stream_ps(static_cast<float*>(p), v); }
inline void stream(void* p, __m128d v) { _mm_stream_pd(static_cast<double*>(p), v); }

#ifdef __AVX__
inline void stream(void* p, __m256i v) { _mm256_stream_si256(static_cast<__m256i*>(p), v); }
inline void stream(void* p, __m256 v) { _mm256_stream_ps(static_cast<float*>(p), v); }
inline void stream(void* p, __m256d v) { _mm256_stream_pd(static_cast<double*>(p), v); }
#endif

#ifdef __AVX512F__
inline void stream(void* p, __m512i v) { _mm512_stream_si512(static_cast<__m512i*>(p), v); }
inline void stream(void* p, __m512 v) { _mm512_stream_ps(static_cast<float*>(p), v); }
inline void stream(void* p, __m512d v) { _mm512_stream_pd(static_cast<double*>(p), v); }
#endif

template <class T> void stream(void* p, Vec<T> x) { stream(p, x.v); }

// Non-temporal stores are not ordered with other stores, but a thread that hears that the work is done must see them. Lane only makes the
// call depend on a template's argument, for the instruction sets that have no such function.
template <class Lane> void finish_streaming(Lane) { _mm_sfence(); }

}  // namespace fastrelu::FASTRELU_ISA
