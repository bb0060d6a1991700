// SPDX-License-Identifier: BSD-3-Clause
//
// The constants of smooth64.h. Made by
//   python tests/smooth/fit64.py > csrc/kernels/coefficients64.h
// Errors are relative, of the polynomial as it stands here, computed exactly.
#pragma once

// clang-format off
namespace fastrelu::FASTRELU_ISA::wide {

// (e^-r - 1 + r) / r^2, |r| <= (ln 2) / 2. Error of e^-r - 1: 2^-58.5
constexpr double decay_terms[] = {
    0x1.0000000000000p-1,
    -0x1.5555555555556p-3,
    0x1.5555555555555p-5,
    -0x1.11111111109a6p-7,
    0x1.6c16c16c167dap-10,
    -0x1.a01a01a7ce75dp-13,
    0x1.a01a01a480ee6p-16,
    -0x1.71de0d863c737p-19,
    0x1.27e4e1dd94aefp-22,
    -0x1.af39091a8441ap-26,
    0x1.1f67160206a4dp-29,
};

// ln 2. The first part has 42 bits: its product with an integer of 11 bits is exact.
constexpr double ln2_high = 0x1.62e42fefa3800p-1, ln2_low = 0x1.ef35793c76730p-45;

// 2 (atanh(w) - w) / w^3 in w^2 <= 1/9. Error of atanh: 2^-57.0
constexpr double atanh_terms[] = {
    0x1.5555555555555p-1,
    0x1.999999999a3f5p-2,
    0x1.24924923d2b49p-2,
    0x1.c71c727285525p-3,
    0x1.745cf0719db9fp-3,
    0x1.3b18b983dd78cp-3,
    0x1.10ac0430038acp-3,
    0x1.eb98d0629b7acp-4,
    0x1.684f4e9c48d37p-4,
    0x1.4b37dcfe84abcp-3,
};

// Mills' ratio M(t), t <= 38.75, as M(t) (t + sqrt(2 / pi)) = 1 + v B(2 v - 1) with
// v = t / (t + mills_centre). The left side lies between 1 and 1.18.
// B. Error of M: 2^-56.8
constexpr double mills_terms[] = {
    0x1.e2d53af60a5a1p-3,
    -0x1.19478dbd07648p-1,
    0x1.2cb67c29122a3p-1,
    -0x1.d2279f60a3ba5p-2,
    0x1.18f8342d6b388p-2,
    -0x1.056d554aec1afp-3,
    0x1.5c0c01526ea7dp-5,
    -0x1.e39cf7a2b95f5p-8,
    -0x1.468ce4193b651p-10,
    0x1.2d1fa3ea6381ep-10,
    -0x1.6b9a387ffe79cp-13,
    -0x1.941935842047ap-14,
    0x1.4f8d78661cad4p-15,
    0x1.c23a342f1b3e9p-18,
    -0x1.ac0fc6cc4e407p-18,
    -0x1.cec482679b972p-22,
    0x1.0b02bf1ce2f13p-20,
    0x1.6641e78a94674p-25,
    -0x1.5a76b735039dfp-23,
    -0x1.9aff08e027bc0p-27,
    0x1.b5ae067d690c8p-26,
    0x1.215649f4521acp-28,
    -0x1.876ac2ad2eda9p-29,
    -0x1.d85e311f76225p-31,
};
constexpr double mills_centre = 0x1.4000000000000p+2;

// sqrt(2 / pi)
constexpr double sqrt_2_over_pi = 0x1.9884533d43651p-1, sqrt_2_over_pi_low = -0x1.cbc0d30ebfd15p-55;
// sqrt(2 pi)
constexpr double sqrt_2_pi = 0x1.40d931ff62706p+1, sqrt_2_pi_low = -0x1.a6a0d6f814637p-53;
// gelu_tanh is x sigmoid(linear x + cubic x^3).
// 2 sqrt(2 / pi)
constexpr double linear = 0x1.9884533d43651p+0, linear_low = -0x1.cbc0d30ebfd15p-54;
// 0.044715 times that
constexpr double cubic = 0x1.2444f2a4d8b4bp-4, cubic_low = -0x1.6c843a29d1c70p-61;

// The root of silu'
constexpr double silu_root = -0x1.474973c84120bp+0, silu_root_low = -0x1.f8d74bc9ac154p-54;
constexpr double silu_width = 0x1.0000000000000p-5;
// The slope of silu' there
constexpr double silu_slope = 0x1.be1410460527fp-3, silu_slope_low = -0x1.2541062177473p-58;

// (silu'(root + d) / d - slope) / d, |d| <= 0.03125. Error of silu': 2^-59.0
constexpr double silu_terms[] = {
    0x1.2c563458cc0adp-3,
    0x1.353eb573ca457p-6,
    -0x1.f2d0e32bc392ap-7,
    -0x1.b0f82c4990045p-8,
    0x1.098e9797e1a9dp-13,
    0x1.a2a7cb0fc5770p-11,
    0x1.8555a485d8402p-13,
    -0x1.572fe42d312e3p-15,
};

// The root of gelu'
constexpr double gelu_root = -0x1.80ead197f00b4p-1, gelu_root_low = 0x1.13e74c58cada8p-56;
constexpr double gelu_width = 0x1.0000000000000p-2;
// The slope of gelu' there
constexpr double gelu_slope = 0x1.b9d98fa5a3215p-2, gelu_slope_low = 0x1.f7c1a23190c7cp-56;

// (gelu'(root + d) / d - slope) / d, |d| <= 0.25. Error of gelu': 2^-55.7
constexpr double gelu_terms[] = {
    0x1.8d9a941de3ac5p-2,
    -0x1.2a2ef9bb865aep-6,
    -0x1.d2fa4c17c7e84p-4,
    -0x1.e4088244f901dp-7,
    0x1.3e346def42058p-6,
    0x1.297b9d6ffaac3p-8,
    -0x1.258a6d8563b5dp-9,
    -0x1.8680f74e68c4cp-11,
    0x1.86c863b843957p-13,
    0x1.6961091fa8bffp-14,
    -0x1.784acedcb7817p-17,
    -0x1.03fec10c0e784p-17,
    0x1.d0cd18c315db3p-22,
    0x1.32239ff1b78bap-21,
    -0x1.0bc67476ca7c6p-29,
    -0x1.2c8a0b9baf82bp-25,
};

// The root of gelu_tanh'
constexpr double gelu_tanh_root = -0x1.81429f9e97e4dp-1, gelu_tanh_root_low = 0x1.4f523ed77dbdcp-55;
constexpr double gelu_tanh_width = 0x1.0000000000000p-5;
// The slope of gelu_tanh' there
constexpr double gelu_tanh_slope = 0x1.b8bacd2c96b91p-2, gelu_tanh_slope_low = 0x1.7625a206be83dp-56;

// (gelu_tanh'(root + d) / d - slope) / d, |d| <= 0.03125. Error of gelu_tanh': 2^-58.8
constexpr double gelu_tanh_terms[] = {
    0x1.8cd1a2b2fff33p-2,
    -0x1.029615edb077ap-6,
    -0x1.d2b7734645f60p-4,
    -0x1.104a83edbed4cp-6,
    0x1.42799685ade93p-6,
    0x1.58c9ecce61c96p-8,
    -0x1.3d7c18e805195p-9,
    -0x1.e61e984536606p-11,
};

// The root of mish'
constexpr double mish_root = -0x1.31432c0d12d84p+0, mish_root_low = -0x1.bf319154da210p-55;
constexpr double mish_width = 0x1.0000000000000p-5;
// The slope of mish' there
constexpr double mish_slope = 0x1.115acb42500bbp-2, mish_slope_low = 0x1.1ad72de557d4cp-56;

// (mish'(root + d) / d - slope) / d, |d| <= 0.03125. Error of mish': 2^-60.8
constexpr double mish_terms[] = {
    0x1.a34a251d8ad7bp-3,
    0x1.574f121a868dbp-5,
    -0x1.4c222fe64dffep-6,
    -0x1.03369d4ac9f9dp-6,
    -0x1.b87ddf47072b2p-9,
    0x1.1e5e196ec1f33p-10,
    0x1.037410bcb147fp-10,
    0x1.0a5c0fd90638ep-12,
};

// selu: the float64 numbers nearest to its scale, and to scale times alpha.
constexpr double selu_scale = 0x1.0cfabd6a91132p+0;
constexpr double selu_scale_alpha = 0x1.c212cc640f031p+0;

}  // namespace fastrelu::FASTRELU_ISA::wide
// clang-format on
