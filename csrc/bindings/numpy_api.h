// SPDX-License-Identifier: BSD-3-Clause
//
// NumPy's C API as every binding file must include it. module.cpp alone imports the function tables.
#pragma once

#ifndef FASTRELU_IMPORT_NUMPY
#define NO_IMPORT_ARRAY
#define NO_IMPORT_UFUNC
#endif
#define PY_ARRAY_UNIQUE_SYMBOL fastrelu_numpy_array_api
#define PY_UFUNC_UNIQUE_SYMBOL fastrelu_numpy_ufunc_api
#define NPY_NO_DEPRECATED_API NPY_2_0_API_VERSION
#define NPY_TARGET_VERSION NPY_2_0_API_VERSION

#include <Python.h>
#include <numpy/arrayobject.h>
#include <numpy/arrayscalars.h>
#include <numpy/dtype_api.h>
#include <numpy/ufuncobject.h>
