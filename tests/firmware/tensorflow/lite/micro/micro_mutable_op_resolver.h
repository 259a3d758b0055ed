// The methods of TensorFlow Lite Micro's resolver that add the operators a detector may have.

#ifndef TENSORFLOW_LITE_MICRO_MICRO_MUTABLE_OP_RESOLVER_H_
#define TENSORFLOW_LITE_MICRO_MICRO_MUTABLE_OP_RESOLVER_H_

#include "tensorflow/lite/micro/micro_interpreter.h"

namespace tflite {

TfLiteStatus AddOperator();  // of the fake

template <unsigned int tOpCount>
class MicroMutableOpResolver : public MicroOpResolver {
 public:
  TfLiteStatus AddAdd() { return AddOperator(); }
  TfLiteStatus AddAssignVariable() { return AddOperator(); }
  TfLiteStatus AddAveragePool2D() { return AddOperator(); }
  TfLiteStatus AddBatchMatMul() { return AddOperator(); }
  TfLiteStatus AddCallOnce() { return AddOperator(); }
  TfLiteStatus AddConcatenation() { return AddOperator(); }
  TfLiteStatus AddConv2D() { return AddOperator(); }
  TfLiteStatus AddCumSum() { return AddOperator(); }
  TfLiteStatus AddDepthwiseConv2D() { return AddOperator(); }
  TfLiteStatus AddDequantize() { return AddOperator(); }
  TfLiteStatus AddDiv() { return AddOperator(); }
  TfLiteStatus AddElu() { return AddOperator(); }
  TfLiteStatus AddExpandDims() { return AddOperator(); }
  TfLiteStatus AddFullyConnected() { return AddOperator(); }
  TfLiteStatus AddHardSwish() { return AddOperator(); }
  TfLiteStatus AddL2Normalization() { return AddOperator(); }
  TfLiteStatus AddL2Pool2D() { return AddOperator(); }
  TfLiteStatus AddLeakyRelu() { return AddOperator(); }
  TfLiteStatus AddLogSoftmax() { return AddOperator(); }
  TfLiteStatus AddLogistic() { return AddOperator(); }
  TfLiteStatus AddMaxPool2D() { return AddOperator(); }
  TfLiteStatus AddMaximum() { return AddOperator(); }
  TfLiteStatus AddMean() { return AddOperator(); }
  TfLiteStatus AddMinimum() { return AddOperator(); }
  TfLiteStatus AddMul() { return AddOperator(); }
  TfLiteStatus AddPadV2() { return AddOperator(); }
  TfLiteStatus AddPad() { return AddOperator(); }
  TfLiteStatus AddQuantize() { return AddOperator(); }
  TfLiteStatus AddReadVariable() { return AddOperator(); }
  TfLiteStatus AddRelu() { return AddOperator(); }
  TfLiteStatus AddRelu6() { return AddOperator(); }
  TfLiteStatus AddReshape() { return AddOperator(); }
  TfLiteStatus AddResizeNearestNeighbor() { return AddOperator(); }
  TfLiteStatus AddReverseV2() { return AddOperator(); }
  TfLiteStatus AddSelectV2() { return AddOperator(); }
  TfLiteStatus AddSoftmax() { return AddOperator(); }
  TfLiteStatus AddSpaceToBatchNd() { return AddOperator(); }
  TfLiteStatus AddSplit() { return AddOperator(); }
  TfLiteStatus AddSplitV() { return AddOperator(); }
  TfLiteStatus AddSquaredDifference() { return AddOperator(); }
  TfLiteStatus AddStridedSlice() { return AddOperator(); }
  TfLiteStatus AddSub() { return AddOperator(); }
  TfLiteStatus AddSvdf() { return AddOperator(); }
  TfLiteStatus AddTanh() { return AddOperator(); }
  TfLiteStatus AddTranspose() { return AddOperator(); }
  TfLiteStatus AddTransposeConv() { return AddOperator(); }
  TfLiteStatus AddUnidirectionalSequenceLSTM() { return AddOperator(); }
  TfLiteStatus AddUnpack() { return AddOperator(); }
  TfLiteStatus AddVarHandle() { return AddOperator(); }
};

}  // namespace tflite

#endif  // TENSORFLOW_LITE_MICRO_MICRO_MUTABLE_OP_RESOLVER_H_
