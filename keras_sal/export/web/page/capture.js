/** The microphone's sound, handed from the audio thread to the page in blocks of one channel. */

const BLOCK = 512;

class Capture extends AudioWorkletProcessor {
  #block = new Float32Array(BLOCK);
  #filled = 0;

  process([channels]) {
    for (let at = 0; at < (channels[0]?.length ?? 0); at += 1) {
      const sum = channels.reduce((total, channel) => total + channel[at], 0);
      this.#block[this.#filled] = sum / channels.length;
      this.#filled += 1;
      if (this.#filled === BLOCK) this.#send();
    }
    return true;
  }

  #send() {
    this.port.postMessage(this.#block, [this.#block.buffer]);
    this.#block = new Float32Array(BLOCK);
    this.#filled = 0;
  }
}

registerProcessor("capture", Capture);
