from fastrelu._ufuncs._types import (
    GradX,
    GradXAlpha,
    GradXMaxValue,
    GradXMinValMaxVal,
    GradXThreshold,
    X,
    XAlpha,
    XMaxValue,
    XMinValMaxVal,
    XThreshold,
    XZeroPoint,
)

relu6: X
relu6_backward: GradX
clipped_relu: XMaxValue
clipped_relu_backward: GradXMaxValue
hardtanh: XMinValMaxVal
hardtanh_backward: GradXMinValMaxVal
thresholded_relu: XAlpha
thresholded_relu_backward: GradXAlpha
threshold: XThreshold
threshold_backward: GradXThreshold
relu_quantized: XZeroPoint
