// SPDX-License-Identifier: BSD-3-Clause
#include "arguments.h"

namespace fastrelu {
namespace {

bool read_array(PyArrayObject* array, DType slope_dtype, double& value) {
  if (PyArray_NDIM(array) != 0) return false;
  const int type_num = PyArray_TYPE(array);
  if (type_num == NPY_FLOAT) {
    value = *static_cast<const float*>(PyArray_DATA(array));
  } else if (type_num == NPY_DOUBLE && slope_dtype == DType::float64) {
    value = *static_cast<const double*>(PyArray_DATA(array));
  } else {
    return false;
  }
  return true;
}

bool read_int(PyObject* object, double& value) {
  value = PyLong_AsDouble(object);
  if (value != -1.0 || !PyErr_Occurred()) return true;
  PyErr_Clear();
  return false;
}

bool read_number(PyObject* object, DType slope_dtype, double& value) {
  if (!object) {
    value = default_slope;
  } else if (PyFloat_CheckExact(object)) {
    value = PyFloat_AS_DOUBLE(object);
  } else if (PyArray_IsScalar(object, Float)) {
    value = PyArrayScalar_VAL(object, Float);
  } else if (PyArray_IsScalar(object, Double) && slope_dtype == DType::float64) {
    value = PyArrayScalar_VAL(object, Double);
  } else if (PyLong_CheckExact(object)) {
    return read_int(object, value);
  } else {
    return is_plain(object) && read_array(reinterpret_cast<PyArrayObject*>(object), slope_dtype, value);
  }
  return true;
}

}  // namespace

bool read_slope(PyObject* object, DType slope_dtype, Slope& slope) {
  double value;
  if (!read_number(object, slope_dtype, value) || npy_isnan(value)) return false;
  if (slope_dtype == DType::float64) {
    slope.float64 = value;
    return true;
  }
  slope.float32 = static_cast<float>(value);
  return npy_isinf(value) || !npy_isinf(slope.float32);
}

}  // namespace fastrelu
