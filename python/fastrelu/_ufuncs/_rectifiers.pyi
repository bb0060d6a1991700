from fastrelu._ufuncs._types import GradX, GradXSlope, X, XSlope

relu: X
relu_derivative: X
relu_backward: GradX
leaky_relu: XSlope
leaky_relu_derivative: XSlope
leaky_relu_backward: GradXSlope
