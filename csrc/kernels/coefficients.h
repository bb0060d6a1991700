// SPDX-License-Identifier: BSD-3-Clause
//
// The numbers in smooth.h and softmax.h. Made by
// `python tests/smooth/fit.py > csrc/kernels/coefficients.h`.
#pragma once

// clang-format off

namespace fastrelu::FASTRELU_ISA {

// (e^r - 1 - r) / r^2 for |r| <= log(2) / 2: error of e^r 2^-56.2, of e^r - 1 2^-54.4
constexpr double exponential_terms[] = {
    0x1.0000000000000p-1, 0x1.555555555555ep-3, 0x1.5555555553138p-5, 0x1.111111110e34ap-7,
    0x1.6c16c17d9fad7p-10, 0x1.a01a01b6155cap-13, 0x1.a019a70dcde77p-16, 0x1.71ddeb060c7a8p-19,
    0x1.28a4b259b3f34p-22, 0x1.af73542be4fb7p-26,
};

// The same, for results of 24 bits: error of e^r 2^-34.2
constexpr double exponential_terms_few[] = {
    0x1.0000003a1adfdp-1, 0x1.5555544367811p-3, 0x1.55548dd86a0abp-5, 0x1.1112708d3b7fap-7,
    0x1.6d8cf4266a54bp-10, 0x1.9f08a69ccda23p-13,
};

// log(2): 40 bits, and the rest
constexpr double log2_high = 0x1.62e42fefa2000p-1;
constexpr double log2_low = 0x1.9ef35793c7673p-41;
constexpr double inverse_log2 = 0x1.71547652b82fep+0;

// log(2) and its inverse, whose products with 11 bits, and with a float, are exact
constexpr double log2_short = 0x1.62e42fefa3800p-1;
constexpr double inverse_log2_short = 0x1.7154765000000p+0;

// (2 atanh(w) - 2 w) / w^3 in w^2 for w <= 1/3: error 2^-58.1
constexpr double atanh_terms[] = {
    0x1.5555555555535p-1, 0x1.99999999a0842p-2, 0x1.2492492085619p-2, 0x1.c71c741f97793p-3,
    0x1.745cb399d152dp-3, 0x1.3b1de3475413ep-3, 0x1.106766bf284d5p-3, 0x1.efdda13cd5e97p-4,
    0x1.559bc98abc589p-4, 0x1.5c8ad6786f961p-3,
};

// (2 atanh(w) - 2 w) / w^3 in w^2 for w <= 1/3: error 2^-58.7
constexpr double atanh_terms_many[] = {
    0x1.5555555555556p-1, 0x1.999999999955dp-2, 0x1.24924924c1da1p-2, 0x1.c71c71a5dd90ep-3,
    0x1.745d1e0326701p-3, 0x1.3b12d5d67fb04p-3, 0x1.112345f506dbap-3, 0x1.dfe2a0e065a8fp-4,
    0x1.c16fd642c9003p-4, 0x1.1e7b71d748680p-4, 0x1.5142509bedf5bp-3,
};

// Mills' ratio over sqrt(2 pi), t <= 14.5: error 2^-54.4
constexpr double mills_numerator[] = {
    0x1.0000000000000p-1, 0x1.7aee16e1e52f4p-1, 0x1.16ee9fd5f56e3p-1, 0x1.04f476cfe9640p-2,
    0x1.520031ec0bb2cp-4, 0x1.389973c73a9eap-6, 0x1.9c5072de7a04fp-9, 0x1.76a90dcabd672p-12,
    0x1.abe64aec33c1fp-16, 0x1.d8b86ec8ff079p-21,
};
constexpr double mills_denominator[] = {
    0x1.0000000000000p+0, 0x1.239820404370ep+1, 0x1.341fe63e8e443p+1, 0x1.8eaa449dbba93p+0,
    0x1.5ea3cc8a0e32fp-1, 0x1.b78202a6f324ap-3, 0x1.8f160ca7cdec0p-5, 0x1.04797ac358846p-7,
    0x1.d6b96ba433148p-11, 0x1.0c2573b2f75a6p-14, 0x1.283bcd93240e6p-19,
};

// 1 / sqrt(2 pi)
constexpr double normal_density_at_0 = 0x1.9884533d43651p-2;

// z = 2 sqrt(2 / pi) (x + 0.044715 x^3) of gelu_tanh
constexpr double gelu_linear_high = 0x1.9884533d43651p+0;
constexpr double gelu_linear_low = -0x1.cbc0d30ebfd15p-54;
constexpr double gelu_cubic_high = 0x1.2444f2a4d8b4bp-4;
constexpr double gelu_cubic_low = -0x1.6c843a29d1c70p-61;

}  // namespace fastrelu::FASTRELU_ISA
