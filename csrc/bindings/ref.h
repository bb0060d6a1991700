// SPDX-License-Identifier: BSD-3-Clause
//
// The owner of a reference to a Python object. Up to CPython 3.13, a thread that asks for the GIL while the interpreter
// finalizes is ended; glibc does so by unwinding its stack, which runs destructors without the GIL. gil.h keeps that from
// our own functions, but NumPy's release the GIL too. So a destructor looks first; the process ends anyway.
#pragma once

#include <Python.h>

#include <utility>

namespace fastrelu {

inline void give_back(PyObject* reference) {
  if (reference && PyGILState_Check()) Py_DECREF(reference);
}

class Ref {
 public:
  Ref() = default;
  // Of a new reference, or of null.
  template <class Object> explicit Ref(Object* reference) : object_(reinterpret_cast<PyObject*>(reference)) {}
  Ref(Ref&& other) noexcept : object_(other.release()) {}
  Ref& operator=(Ref&&) = delete;
  ~Ref() { give_back(object_); }

  explicit operator bool() const { return object_ != nullptr; }
  template <class Object = PyObject> Object* get() const { return reinterpret_cast<Object*>(object_); }
  PyObject* release() { return std::exchange(object_, nullptr); }

 private:
  PyObject* object_ = nullptr;
};

}  // namespace fastrelu
