// SPDX-License-Identifier: BSD-3-Clause
#include "mask_object.h"

#include <pybind11/pybind11.h>
#include <structmember.h>

#include "../runtime/mask_line.h"
#include "dense_arrays.h"
#include "reduced_axes.h"

namespace py = pybind11;

namespace fastrelu {
namespace {

PyTypeObject *base_type, *made_type;  // the type that is defined here, and the one that new masks are of
PyObject *relu_kind, *leaky_kind;

PyObject* kind_of(MaskOp op) { return multiplies(op) ? leaky_kind : relu_kind; }

MaskObject* as_mask(PyObject* object) { return reinterpret_cast<MaskObject*>(object); }

void deallocate(PyObject* self) {
  PyTypeObject* const type = Py_TYPE(self);
  for (PyObject* member : {as_mask(self)->bits, as_mask(self)->shape, as_mask(self)->kind}) Py_XDECREF(member);
  type->tp_free(self);
  Py_DECREF(type);
}

// Takes references to its members.
PyObject* allocate(PyTypeObject* type, PyObject* bits, PyObject* shape, PyObject* kind) {
  PyObject* const mask = type->tp_alloc(type, 0);
  if (!mask) return nullptr;
  as_mask(mask)->bits = Py_NewRef(bits);
  as_mask(mask)->shape = Py_NewRef(shape);
  as_mask(mask)->kind = Py_NewRef(kind);
  return mask;
}

bool is_shape(PyObject* object) {
  const Py_ssize_t ndim = PyTuple_GET_SIZE(object);
  if (ndim > max_array_axes) return false;
  npy_intp shape[max_array_axes];
  for (Py_ssize_t axis = 0; axis < ndim; ++axis) {
    PyObject* const length = PyTuple_GET_ITEM(object, axis);
    shape[axis] = PyLong_CheckExact(length) ? PyLong_AsSsize_t(length) : -1;
  }
  PyErr_Clear();
  return is_array_shape(static_cast<int>(ndim), shape);
}

// Python's Mask has checked these; what would be dangerous is refused here too.
PyObject* create(PyTypeObject* type, PyObject* arguments, PyObject*) {
  PyObject *bits, *shape, *kind;
  if (!PyArg_ParseTuple(arguments, "O!O!U:Mask", &PyArray_Type, &bits, &PyTuple_Type, &shape, &kind)) return nullptr;
  const bool is_legal = is_shape(shape);
  for (PyObject* known : {relu_kind, leaky_kind}) {
    if (is_legal && PyUnicode_Compare(kind, known) == 0) return allocate(type, bits, shape, known);
  }
  return PyErr_Format(PyExc_ValueError, "Mask: %R is not the shape of an array, or %R not the kind of a mask", shape,
                      kind);
}

PyMemberDef members[] = {
    {"bits", T_OBJECT_EX, offsetof(MaskObject, bits), READONLY, nullptr},
    {"shape", T_OBJECT_EX, offsetof(MaskObject, shape), READONLY, nullptr},
    {"kind", T_OBJECT_EX, offsetof(MaskObject, kind), READONLY, nullptr},
    {nullptr, 0, 0, 0, nullptr},
};

template <class Function> void* slot(Function* function) { return reinterpret_cast<void*>(function); }

// Its members are in no cycle, so nothing has to be traversed.
PyTypeObject* make_type() {
  PyType_Slot slots[] = {
      {Py_tp_new, slot(create)}, {Py_tp_dealloc, slot(deallocate)}, {Py_tp_members, members}, {0, nullptr}};
  PyType_Spec spec{"fastrelu._core.Mask", static_cast<int>(sizeof(MaskObject)), 0,
                   Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE, slots};
  return reinterpret_cast<PyTypeObject*>(PyType_FromSpec(&spec));
}

void set_mask_class(const py::type& type) {
  auto* const wanted = reinterpret_cast<PyTypeObject*>(type.ptr());
  if (!PyType_IsSubtype(wanted, base_type) || wanted->tp_basicsize != base_type->tp_basicsize) {
    throw py::type_error("masks must be of a class that adds no attributes to fastrelu._core.Mask");
  }
  made_type = reinterpret_cast<PyTypeObject*>(type.inc_ref().ptr());
}

}  // namespace

void define_mask_type(PyObject* module) {
  auto m = py::reinterpret_borrow<py::module_>(module);
  relu_kind = PyUnicode_InternFromString("relu");
  leaky_kind = PyUnicode_InternFromString("leaky_relu");
  base_type = made_type = relu_kind && leaky_kind ? make_type() : nullptr;
  if (!base_type) throw py::error_already_set();
  m.attr("Mask") = py::reinterpret_borrow<py::object>(reinterpret_cast<PyObject*>(base_type));
  m.def("set_mask_class", set_mask_class);
}

PyObject* new_mask(PyObject* bits, PyArrayObject* array, MaskOp op) {
  const Ref shape(PyArray_IntTupleFromIntp(PyArray_NDIM(array), PyArray_DIMS(array)));
  return shape ? allocate(made_type, bits, shape.get(), kind_of(op)) : nullptr;
}

bool is_mask(PyObject* object) { return PyObject_TypeCheck(object, base_type); }

bool are_bits_of(PyObject* object, npy_intp elements) {
  if (!is_dense(object)) return false;
  PyArrayObject* const bits = as_array(object);
  return PyArray_TYPE(bits) == NPY_UBYTE && PyArray_NDIM(bits) == 1 && PyArray_DIM(bits, 0) == mask_bytes(elements);
}

int read_shape(PyObject* mask, npy_intp* shape) {
  PyObject* const lengths = as_mask(mask)->shape;
  const auto ndim = static_cast<int>(PyTuple_GET_SIZE(lengths));
  for (int axis = 0; axis < ndim; ++axis) shape[axis] = PyLong_AsSsize_t(PyTuple_GET_ITEM(lengths, axis));
  return ndim;
}

PyObject* bits_of_mask(PyObject* object) {
  if (!is_mask(object)) return nullptr;
  npy_intp shape[max_array_axes];
  const int ndim = read_shape(object, shape);
  PyObject* const bits = as_mask(object)->bits;
  return are_bits_of(bits, PyArray_MultiplyList(shape, ndim)) ? bits : nullptr;
}

PyObject* bits_for(PyObject* object, MaskOp op, PyArrayObject* array) {
  if (!is_mask(object) || as_mask(object)->kind != kind_of(op)) return nullptr;
  npy_intp shape[max_array_axes];
  const int ndim = read_shape(object, shape);
  if (!has_shape(array, ndim, shape)) return nullptr;
  PyObject* const bits = as_mask(object)->bits;
  return are_bits_of(bits, PyArray_SIZE(array)) ? bits : nullptr;
}

}  // namespace fastrelu
