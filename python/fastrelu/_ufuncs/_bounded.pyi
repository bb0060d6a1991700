from fastrelu._ufuncs._types import (
    GradX,
    GradXAlpha,
    GradXMaxVal,
    GradXMinValMaxVal,
    GradXThreshold,
    X,
    XAlpha,
    XMaxVal,
    XMinValMaxVal,
    XThreshold,
    XZeroPoint,
)

relu6: X
relu6_backward: GradX
clipped_relu: XMaxVal
clipped_relu_backward: GradXMaxVal
hardtanh: XMinValMaxVal
hardtanh_backward: GradXMinValMaxVal
thresholded_relu: XAlpha
thresholded_relu_backward: GradXAlpha
threshold: XThreshold
threshold_backward: GradXThreshold
relu_quantized: XZeroPoint
