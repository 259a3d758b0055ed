/** What went wrong, in words for the page: what must hold, what was found, what to do. */
export class Fault extends Error {}

/** Throws a fault unless something holds. */
export function require(holds, message) {
  if (!holds) throw new Fault(message);
}
