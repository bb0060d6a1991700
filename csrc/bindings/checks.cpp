// SPDX-License-Identifier: BSD-3-Clause
#include "checks.h"

#include "ref.h"

namespace fastrelu {
namespace {

PyObject* check = nullptr;  // fastrelu._bounds.check

}  // namespace

int import_checks() {
  if (check) return 0;
  const Ref bounds(PyImport_ImportModule("fastrelu._bounds"));
  check = bounds ? PyObject_GetAttrString(bounds.get(), "check") : nullptr;
  return check ? 0 : -1;
}

bool check_thoroughly(const UfuncSpec& spec, PyObject* const* values) {
  const Parameter &first = spec.parameters[0], &second = spec.parameters[1];
  const Ref done(
      spec.check == Check::ordered
          ? PyObject_CallFunction(check, "s(ss)(OO)", spec.name, first.name, second.name, values[0], values[1])
          : PyObject_CallFunction(check, "s(s)(O)O", spec.name, first.name, values[0],
                                  spec.check == Check::positive ? Py_True : Py_False));
  return bool(done);
}

}  // namespace fastrelu
