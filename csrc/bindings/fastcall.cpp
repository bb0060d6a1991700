// SPDX-License-Identifier: BSD-3-Clause
#include "fastcall.h"

#include <algorithm>
#include <cstddef>

#include "array_call.h"
#include "checks.h"
#include "dense_call.h"
#include "exceptions.h"
#include "ref.h"
#include "scalar_call.h"
#include "user_dtypes.h"

namespace fastrelu {
namespace {

vectorcallfunc numpy_call[ufunc_count];
PyObject* out_keyword;
PyObject* parameter_keywords[ufunc_count][max_parameters];
PyObject* default_values[ufunc_count][max_parameters];  // null: there is none

template <int index> bool read_keyword(PyObject* name, PyObject* value, Arguments& call) {
  constexpr const UfuncSpec& spec = ufunc_specs[index];
  if (name == out_keyword) {
    call.out = value == Py_None ? nullptr : value;
    return true;
  }
  for (int i = 0; i < spec.parameter_count(); ++i) {
    if (name != parameter_keywords[index][i] || call.inputs[spec.arrays + i]) continue;
    call.inputs[spec.arrays + i] = value;
    return true;
  }
  return false;
}

// False if there is anything that only NumPy understands: too few or many arguments, other keywords, an out in a tuple.
template <int index> bool read_arguments(PyObject* const* args, Py_ssize_t nargs, PyObject* kwnames, Arguments& call) {
  constexpr const UfuncSpec& spec = ufunc_specs[index];
  if (nargs < spec.arrays || nargs > spec.nin()) return false;
  for (int i = 0; i < spec.nin(); ++i) call.inputs[i] = i < spec.arrays || i < nargs ? args[i] : nullptr;
  call.out = nullptr;
  const Py_ssize_t keywords = kwnames ? PyTuple_GET_SIZE(kwnames) : 0;
  for (Py_ssize_t i = 0; i < keywords; ++i) {  // names are interned where the call was compiled with them
    if (!read_keyword<index>(PyTuple_GET_ITEM(kwnames, i), args[nargs + i], call)) return false;
  }
  for (int i = 0; i < spec.parameter_count(); ++i) {
    PyObject*& input = call.inputs[spec.arrays + i];
    if (!input) input = default_values[index][i];
    if (!input) return false;
  }
  return true;
}

// Which of a call's keywords are the ufunc's parameters. Negative: not there.
struct ParameterKeywords {
  Py_ssize_t position[max_parameters];

  bool contains(Py_ssize_t keyword) const { return position[0] == keyword || position[1] == keyword; }
  int count() const { return (position[0] >= 0) + (position[1] >= 0); }
};

ParameterKeywords find_parameters(int index, PyObject* kwnames) {
  ParameterKeywords found{{-1, -1}};
  for (int i = 0; i < ufunc_specs[index].parameter_count(); ++i) {
    found.position[i] = find_keyword(kwnames, ufunc_specs[index].parameters[i].name);
  }
  return found;
}

PyObject* without_parameters(PyObject* kwnames, const ParameterKeywords& parameters) {
  const Py_ssize_t count = kwnames ? PyTuple_GET_SIZE(kwnames) : 0;
  if (parameters.count() == 0) return Py_XNewRef(kwnames);
  PyObject* const rest = PyTuple_New(count - parameters.count());
  for (Py_ssize_t i = 0, k = 0; rest && i < count; ++i) {
    if (!parameters.contains(i)) PyTuple_SET_ITEM(rest, k++, Py_NewRef(PyTuple_GET_ITEM(kwnames, i)));
  }
  return rest;
}

// Refusals in Python's own words. They return false.

bool refuse_twice_given(const UfuncSpec& spec, int parameter) {
  PyErr_Format(PyExc_TypeError, "%s() got multiple values for argument '%s'", spec.name,
               spec.parameters[parameter].name);
  return false;
}

bool refuse_too_few(const UfuncSpec& spec, int parameter, Py_ssize_t nargs) {
  PyErr_Format(PyExc_TypeError, "%s() takes at least %d positional argument%s before %s but %zd %s given", spec.name,
               spec.arrays, spec.arrays == 1 ? "" : "s", spec.parameters[parameter].name, nargs,
               nargs == 1 ? "was" : "were");
  return false;
}

bool refuse_missing(const UfuncSpec& spec, PyObject* const* parameters) {
  const char *const first = spec.parameters[0].name, *const second = spec.parameters[1].name;
  if (!parameters[0] && second && !parameters[1]) {
    PyErr_Format(PyExc_TypeError, "%s() missing 2 required positional arguments: '%s' and '%s'", spec.name, first,
                 second);
  } else {
    PyErr_Format(PyExc_TypeError, "%s() missing 1 required positional argument: '%s'", spec.name,
                 parameters[0] ? second : first);
  }
  return false;
}

// NumPy knows of no defaults, and counts inputs which have one among those that must be given.
bool refuse_count(const UfuncSpec& spec, Py_ssize_t nargs) {
  PyErr_Format(PyExc_TypeError, "%s() takes from %d to %d positional arguments but %zd %s given", spec.name,
               spec.arrays, spec.nin() + 1, nargs, nargs == 1 ? "was" : "were");
  return false;
}

bool are_well_placed(const UfuncSpec& spec, const ParameterKeywords& keywords, Py_ssize_t nargs) {
  for (int i = 0; i < spec.parameter_count(); ++i) {
    if (keywords.position[i] < 0) continue;
    if (nargs > spec.arrays + i) return refuse_twice_given(spec, i);
    if (nargs < spec.arrays) return refuse_too_few(spec, i, nargs);
  }
  return true;
}

bool is_count_legal(int index, Py_ssize_t nargs) {
  const UfuncSpec& spec = ufunc_specs[index];
  const bool is_legal = nargs >= spec.arrays && nargs <= spec.nin() + 1;
  return is_legal || !default_values[index][0] || refuse_count(spec, nargs);
}

// False with an exception set if there is no value for one of them.
bool complete_parameters(int index, const ParameterKeywords& keywords, PyObject* const* args, Py_ssize_t nargs,
                         PyObject** parameters) {
  const UfuncSpec& spec = ufunc_specs[index];
  bool is_complete = true;
  for (int i = 0; i < spec.parameter_count(); ++i) {
    const Py_ssize_t keyword = keywords.position[i];
    parameters[i] = nargs > spec.arrays + i ? args[spec.arrays + i]
                    : keyword >= 0          ? args[nargs + keyword]
                                            : default_values[index][i];
    is_complete &= parameters[i] != nullptr;
  }
  return is_complete || refuse_missing(spec, parameters);
}

// Calls NumPy with the parameters as the positional arguments that they are to a ufunc.
PyObject* call_with_parameters(int index, PyObject* ufunc, PyObject* const* args, Py_ssize_t nargs, PyObject* kwnames) {
  constexpr Py_ssize_t max_arguments = 16;  // more than any ufunc takes
  const UfuncSpec& spec = ufunc_specs[index];
  const ParameterKeywords parameters = find_parameters(index, kwnames);
  if (!are_well_placed(spec, parameters, nargs) || !is_count_legal(index, nargs)) return nullptr;
  const Py_ssize_t keywords = kwnames ? PyTuple_GET_SIZE(kwnames) : 0;
  if (nargs < spec.arrays || nargs + keywords >= max_arguments) {
    return numpy_call[index](ufunc, args, static_cast<std::size_t>(nargs), kwnames);
  }

  PyObject* complete[max_arguments + max_parameters];
  PyObject** next = std::copy_n(args, spec.arrays, complete);
  if (!complete_parameters(index, parameters, args, nargs, next) || !check_parameters(spec, next)) return nullptr;
  next += spec.parameter_count();
  for (Py_ssize_t i = spec.nin(); i < nargs; ++i) *next++ = args[i];
  const auto positional = static_cast<std::size_t>(next - complete);
  for (Py_ssize_t i = 0; i < keywords; ++i) {
    if (!parameters.contains(i)) *next++ = args[nargs + i];
  }
  const Ref names(without_parameters(kwnames, parameters));
  if (kwnames && !names) return nullptr;
  return numpy_call[index](ufunc, complete, positional, names.get());
}

// Defaults are in order.
template <int index> bool are_defaults(PyObject* const* parameters) {
  return std::equal(parameters, parameters + ufunc_specs[index].parameter_count(), default_values[index]);
}

// Returns true with *result set: a new reference, or null with an exception set. Otherwise returns false: NumPy's.
template <int index> bool call_on_operands(const Arguments& arguments, PyObject** result) {
  Operands operands;
  if (read_operands<index>(arguments, operands) &&
      (call_on_dense<index>(operands, result) || call_on_arrays(ufunc_specs[index], operands, result))) {
    return true;
  }
  return call_on_scalars(index, arguments, result);
}

template <int index> PyObject* call(PyObject* ufunc, PyObject* const* args, Py_ssize_t nargs, PyObject* kwnames) {
  constexpr const UfuncSpec& spec = ufunc_specs[index];
  Arguments arguments;
  if (read_arguments<index>(args, nargs, kwnames, arguments)) {
    PyObject* const* const parameters = arguments.inputs + spec.arrays;
    if (!are_defaults<index>(parameters) && !check_parameters(spec, parameters)) return nullptr;
    PyObject* result;
    if (call_on_operands<index>(arguments, &result)) return result;
  }
  if (meet_dtypes(index, ufunc, args, nargs, kwnames) < 0) return nullptr;
  if constexpr (spec.parameter_count() > 0) return call_with_parameters(index, ufunc, args, nargs, kwnames);
  return numpy_call[index](ufunc, args, static_cast<std::size_t>(nargs), kwnames);
}

template <int index>
PyObject* caught_call(PyObject* ufunc, PyObject* const* args, std::size_t nargsf, PyObject* kwnames) {
  return caught<PyObject*>(nullptr, [&] { return call<index>(ufunc, args, PyVectorcall_NARGS(nargsf), kwnames); });
}

// The default of a function that passes parameters on is an int, which keeps the dtype of integers too.
PyObject* new_default(const UfuncSpec& spec, const Parameter& parameter) {
  if (gives_floats(spec.arithmetic)) return PyFloat_FromDouble(parameter.default_value);
  return PyLong_FromDouble(parameter.default_value);
}

bool make_constants(int index) {
  if (!out_keyword) out_keyword = PyUnicode_InternFromString("out");
  if (!out_keyword) return false;
  const UfuncSpec& spec = ufunc_specs[index];
  for (int i = 0; i < spec.parameter_count(); ++i) {
    const Parameter& parameter = spec.parameters[i];
    parameter_keywords[index][i] = PyUnicode_InternFromString(parameter.name);
    if (!parameter_keywords[index][i]) return false;
    if (!parameter.has_default) continue;
    default_values[index][i] = new_default(spec, parameter);
    if (!default_values[index][i]) return false;
  }
  return true;
}

}  // namespace

int install_fastcall(PyObject* object, int index) {
  if (numpy_call[index]) return 0;
  if (!make_constants(index)) return -1;
  auto* const ufunc = reinterpret_cast<PyUFuncObject*>(object);
  if (Py_TYPE(object)->tp_vectorcall_offset != offsetof(PyUFuncObject, vectorcall)) return 0;
  numpy_call[index] = ufunc->vectorcall;
  ufunc->vectorcall = instance_for(index, [](auto i) -> vectorcallfunc { return caught_call<i>; });
  return 0;
}

}  // namespace fastrelu
