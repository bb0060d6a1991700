// SPDX-License-Identifier: BSD-3-Clause
//
// The functions that make or take a mask, on dense arrays in C order. fastrelu._masks lays out other arguments.
#pragma once

#include <vector>

#include "arguments.h"
#include "compute.h"

namespace fastrelu {

// A forward function on arrays as above: x, perhaps an addend and a slope, an output. Null out and slope: not given.
struct MaskedForward {
  const char* name;
  MaskOp op;
  PyArrayObject* x;
  PyArrayObject* out;
  MaskWork work;
  Number slope;
  const char* addend = nullptr;
  std::vector<char> repeated;  // memory for the addend

  npy_intp size() const { return PyArray_SIZE(x); }
};

// Whether the call is one of these. On success only a fresh result is missing.
bool prepare_forward(const char* name, MaskOp op, PyObject* x, PyObject* slope, PyObject* out, MaskedForward& call);

// Computes into call.out, or a fresh result, and into mask. Returns a new reference to the result, or null with an
// exception set.
PyObject* run_forward(MaskedForward& call, std::uint8_t* mask, Found& found, const MaskWatch& watch = {});

}  // namespace fastrelu
