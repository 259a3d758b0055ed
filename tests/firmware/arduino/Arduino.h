// As cores of ArduinoCore-API declare them.
extern "C" {
void setup();
void loop();
}
