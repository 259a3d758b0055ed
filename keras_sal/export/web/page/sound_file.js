/** A sound file, decoded by the browser: mono sound at 16 kHz. */

import { SAMPLE_RATE } from "./description.js";
import { Fault } from "./fault.js";

/**
 * Reads a sound file of any format that the browser knows, rate and number of channels.
 *
 * @param {Blob} file The file.
 * @returns {Promise<Float32Array>} Its samples, channels averaged.
 */
export async function readSoundFile(file) {
  let sound;
  try {
    const content = await file.arrayBuffer();
    sound = await new OfflineAudioContext(1, 1, SAMPLE_RATE).decodeAudioData(content);
  } catch (error) {
    throw new Fault(
      `${file.name} must be a sound file that this browser decodes, such as WAV, MP3 or FLAC. It ` +
        `says: ${error.message || error.name}. Convert it, or choose another one.`,
    );
  }
  const samples = new Float32Array(sound.length);
  for (let channel = 0; channel < sound.numberOfChannels; channel += 1) {
    sound.getChannelData(channel).forEach((value, at) => {
      samples[at] += value / sound.numberOfChannels;
    });
  }
  return samples;
}
