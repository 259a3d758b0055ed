// Arduino finds the library by the name of this header.
