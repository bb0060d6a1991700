from fastrelu._ufuncs._types import XY, XScaleShift, XYSlope

add_relu: XY
add_leaky_relu: XYSlope
scale_shift_relu: XScaleShift
