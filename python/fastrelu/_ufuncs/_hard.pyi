from fastrelu._ufuncs._types import GradXLambd, GradXMultiplied, XLambd, XMultiplied

squared_relu: XMultiplied
squared_relu_backward: GradXMultiplied
hardsigmoid: XMultiplied
hardsigmoid_backward: GradXMultiplied
hardswish: XMultiplied
hardswish_backward: GradXMultiplied
softshrink: XLambd
softshrink_backward: GradXLambd
