// Where messages go.

#ifndef KERAS_SAL_LOG_H_
#define KERAS_SAL_LOG_H_

namespace keras_sal {

// Writes a message of one line, formatted as by printf with %s and %d only, and ends the line. Null
// for no messages.
using LogFunction = void (*)(const char* format, ...);

}  // namespace keras_sal

#endif  // KERAS_SAL_LOG_H_
