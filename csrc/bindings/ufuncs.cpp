// SPDX-License-Identifier: BSD-3-Clause
#include "ufuncs.h"

#include <array>
#include <type_traits>

#include "promotion.h"

namespace fastrelu {
namespace {

static_assert(std::is_same_v<PyUFuncGenericFunction, Loop*>, "a kernel is a ufunc inner loop");

struct NumpyType {
  char type_num;
  DType dtype;
};

constexpr DType integer(std::size_t size, bool is_signed) {
  switch (size) {
    case 1: return is_signed ? DType::int8 : DType::uint8;
    case 2: return is_signed ? DType::int16 : DType::uint16;
    case 4: return is_signed ? DType::int32 : DType::uint32;
    default: return is_signed ? DType::int64 : DType::uint64;
  }
}

// In NumPy's order: its search for a loop takes the first that fits.
constexpr NumpyType numpy_types[] = {
    {NPY_BYTE, DType::int8},
    {NPY_UBYTE, DType::uint8},
    {NPY_SHORT, DType::int16},
    {NPY_USHORT, DType::uint16},
    {NPY_INT, DType::int32},
    {NPY_UINT, DType::uint32},
    {NPY_LONG, integer(sizeof(long), true)},
    {NPY_ULONG, integer(sizeof(long), false)},
    {NPY_LONGLONG, DType::int64},
    {NPY_ULONGLONG, DType::uint64},
    {NPY_FLOAT, DType::float32},
    {NPY_DOUBLE, DType::float64},
    {NPY_LONGDOUBLE, DType::longdouble},
};
constexpr int max_types = sizeof numpy_types / sizeof *numpy_types;
constexpr int max_operands = 4;

// NumPy keeps pointers into these arrays for as long as the ufunc lives.
struct Registered {
  int count = 0;
  DType dtypes[max_types];
  PyUFuncGenericFunction loops[max_types];
  void* data[max_types] = {};
  char types[max_types * max_operands];
};

std::array<Registered, ufunc_count> registered;
const Isa* active = nullptr;

void list_types(const UfuncSpec& spec, Registered& r) {
  char* types = r.types;
  for (const NumpyType& type : numpy_types) {
    Loop* const loop = active->loop(spec.op, type.dtype);
    if (!loop) continue;
    r.dtypes[r.count] = type.dtype;
    r.loops[r.count] = loop;
    ++r.count;
    for (int operand = 0; operand <= spec.nin(); ++operand) *types++ = type.type_num;
  }
}

}  // namespace

PyObject* make_ufunc(int index) {
  const UfuncSpec& spec = ufunc_specs[index];
  Registered& r = registered[index];
  list_types(spec, r);
  PyObject* ufunc = PyUFunc_FromFuncAndData(r.loops, r.data, r.types, r.count, spec.nin(), 1, PyUFunc_None,
                                                  spec.name, nullptr, 0);
  if (ufunc && add_promoter(ufunc, spec) < 0) Py_CLEAR(ufunc);
  return ufunc;
}

Loop* active_loop(int index, int type_num) {
  const Registered& r = registered[index];
  const int operands = ufunc_specs[index].nin() + 1;
  for (int i = 0; i < r.count; ++i) {
    if (r.types[i * operands] == type_num) return r.loops[i];
  }
  return nullptr;
}

void use_isa(const Isa& isa) {
  active = &isa;
  for (int index = 0; index < ufunc_count; ++index) {
    Registered& r = registered[index];
    for (int i = 0; i < r.count; ++i) r.loops[i] = isa.loop(ufunc_specs[index].op, r.dtypes[i]);
  }
}

const Isa& active_isa() { return *active; }

}  // namespace fastrelu
