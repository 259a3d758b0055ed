/**
 * Resamples a stream from one rate to another, behind a low-pass below half of the lower rate.
 *
 * A sinc under a Kaiser window: above half of the lower rate, nothing louder than -90 dB is left.
 * The sound is not shifted in time; the last 3 ms wait for what comes after them.
 */

const ZERO_CROSSINGS = 48;
const BETA = 9; // of the window: how far below the tone its side lobes are
const PASS = 0.94; // middle of the slope, as a share of half of the lower rate

export class Resampler {
  /**
   * @param {number} from Samples per second that come.
   * @param {number} to Samples per second that are wanted.
   */
  constructor(from, to) {
    const divisor = gcd(from, to);
    this.up = to / divisor;
    this.down = from / divisor;
    const cutoff = PASS * Math.min(1, to / from); // as a share of half the incoming rate
    this.half = Math.ceil(ZERO_CROSSINGS * Math.max(1, from / to));
    this.phases = Array.from({ length: this.up }, (_, phase) => {
      return kernel(phase / this.up, cutoff, this.half);
    });
    this.reset();
  }

  /** Starts a new stream; before it, there is silence. */
  reset() {
    this.past = new Float32Array(this.half);
    this.phase = 0; // of the next output, in parts of an incoming sample
  }

  /**
   * @param {Float32Array} samples The next samples of the stream.
   * @returns {Float32Array} The resampled ones that are complete.
   */
  process(samples) {
    const sound = new Float32Array(this.past.length + samples.length);
    sound.set(this.past);
    sound.set(samples, this.past.length);
    const found = [];
    let at = this.half; // the incoming sample at or before the next output
    const taps = 2 * this.half + 1;
    while (at + this.half < sound.length) {
      const weights = this.phases[this.phase];
      let sum = 0;
      for (let tap = 0, from = at - this.half; tap < taps; tap += 1) {
        sum += weights[tap] * sound[from + tap];
      }
      found.push(sum);
      this.phase += this.down;
      at += Math.floor(this.phase / this.up);
      this.phase %= this.up;
    }
    this.past = sound.slice(at - this.half);
    return Float32Array.from(found);
  }
}

/** Returns the weights of the incoming samples around an output that lies `shift` after one. */
function kernel(shift, cutoff, half) {
  const weights = Float64Array.from({ length: 2 * half + 1 }, (_, tap) => {
    const distance = tap - half - shift;
    const inside = 1 - (distance / (half + 1)) ** 2;
    return sinc(cutoff * distance) * (bessel(BETA * Math.sqrt(Math.max(0, inside))) / bessel(BETA));
  });
  const sum = weights.reduce((total, weight) => total + weight);
  return weights.map((weight) => weight / sum);
}

function sinc(x) {
  return x === 0 ? 1 : Math.sin(Math.PI * x) / (Math.PI * x);
}

/** The modified Bessel function of order 0, by its series. */
function bessel(x) {
  let sum = 1;
  for (let term = 1, k = 1; term > 1e-12 * sum; k += 1) {
    term *= (x / 2 / k) ** 2;
    sum += term;
  }
  return sum;
}

function gcd(a, b) {
  return b === 0 ? a : gcd(b, a % b);
}
