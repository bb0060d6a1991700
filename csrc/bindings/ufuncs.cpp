// SPDX-License-Identifier: BSD-3-Clause
#include "ufuncs.h"

#include <array>
#include <atomic>
#include <memory>
#include <type_traits>
#include <utility>

#include "promotion.h"

namespace fastrelu {

ActiveKernel builtin_kernels[ufunc_count][NPY_NTYPES_LEGACY];

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
    {NPY_HALF, DType::float16},
    {NPY_FLOAT, DType::float32},
    {NPY_DOUBLE, DType::float64},
    {NPY_LONGDOUBLE, DType::longdouble},
};
constexpr int builtin_count = sizeof numpy_types / sizeof *numpy_types;

// NumPy keeps pointers into these arrays for as long as the ufunc lives.
struct NumpyTables {
  PyUFuncGenericFunction loops[builtin_count];
  void* data[builtin_count];
  char types[builtin_count * max_operands];
};

struct Ufunc {
  PyObject* object;
  DType dtypes[builtin_count];  // of the loops
  int loop_count;
  NumpyTables numpy;
};

// A dtype of another package. It is complete before it is listed, and stays: loops that NumPy knows point to it.
struct UserType {
  int type_num;
  DType dtype;
  std::unique_ptr<Float8> format;  // null: not of one byte
  ActiveKernel kernels[ufunc_count];
  std::atomic<bool> has_loop[ufunc_count];  // known to NumPy
  UserType* next;                           // listed before this one
};

std::array<Ufunc, ufunc_count> ufuncs{};
std::atomic<UserType*> user_types{nullptr};  // the last one listed
const Isa* active = nullptr;

UserType* find_user_type(int type_num) {
  UserType* type = user_types.load(std::memory_order_acquire);
  while (type && type->type_num != type_num) type = type->next;
  return type;
}

char* list_operands(const UfuncSpec& spec, NumpyType type, char* types) {
  for (int i = 0; i < spec.nin(); ++i) {
    *types++ = static_cast<char>(input_type_num(spec, i, type.dtype, type.type_num));
  }
  *types++ = static_cast<char>(out_type_num(spec, type.type_num));
  return types;
}

void list_types(int index, Ufunc& ufunc) {
  const UfuncSpec& spec = ufunc_specs[index];
  char* types = ufunc.numpy.types;
  for (const NumpyType type : numpy_types) {
    const Kernel kernel = active->kernel(spec.op, type.dtype);
    builtin_kernels[index][static_cast<int>(type.type_num)] = {kernel, nullptr, type.dtype};
    if (!kernel.cached) continue;
    types = list_operands(spec, type, types);
    ufunc.dtypes[ufunc.loop_count] = type.dtype;
    ufunc.numpy.loops[ufunc.loop_count++] = kernel.cached;
  }
}

template <int index> int run_user_loop(PyArrayMethod_Context* context, char* const* data, const npy_intp* dimensions,
                                       const npy_intp* steps, NpyAuxData*) {
  const ActiveKernel& active = *find_kernel(index, context->descriptors[0]->type_num);
  active.kernel.cached(const_cast<char**>(data), dimensions, steps, active.data);
  return 0;
}

int register_loop(int index, PyArray_DTypeMeta* user_dtype, DType dtype) {
  const UfuncSpec& spec = ufunc_specs[index];
  PyArray_DTypeMeta* dtypes[max_operands];
  for (int i = 0; i <= spec.nin(); ++i) {
    const bool is_float32 = i < spec.nin() && input_dtype(spec, i, dtype) == DType::float32;
    dtypes[i] = is_float32 ? &PyArray_FloatDType : user_dtype;
  }

  auto* const loop = instance_for(index, [](auto i) -> PyArrayMethod_StridedLoop* { return run_user_loop<i>; });
  PyType_Slot slots[] = {{NPY_METH_strided_loop, reinterpret_cast<void*>(loop)}, {0, nullptr}};
  const bool is_silent = spec.arithmetic == Arithmetic::selects;
  const auto flags = static_cast<NPY_ARRAYMETHOD_FLAGS>(is_silent ? NPY_METH_NO_FLOATINGPOINT_ERRORS : 0);
  PyArrayMethod_Spec method{spec.name, spec.nin(), 1, NPY_NO_CASTING, flags, dtypes, slots};
  return PyUFunc_AddLoopFromSpec(ufuncs[static_cast<std::size_t>(index)].object, &method);
}

}  // namespace

int input_type_num(const UfuncSpec& spec, int input, DType arrays, int arrays_type_num) {
  const DType dtype = input_dtype(spec, input, arrays);
  if (dtype == arrays) return arrays_type_num;
  return dtype == DType::float32 ? NPY_FLOAT : NPY_DOUBLE;
}

// Products take integers to float64.
int out_type_num(const UfuncSpec& spec, int arrays_type_num) {
  const bool is_product = gives_floats(spec.arithmetic);
  return is_product && PyTypeNum_ISINTEGER(arrays_type_num) ? int(NPY_DOUBLE) : arrays_type_num;
}

PyObject* make_ufunc(int index) {
  const UfuncSpec& spec = ufunc_specs[index];
  Ufunc& ufunc = ufuncs[static_cast<std::size_t>(index)];
  if (ufunc.object) return Py_NewRef(ufunc.object);  // made by an import that failed later
  ufunc.loop_count = 0;
  list_types(index, ufunc);
  NumpyTables& tables = ufunc.numpy;
  ufunc.object = PyUFunc_FromFuncAndData(tables.loops, tables.data, tables.types, ufunc.loop_count, spec.nin(), 1,
                                         PyUFunc_None, spec.name, nullptr, 0);
  if (ufunc.object && add_promoter(ufunc.object, index) < 0) Py_CLEAR(ufunc.object);
  return Py_XNewRef(ufunc.object);
}

const ActiveKernel* find_user_kernel(int index, int type_num) {
  const UserType* const type = find_user_type(type_num);
  return type && type->kernels[index].kernel.cached ? &type->kernels[index] : nullptr;
}

void list_user_type(int type_num, DType dtype, std::unique_ptr<Float8> format) {
  auto type = std::make_unique<UserType>();
  type->type_num = type_num;
  type->dtype = dtype;
  type->format = std::move(format);
  void* const data = type->format.get();
  for (int index = 0; index < ufunc_count; ++index) {
    type->kernels[index] = {active->kernel(ufunc_specs[index].op, dtype), data, dtype};
  }
  type->next = user_types.load(std::memory_order_acquire);
  do {
    if (find_user_type(type_num)) return;  // another thread was faster
  } while (!user_types.compare_exchange_weak(type->next, type.get(), std::memory_order_acq_rel));
  type.release();
}

bool has_loop(int index, int user_type_num) {
  const UserType* const type = find_user_type(user_type_num);
  return type && (type->has_loop[index] || !type->kernels[index].kernel.cached);
}

int add_loop(int index, PyArray_DTypeMeta* user_dtype) {
  if (has_loop(index, user_dtype->type_num)) return 0;
  UserType& type = *find_user_type(user_dtype->type_num);
  std::atomic<bool>& is_added = type.has_loop[index];
  // What NumPy allocates may run a finalizer or let in another thread, which then calls this ufunc: it finds no loop yet,
  // adds it, and NumPy refuses ours. Nobody gets between NumPy's adding it and the store below: NumPy calls promoters with
  // the GIL or, without one, under a lock of the ufunc.
  if (register_loop(index, user_dtype, type.dtype) < 0) {
    if (!is_added) return -1;
    PyErr_Clear();
  }
  is_added = true;
  return 0;
}

void use_isa(const Isa& isa) {
  active = &isa;
  for (int index = 0; index < ufunc_count; ++index) {
    const Op op = ufunc_specs[index].op;
    Ufunc& ufunc = ufuncs[static_cast<std::size_t>(index)];
    for (int i = 0; i < ufunc.loop_count; ++i) ufunc.numpy.loops[i] = isa.kernel(op, ufunc.dtypes[i]).cached;
    for (const NumpyType type : numpy_types) {
      builtin_kernels[index][static_cast<int>(type.type_num)].kernel = isa.kernel(op, type.dtype);
    }
    for (UserType* type = user_types; type; type = type->next) {
      type->kernels[index].kernel = isa.kernel(op, type->dtype);
    }
  }
}

const Isa& active_isa() { return *active; }

}  // namespace fastrelu
