import numpy as np

relu: np.ufunc
relu_derivative: np.ufunc
relu_backward: np.ufunc
leaky_relu: np.ufunc
leaky_relu_derivative: np.ufunc
leaky_relu_backward: np.ufunc
add_relu: np.ufunc
add_leaky_relu: np.ufunc
scale_shift_relu: np.ufunc
relu6: np.ufunc
relu6_backward: np.ufunc
clipped_relu: np.ufunc
clipped_relu_backward: np.ufunc
hardtanh: np.ufunc
hardtanh_backward: np.ufunc
thresholded_relu: np.ufunc
thresholded_relu_backward: np.ufunc
threshold: np.ufunc
threshold_backward: np.ufunc
squared_relu: np.ufunc
squared_relu_backward: np.ufunc
hardsigmoid: np.ufunc
hardsigmoid_backward: np.ufunc
hardswish: np.ufunc
hardswish_backward: np.ufunc
relu_quantized: np.ufunc
negated_relu: np.ufunc
crelu_gradient: np.ufunc
ufuncs: tuple[np.ufunc, ...]
compiler: str
max_threads: int

def isa() -> str: ...
def available_isas() -> tuple[str, ...]: ...
def compiled_isas() -> tuple[str, ...]: ...
def use_isa(name: str) -> str: ...
def get_num_threads() -> int: ...
def set_num_threads(n: int) -> None: ...
def default_num_threads() -> int: ...
def set_recycle_limit(bytes: int) -> None: ...
def recycle_info() -> tuple[int, int, int, int, int]: ...
def trim() -> int: ...
def cgroup_memory_limit(root: str) -> int: ...
