from fastrelu._ufuncs._types import (
    GradXAlphaMultiplied,
    GradXMultiplied,
    GradYMultiplied,
    XAlphaMultiplied,
    XMultiplied,
)

sigmoid: XMultiplied
sigmoid_derivative: XMultiplied
sigmoid_backward: GradXMultiplied
sigmoid_backward_from_output: GradYMultiplied
tanh: XMultiplied
tanh_derivative: XMultiplied
tanh_backward: GradXMultiplied
tanh_backward_from_output: GradYMultiplied
silu: XMultiplied
silu_derivative: XMultiplied
silu_backward: GradXMultiplied
gelu: XMultiplied
gelu_derivative: XMultiplied
gelu_backward: GradXMultiplied
gelu_tanh: XMultiplied
gelu_tanh_derivative: XMultiplied
gelu_tanh_backward: GradXMultiplied
mish: XMultiplied
mish_derivative: XMultiplied
mish_backward: GradXMultiplied
softplus: XMultiplied
softplus_derivative: XMultiplied
softplus_backward: GradXMultiplied
log_sigmoid: XMultiplied
log_sigmoid_derivative: XMultiplied
log_sigmoid_backward: GradXMultiplied
selu: XMultiplied
selu_derivative: XMultiplied
selu_backward: GradXMultiplied
softsign: XMultiplied
softsign_derivative: XMultiplied
softsign_backward: GradXMultiplied
elu: XAlphaMultiplied
elu_derivative: XAlphaMultiplied
elu_backward: GradXAlphaMultiplied
celu: XAlphaMultiplied
celu_derivative: XAlphaMultiplied
celu_backward: GradXAlphaMultiplied
