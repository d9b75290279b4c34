/* total(*numbers): their sum, computed by libtally.so. */
#define PY_SSIZE_T_CLEAN
#include <Python.h>

#include "tally.h"

static PyObject *total(PyObject *module, PyObject *numbers)
{
    Py_ssize_t count = PyTuple_GET_SIZE(numbers);
    long *values = PyMem_New(long, count);
    if (values == NULL)
        return PyErr_NoMemory();

    for (Py_ssize_t i = 0; i < count; i++) {
        values[i] = PyLong_AsLong(PyTuple_GET_ITEM(numbers, i));
        if (values[i] == -1 && PyErr_Occurred()) {
            PyMem_Free(values);
            return NULL;
        }
    }
    long sum = tally(values, (size_t)count);
    PyMem_Free(values);
    return PyLong_FromLong(sum);
}

static PyMethodDef methods[] = {
    {"total", total, METH_VARARGS, "The sum of the arguments."},
    {NULL, NULL, 0, NULL},
};

static struct PyModuleDef definition = {
    PyModuleDef_HEAD_INIT,
    .m_name = "native",
    .m_size = 0,
    .m_methods = methods,
};

PyMODINIT_FUNC PyInit_native(void)
{
    return PyModule_Create(&definition);
}
