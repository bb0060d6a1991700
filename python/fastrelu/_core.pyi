import numpy as np

relu: np.ufunc
relu_derivative: np.ufunc
relu_backward: np.ufunc
leaky_relu: np.ufunc
leaky_relu_derivative: np.ufunc
leaky_relu_backward: np.ufunc
ufuncs: tuple[np.ufunc, ...]
compiler: str

def isa() -> str: ...
def available_isas() -> tuple[str, ...]: ...
def compiled_isas() -> tuple[str, ...]: ...
def use_isa(name: str) -> str: ...
