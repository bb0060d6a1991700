// SPDX-License-Identifier: BSD-3-Clause
#include "arguments.h"

#include <cmath>
#include <limits>

#include "float_status.h"
#include "ref.h"

namespace fastrelu {
namespace {

template <class T> bool put(T value, Number& number) {
  number.put(value);
  return true;
}

bool read_int(PyObject* object, double& value) {
  value = PyLong_AsDouble(object);
  if (value != -1.0 || !PyErr_Occurred()) return true;
  PyErr_Clear();
  return false;
}

bool read_float_array(PyArrayObject* array, DType wanted, double& value) {
  if (PyArray_NDIM(array) != 0) return false;
  const int type_num = PyArray_TYPE(array);
  if (type_num == NPY_FLOAT) {
    value = *static_cast<const float*>(PyArray_DATA(array));
  } else if (type_num == NPY_DOUBLE && wanted == DType::float64) {
    value = *static_cast<const double*>(PyArray_DATA(array));
  } else {
    return false;
  }
  return true;
}

bool read_float(PyObject* object, DType wanted, double& value) {
  if (PyFloat_CheckExact(object)) {
    value = PyFloat_AS_DOUBLE(object);
  } else if (PyLong_CheckExact(object)) {
    return read_int(object, value);
  } else if (PyArray_IsScalar(object, Float)) {
    value = PyArrayScalar_VAL(object, Float);
  } else if (PyArray_IsScalar(object, Double) && wanted == DType::float64) {
    value = PyArrayScalar_VAL(object, Double);
  } else {
    return is_plain(object) && read_float_array(reinterpret_cast<PyArrayObject*>(object), wanted, value);
  }
  return true;
}

// The magnitudes that a narrower format holds as normal numbers. To narrow any other raises a flag, which would stay in the
// thread, or which NumPy has to report. NaN is in no range, and compared by functions that raise no flag for it.
struct NormalRange {
  double smallest, largest;
  bool holds(double value) const {
    const double magnitude = std::fabs(value);
    return (std::isgreaterequal(magnitude, smallest) && std::islessequal(magnitude, largest)) || value == 0 ||
           npy_isinf(value);
  }
};
constexpr NormalRange float32_range{std::numeric_limits<float>::min(), std::numeric_limits<float>::max()};
constexpr NormalRange float16_range{1.0 / (1 << 14), 65504};

bool put_float32(double value, Number& number) {
  return float32_range.holds(value) && put(static_cast<float>(value), number);
}

// For float32 and float64. NumPy reports a signalling NaN that it converts.
[[gnu::noinline]] bool read_as_float(PyObject* object, DType wanted, Number& number) {
  double value;
  if (!read_float(object, wanted, value)) return false;
  if (wanted == DType::float64) return !npy_isnan(value) && put(value, number);
  return put_float32(value, number);
}

template <class T> bool put_in_range(long long value, Number& number) {
  const bool fits = value >= static_cast<long long>(std::numeric_limits<T>::min()) &&
                    static_cast<unsigned long long>(value < 0 ? 0 : value) <=
                        static_cast<unsigned long long>(std::numeric_limits<T>::max());
  return fits && put(static_cast<T>(value), number);
}

bool put_int(long long value, DType wanted, Number& number) {
  switch (wanted) {
    case DType::int8: return put_in_range<npy_int8>(value, number);
    case DType::uint8: return put_in_range<npy_uint8>(value, number);
    case DType::int16: return put_in_range<npy_int16>(value, number);
    case DType::uint16: return put_in_range<npy_uint16>(value, number);
    case DType::int32: return put_in_range<npy_int32>(value, number);
    case DType::uint32: return put_in_range<npy_uint32>(value, number);
    case DType::int64: return put_in_range<npy_int64>(value, number);
    case DType::uint64: return put_in_range<npy_uint64>(value, number);
    default: return false;
  }
}

// As NumPy does it for a Python number among the inputs of a ufunc.
bool pack(PyObject* object, int type_num, Number& number) {
  const FloatStatus of_caller;  // NumPy leaves behind what the conversion raises
  PyArray_Descr* const descr = PyArray_DescrFromType(type_num);
  const int status = descr ? PyArray_Pack(descr, number.bytes, object) : -1;
  Py_XDECREF(descr);
  if (status == 0) return true;
  PyErr_Clear();
  return false;
}

bool read_python_number(PyObject* object, ArrayType wanted, Number& number) {
  constexpr double largest_exact_int = 9007199254740992;
  const bool is_int = PyLong_CheckExact(object);
  if (PyTypeNum_ISINTEGER(wanted.type_num)) {
    int overflows = 0;
    const long long value = is_int ? PyLong_AsLongLongAndOverflow(object, &overflows) : 0;
    return is_int && !overflows && put_int(value, wanted.dtype, number);
  }
  double value;
  if (is_int ? !read_int(object, value) : npy_isnan(value = PyFloat_AS_DOUBLE(object))) return false;
  if (wanted.dtype == DType::longdouble) {
    return (!is_int || std::fabs(value) < largest_exact_int) && put(static_cast<npy_longdouble>(value), number);
  }
  // The casts of other packages go by float32. PyArray_Pack would not report what they raise.
  const NormalRange& range = wanted.dtype == DType::float16 ? float16_range : float32_range;
  return range.holds(value) && pack(object, wanted.type_num, number);
}

// Of the types of other packages, NumPy gives a pointer instead of the value.
bool copy_scalar(PyObject* object, int type_num, Number& number) {
  if (scalar_type_num(object) != type_num) return false;
  if (PyTypeNum_ISUSERDEF(type_num)) return pack(object, type_num, number);
  PyArray_ScalarAsCtype(object, number.bytes);
  return true;
}

bool copy_array(PyArrayObject* array, int type_num, Number& number) {
  if (PyArray_NDIM(array) != 0 || PyArray_TYPE(array) != type_num) return false;
  number.copy(array);
  return true;
}

[[gnu::noinline]] bool read_exactly(PyObject* object, ArrayType wanted, Number& number) {
  if (is_python_number(object)) return read_python_number(object, wanted, number);
  if (PyArray_IsScalar(object, Generic)) return copy_scalar(object, wanted.type_num, number);
  return is_plain(object) && copy_array(reinterpret_cast<PyArrayObject*>(object), wanted.type_num, number);
}

}  // namespace

int warn_on_write = 0;

int find_warn_on_write() {
  npy_intp none = 0;
  const Ref array(PyArray_SimpleNew(1, &none, NPY_BYTE));
  const Ref flags(array ? PyObject_GetAttrString(array.get(), "flags") : nullptr);
  if (!flags) return -1;
  const int before = PyArray_FLAGS(array.get<PyArrayObject>());
  if (PyObject_SetAttrString(flags.get(), "_warn_on_write", Py_True) == 0) {
    warn_on_write = PyArray_FLAGS(array.get<PyArrayObject>()) & ~before;
  } else if (PyErr_ExceptionMatches(PyExc_AttributeError)) {  // a NumPy that warns no more
    PyErr_Clear();
  }
  return PyErr_Occurred() ? -1 : 0;
}

Py_ssize_t find_keyword(PyObject* kwnames, const char* wanted) {
  const Py_ssize_t count = kwnames ? PyTuple_GET_SIZE(kwnames) : 0;
  for (Py_ssize_t i = 0; i < count; ++i) {
    if (PyUnicode_CompareWithASCIIString(PyTuple_GET_ITEM(kwnames, i), wanted) == 0) return i;
  }
  return -1;
}

bool read_number(PyObject* object, const UfuncSpec& spec, int input, ArrayType arrays, Number& number) {
  const DType wanted = input_dtype(spec, input, arrays.dtype);
  // First what is most frequent; the others are not inlined, so that it needs no stack frame.
  if (wanted == DType::float32 && PyFloat_CheckExact(object)) return put_float32(PyFloat_AS_DOUBLE(object), number);
  if (wanted == DType::float32 || wanted == DType::float64) return read_as_float(object, wanted, number);
  return read_exactly(object, arrays, number);
}

}  // namespace fastrelu
