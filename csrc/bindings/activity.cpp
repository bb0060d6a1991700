// SPDX-License-Identifier: BSD-3-Clause
#include "activity.h"

#include <pybind11/stl.h>

#include <mutex>
#include <utility>
#include <vector>

#include "activity_log.h"
#include "dense_arrays.h"

namespace py = pybind11;

namespace fastrelu {

bool is_observing = false;

namespace {

constexpr const char* capsule_name = "fastrelu.activity_log";
// What a thread keeps for its next observation.
constexpr std::size_t kept_scratch = 1024 * 1024;

PyUFuncObject* observed_ufuncs[ufunc_count];
vectorcallfunc plain_call[ufunc_count];
int observers = 0;
PyObject* logs_variable;                    // a ContextVar: a tuple of pairs, each a log and its label or None
thread_local std::size_t observations = 0;  // so that a call inside of another is not counted twice

// How a function's elements are active: by what it asks of x, or because the result is not <= 0.
enum class Watched { not_at_all, by_relu, by_leaky_relu, by_result };

constexpr Watched watched(Op op) {
  switch (op) {
    case Op::relu: return Watched::by_relu;
    case Op::leaky_relu: return Watched::by_leaky_relu;
    case Op::add_relu:
    case Op::add_leaky_relu:
    case Op::scale_shift_relu:
    case Op::relu6:
    case Op::clipped_relu:
    case Op::thresholded_relu:
    case Op::squared_relu:
    case Op::negated_relu: return Watched::by_result;
    default: return Watched::not_at_all;
  }
}

// New reference to the logs of the current context, or null.
PyObject* current_logs() {
  PyObject* logs = nullptr;
  if (PyContextVar_Get(logs_variable, nullptr, &logs) < 0) PyErr_Clear();
  if (logs && PyTuple_GET_SIZE(logs) == 0) Py_CLEAR(logs);
  return logs;
}

ActivityLog& log_of(PyObject* capsule) {
  return *static_cast<ActivityLog*>(PyCapsule_GetPointer(capsule, capsule_name));
}

void record(PyObject* logs, const Observation& seen) {
  ++observations;
  for (Py_ssize_t i = 0; i < PyTuple_GET_SIZE(logs); ++i) {
    PyObject* const pair = PyTuple_GET_ITEM(logs, i);
    PyObject* const label = PyTuple_GET_ITEM(pair, 1);
    log_of(PyTuple_GET_ITEM(pair, 0)).record(label == Py_None ? nullptr : label, seen);
  }
}

// Memory for a mask that nobody sees.
class Scratch {
 public:
  explicit Scratch(npy_intp elements) {
    const auto bytes = static_cast<std::size_t>(mask_bytes(elements)) + 1;
    if (bytes > kept_scratch) {
      own_.resize(bytes);
    } else if (kept().size() < bytes) {
      kept().resize(bytes);
    }
  }
  std::uint8_t* data() { return own_.empty() ? kept().data() : own_.data(); }

 private:
  static std::vector<std::uint8_t>& kept() {
    thread_local std::vector<std::uint8_t> memory;
    return memory;
  }
  std::vector<std::uint8_t> own_;
};

Found look(MaskOp op, PyArrayObject* dense, const ActiveKernel& type, std::uint8_t* mask) {
  const MaskWork work{op, type, OutputMemory::used};
  return run_mask_kernel(work, {PyArray_BYTES(dense), nullptr, nullptr, mask, PyArray_SIZE(dense), nullptr},
                         PyArray_ITEMSIZE(dense));
}

// keep and positive differ on NaN alone.
npy_intp count_nans(PyArrayObject* dense) {
  const ActiveKernel* const type = find_kernel(0, PyArray_TYPE(dense));
  if (!type) return 0;
  std::vector<std::uint8_t> mask(static_cast<std::size_t>(mask_bytes(PyArray_SIZE(dense))));
  return look(MaskOp::keep, dense, *type, mask.data()).active -
         look(MaskOp::positive, dense, *type, mask.data()).active;
}

Observation observation_of(const char* function, PyArrayObject* shaped, const std::uint8_t* mask, npy_intp active,
                           npy_intp nans) {
  return {function, {mask, PyArray_NDIM(shaped), PyArray_DIMS(shaped)}, PyArray_SIZE(shaped), active, nans};
}

// Values of a plain kind, which may be converted without calling anybody's code.
bool is_plain_value(PyObject* object) {
  return PyArray_Check(object) || PyArray_CheckScalar(object) || PyFloat_Check(object) || PyLong_Check(object) ||
         PyList_Check(object) || PyTuple_Check(object);
}

// Dense, in C order and native: a copy if need be. Null, without an exception, if that is not possible.
PyArrayObject* new_dense(PyObject* object) {
  if (!is_plain_value(object)) return nullptr;
  PyObject* const array = PyArray_FromAny(object, nullptr, 0, 0, NPY_ARRAY_ENSUREARRAY, nullptr);
  PyObject* dense = nullptr;
  if (array && kernel_of(as_array(array))) {
    PyArray_Descr* const native = PyArray_DescrFromType(PyArray_TYPE(as_array(array)));
    dense = PyArray_FromArray(as_array(array), native, NPY_ARRAY_CARRAY_RO);  // takes the dtype
  }
  Py_XDECREF(array);
  if (!dense) PyErr_Clear();
  return as_array(dense);
}

// One pass over any operand: its active elements, held until they can be recorded.
struct Looked {
  PyArrayObject* dense = nullptr;
  std::vector<std::uint8_t> mask;
  Found found{};

  Looked() = default;
  Looked(const Looked&) = delete;
  Looked& operator=(const Looked&) = delete;
  ~Looked() { Py_XDECREF(dense); }

  void at(PyObject* object, MaskOp op) {
    dense = new_dense(object);
    if (!dense) return;
    mask.resize(static_cast<std::size_t>(mask_bytes(PyArray_SIZE(dense))));
    found = look(op, dense, *find_kernel(0, PyArray_TYPE(dense)), mask.data());
  }
};

bool has_keyword(PyObject* kwnames, const char* wanted) {
  const Py_ssize_t count = kwnames ? PyTuple_GET_SIZE(kwnames) : 0;
  for (Py_ssize_t i = 0; i < count; ++i) {
    if (PyUnicode_CompareWithASCIIString(PyTuple_GET_ITEM(kwnames, i), wanted) == 0) return true;
  }
  return false;
}

struct VectorCall {
  PyObject* ufunc;
  PyObject* const* args;
  std::size_t nargsf;
  PyObject* kwnames;

  Py_ssize_t nargs() const { return PyVectorcall_NARGS(nargsf); }
};

// The call as usual, then the counts: right for everything that gives numbers, but slower.
PyObject* observe_after(int index, PyObject* logs, const VectorCall& call) {
  const UfuncSpec& spec = ufunc_specs[index];
  const bool asks_x = watched(spec.op) == Watched::by_leaky_relu;
  const bool is_whole = !has_keyword(call.kwnames, "where");  // else some results are nobody's
  Looked seen;
  if (asks_x && is_whole && call.nargs() > 0) seen.at(call.args[0], MaskOp::positive);
  const std::size_t before = observations;
  PyObject* const result = plain_call[index](call.ufunc, call.args, call.nargsf, call.kwnames);
  if (!result || !is_whole || observations != before) return result;
  if (asks_x) {
    PyArrayObject* const dense = new_dense(result);
    if (dense && seen.dense) {
      record(logs, observation_of(spec.name, seen.dense, seen.mask.data(), seen.found.active, count_nans(dense)));
    }
    Py_XDECREF(dense);
  } else {
    seen.at(result, MaskOp::keep);
    if (seen.dense) {
      const npy_intp nans = seen.found.nan ? count_nans(seen.dense) : 0;
      record(logs, observation_of(spec.name, seen.dense, seen.mask.data(), seen.found.active, nans));
    }
  }
  return result;
}

// x, and perhaps a slope and out=, nothing else.
bool read_forward(const UfuncSpec& spec, const VectorCall& vectorcall, MaskedForward& call) {
  const bool is_leaky = watched(spec.op) == Watched::by_leaky_relu;
  const Py_ssize_t nargs = vectorcall.nargs();
  if (nargs < 1 || nargs > 1 + is_leaky) return false;
  PyObject *slope = nargs == 2 ? vectorcall.args[1] : nullptr, *out = nullptr;
  const Py_ssize_t keywords = vectorcall.kwnames ? PyTuple_GET_SIZE(vectorcall.kwnames) : 0;
  for (Py_ssize_t i = 0; i < keywords; ++i) {
    PyObject* const name = PyTuple_GET_ITEM(vectorcall.kwnames, i);
    if (!out && PyUnicode_CompareWithASCIIString(name, "out") == 0) {
      out = vectorcall.args[nargs + i];
    } else if (is_leaky && !slope && PyUnicode_CompareWithASCIIString(name, "negative_slope") == 0) {
      slope = vectorcall.args[nargs + i];
    } else {
      return false;
    }
  }
  const MaskOp op = is_leaky ? MaskOp::leaky_relu : MaskOp::relu;
  if (prepare_forward(spec.name, op, vectorcall.args[0], slope, out == Py_None ? nullptr : out, call)) return true;
  PyErr_Clear();
  return false;
}

template <int index>
PyObject* observed_call(PyObject* ufunc, PyObject* const* args, std::size_t nargsf, PyObject* kwnames) {
  constexpr UfuncSpec spec = ufunc_specs[index];
  PyObject* const logs = current_logs();
  if (!logs) return plain_call[index](ufunc, args, nargsf, kwnames);
  const VectorCall vectorcall{ufunc, args, nargsf, kwnames};
  MaskedForward call;
  PyObject* result;
  if (watched(spec.op) != Watched::by_result && read_forward(spec, vectorcall, call)) {
    Scratch mask(call.size());
    Found found;
    result = run_forward(call, mask.data(), found);
    if (result) {
      const npy_intp nans = found.nan ? count_nans(as_array(result)) : 0;
      record(logs, observation_of(spec.name, call.x, mask.data(), found.active, nans));
    }
  } else {
    result = observe_after(index, logs, vectorcall);
  }
  Py_DECREF(logs);
  return result;
}

template <std::size_t... index> vectorcallfunc entry(int wanted, std::index_sequence<index...>) {
  constexpr vectorcallfunc entries[] = {observed_call<index>...};
  return entries[wanted];
}

bool has_vectorcall(PyUFuncObject* ufunc) {
  return Py_TYPE(reinterpret_cast<PyObject*>(ufunc))->tp_vectorcall_offset == offsetof(PyUFuncObject, vectorcall);
}

std::mutex swapping;

void start_observing() {
  const std::lock_guard<std::mutex> lock(swapping);
  if (observers++) return;
  is_observing = true;
  for (int index = 0; index < ufunc_count; ++index) {
    if (watched(ufunc_specs[index].op) == Watched::not_at_all || !has_vectorcall(observed_ufuncs[index])) continue;
    plain_call[index] = observed_ufuncs[index]->vectorcall;
    observed_ufuncs[index]->vectorcall = entry(index, std::make_index_sequence<ufunc_count>());
  }
}

void stop_observing() {
  const std::lock_guard<std::mutex> lock(swapping);
  if (--observers) return;
  is_observing = false;
  for (int index = 0; index < ufunc_count; ++index) {
    if (plain_call[index]) observed_ufuncs[index]->vectorcall = plain_call[index];
  }
}

py::capsule new_log(std::vector<int> batch_axes) {
  return py::capsule(new ActivityLog(std::move(batch_axes)), capsule_name,
                     [](PyObject* capsule) { delete &log_of(capsule); });
}

py::list listed(const std::vector<ActivityRow>& rows) {
  py::list list;
  for (const ActivityRow& row : rows) {
    const ActivityCounts& counts = row.counts;
    list.append(py::make_tuple(row.place, row.function, counts.calls, counts.elements, counts.active, counts.nans,
                               counts.units.units(), counts.units.dead()));
  }
  return list;
}

}  // namespace

void observe_masked(const MaskedForward& call, const std::uint8_t* mask, const Found& found, PyObject* result) {
  PyObject* const logs = current_logs();
  if (!logs) return;
  const npy_intp nans = found.nan ? count_nans(as_array(result)) : 0;
  record(logs, observation_of(call.name, call.x, mask, found.active, nans));
  Py_DECREF(logs);
}

void define_activity(py::module_& m, const py::tuple& ufuncs) {
  for (int index = 0; index < ufunc_count; ++index) {
    observed_ufuncs[index] = reinterpret_cast<PyUFuncObject*>(PyTuple_GET_ITEM(ufuncs.ptr(), index));
  }
  logs_variable = PyContextVar_New("fastrelu.activity", nullptr);
  if (!logs_variable) throw py::error_already_set();
  m.attr("activity_logs") = py::reinterpret_borrow<py::object>(logs_variable);
  m.def("start_observing", start_observing);
  m.def("stop_observing", stop_observing);
  m.def("new_activity_log", new_log, py::arg("batch_axes"));
  m.def("activity_rows", [](const py::capsule& log) { return listed(log_of(log.ptr()).rows()); });
  m.def("step_activity", [](const py::capsule& log) { return listed(log_of(log.ptr()).step()); });
  m.def("clear_activity", [](const py::capsule& log) { log_of(log.ptr()).clear(); });
  m.def("close_activity", [](const py::capsule& log) { log_of(log.ptr()).close(); });
}

}  // namespace fastrelu
