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

ActivityLog& log_at(PyObject* logs, Py_ssize_t i) { return log_of(PyTuple_GET_ITEM(PyTuple_GET_ITEM(logs, i), 0)); }

// Null: none.
PyObject* label_at(PyObject* logs, Py_ssize_t i) {
  PyObject* const label = PyTuple_GET_ITEM(PyTuple_GET_ITEM(logs, i), 1);
  return label == Py_None ? nullptr : label;
}

ArrayShape shape_of(PyArrayObject* array) { return {PyArray_NDIM(array), PyArray_DIMS(array)}; }

// A call, as all logs of a context see it.
class ObservedCall {
 public:
  ObservedCall(PyObject* logs, const char* function, PyArrayObject* array)
      : logs_(logs), elements_(PyArray_SIZE(array)) {
    for (Py_ssize_t i = 0; i < PyTuple_GET_SIZE(logs); ++i) {
      calls_.push_back(log_at(logs, i).begin(label_at(logs, i), function, shape_of(array)));
    }
  }
  ObservedCall(const ObservedCall&) = delete;
  ObservedCall& operator=(const ObservedCall&) = delete;

  // Empty if no log asks for units. The usual one is found without a detour: each is a cache miss for each thread.
  MaskWatch watch() {
    std::vector<UnitMarker*> markers;
    for (auto& call : calls_) {
      if (call.marker) markers.push_back(&*call.marker);
    }
    if (markers.empty()) return {};
    if (markers.size() == 1) {
      return [marker = markers[0]](npy_intp begin, npy_intp end, const std::uint8_t* bits) {
        marker->mark(begin, end, bits);
      };
    }
    return [markers](npy_intp begin, npy_intp end, const std::uint8_t* bits) {
      for (UnitMarker* const marker : markers) marker->mark(begin, end, bits);
    };
  }

  void end(npy_intp active, npy_intp nans) const {
    ++observations;
    for (std::size_t i = 0; i < calls_.size(); ++i) {
      log_at(logs_, static_cast<Py_ssize_t>(i)).end(calls_[i], {elements_, active, nans});
    }
  }

 private:
  PyObject* const logs_;
  const npy_intp elements_;
  std::vector<ActivityLog::OpenCall> calls_;
};

Found look(MaskOp op, PyArrayObject* dense, const MaskWatch& watch = {}) {
  return look(op, dense, *kernel_of(dense), watch);
}

// keep and positive differ on NaN alone.
npy_intp count_nans(PyArrayObject* dense) {
  return look(MaskOp::keep, dense).active - look(MaskOp::positive, dense).active;
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

// The call as usual, and a pass over its result: right for everything that gives numbers, but slower.
PyObject* observe_result(int index, PyObject* logs, const VectorCall& call) {
  const std::size_t before = observations;
  PyObject* const result = plain_call[index](call.ufunc, call.args, call.nargsf, call.kwnames);
  if (!result || observations != before) return result;
  if (PyArrayObject* const dense = new_dense(result)) {
    ObservedCall observed(logs, ufunc_specs[index].name, dense);
    const Found found = look(MaskOp::keep, dense, observed.watch());
    observed.end(found.active, found.nan ? count_nans(dense) : 0);
    Py_DECREF(dense);
  }
  return result;
}

// The same with a pass over x, before anything is written over it.
PyObject* observe_x(int index, PyObject* logs, const VectorCall& call) {
  PyArrayObject* const x = call.nargs() > 0 ? new_dense(call.args[0]) : nullptr;
  if (!x) return plain_call[index](call.ufunc, call.args, call.nargsf, call.kwnames);
  ObservedCall observed(logs, ufunc_specs[index].name, x);
  const Found found = look(MaskOp::positive, x, observed.watch());
  const std::size_t before = observations;
  PyObject* const result = plain_call[index](call.ufunc, call.args, call.nargsf, call.kwnames);
  if (PyArrayObject* const dense = result && observations == before ? new_dense(result) : nullptr) {
    observed.end(found.active, count_nans(dense));
    Py_DECREF(dense);
  }
  Py_DECREF(x);
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

// Into call.out and, unless it is null, a mask: units are marked while that is made.
PyObject* run_for_logs(PyObject* logs, MaskedForward& call, std::uint8_t* mask) {
  ObservedCall observed(logs, call.name, call.x);
  Found found;
  PyObject* const result = run_forward(call, mask, found, observed.watch());
  if (result) observed.end(found.active, found.nan ? count_nans(as_array(result)) : 0);
  return result;
}

template <int index>
PyObject* observed_call(PyObject* ufunc, PyObject* const* args, std::size_t nargsf, PyObject* kwnames) {
  constexpr UfuncSpec spec = ufunc_specs[index];
  const VectorCall vectorcall{ufunc, args, nargsf, kwnames};
  PyObject* const logs = current_logs();
  if (!logs) return plain_call[index](ufunc, args, nargsf, kwnames);
  PyObject* const result = caught([&] {
    MaskedForward call;
    if (watched(spec.op) != Watched::by_result && read_forward(spec, vectorcall, call)) {
      return run_for_logs(logs, call, nullptr);
    }
    // Some results are nobody's.
    if (has_keyword(kwnames, "where")) return plain_call[index](ufunc, args, nargsf, kwnames);
    if (watched(spec.op) == Watched::by_leaky_relu) return observe_x(index, logs, vectorcall);
    return observe_result(index, logs, vectorcall);
  });
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

PyObject* run_observed(MaskedForward& call, std::uint8_t* mask) {
  PyObject* const logs = is_observing ? current_logs() : nullptr;
  Found found;
  if (!logs) return run_forward(call, mask, found);
  PyObject* const result = caught([&] { return run_for_logs(logs, call, mask); });
  Py_DECREF(logs);
  return result;
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
