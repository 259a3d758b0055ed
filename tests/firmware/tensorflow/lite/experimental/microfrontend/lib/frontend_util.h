#include "tensorflow/lite/experimental/microfrontend/lib/frontend.h"
