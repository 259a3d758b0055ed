/** What the page shows: its texts, buttons and lists. */

import { Trace } from "./trace.js";

const LIT_MS = 1000;
const MOST_ROWS = 500;

export class View {
  /** @param {object} actions `listen()`, `openFile(file)`, `stop()`: what the user may start. */
  constructor(actions) {
    this.parts = Object.fromEntries(
      [...document.querySelectorAll("[id]")].map((element) => [element.id, element]),
    );
    const { listen, stop, file, clear } = this.parts;
    listen.onclick = actions.listen;
    stop.onclick = actions.stop;
    file.onchange = () => {
      if (file.files.length) actions.openFile(file.files[0]);
      file.value = ""; // so that the same file can be chosen again
    };
    clear.onclick = () => this.clear();
    this.#acceptDroppedFiles(actions.openFile);
  }

  /** Shows the detector that was loaded. */
  showDetector({ classes, trigger }) {
    const thresholds = [trigger.threshold].flat();
    const title = classes.join(", ");
    document.title = `${title} · detector`;
    this.parts.name.textContent = title;
    this.lamps = classes.map((each, index) => this.#lamp(each, thresholds[index], index));
    this.parts.classes.replaceChildren(...this.lamps.map((lamp) => lamp.row));
    this.trace = new Trace(this.parts.trace, thresholds);
    this.parts.workplace.hidden = false;
  }

  /** Says what the page is doing, and which buttons there are for it. */
  say(text, { running = false, ready = true } = {}) {
    const { status, listen, stop, file } = this.parts;
    this.isRunning = running;
    if (status.textContent !== text) status.textContent = text;
    listen.disabled = file.disabled = !ready;
    if (running) exchange(listen, stop);
    else exchange(stop, listen);
    if (!running) this.trace?.draw();
  }

  /** Starts a new stream of sound. */
  begin(span_s) {
    this.clear();
    this.trace.begin(span_s);
    this.showLost(0, 0);
  }

  /** Shows an output of the detector. */
  show(output) {
    this.trace.add(output);
    output.scores.forEach((score, index) => {
      this.lamps[index].score.textContent = score.toFixed(2);
    });
    for (const detection of output.detections) this.#showDetection(detection);
  }

  /** Shows a fault, once. */
  fault(message) {
    const { faults } = this.parts;
    if ([...faults.children].some((item) => item.dataset.message === message)) return;
    const item = document.createElement("li");
    item.dataset.message = message;
    item.append(element("span", message));
    const close = element("button", "Dismiss");
    close.onclick = () => item.remove();
    item.append(close);
    faults.append(item);
  }

  /** Removes the faults that were shown. */
  clearFaults() {
    this.parts.faults.replaceChildren();
  }

  /** Shows how much sound was lost. */
  showLost(samples, seconds) {
    this.parts.lost.hidden = !samples;
    this.parts.lost.textContent = `Lost sound: ${samples} samples, ${seconds.toFixed(1)} s.`;
  }

  /** Empties the list of detections. */
  clear() {
    this.parts.detections.replaceChildren();
    this.parts.none.hidden = false;
  }

  #lamp(name, threshold, index) {
    const row = document.createElement("li");
    const score = element("output", "–");
    row.style.setProperty("--own", `var(--class-${index % 6})`);
    row.append(element("span", "", "lamp"), element("strong", name), score);
    row.append(element("small", `threshold ${Number(threshold.toPrecision(4))}`));
    score.setAttribute("aria-live", "off"); // it changes many times a second
    score.setAttribute("aria-label", `score of ${name}`);
    return { row, score };
  }

  #showDetection({ time_s, score, class_index, class_name }) {
    const { row } = this.lamps[class_index];
    row.classList.add("lit");
    clearTimeout(row.timer);
    row.timer = setTimeout(() => row.classList.remove("lit"), LIT_MS);
    const item = document.createElement("li");
    Object.assign(item.dataset, { time_s, score, class_name });
    item.append(element("b", `${time_s.toFixed(2)} s`), element("span", class_name));
    item.append(element("span", `score ${score.toFixed(3)}`));
    this.parts.detections.prepend(item);
    this.parts.none.hidden = true;
    while (this.parts.detections.children.length > MOST_ROWS) {
      this.parts.detections.lastElementChild.remove();
    }
  }

  #acceptDroppedFiles(openFile) {
    document.ondragover = (event) => {
      event.preventDefault();
      document.body.classList.add("dropping");
    };
    document.ondragleave = (event) => {
      if (!event.relatedTarget) document.body.classList.remove("dropping");
    };
    document.ondrop = (event) => {
      event.preventDefault();
      document.body.classList.remove("dropping");
      const [file] = event.dataTransfer.files;
      if (file && !this.parts.file.disabled) openFile(file);
    };
  }
}

/** Shows one button in the place of another, and leaves the keyboard there. */
function exchange(gone, shown) {
  const focused = document.activeElement === gone;
  shown.hidden = false;
  gone.hidden = true;
  if (focused) shown.focus();
}

function element(kind, text, className = "") {
  return Object.assign(document.createElement(kind), { textContent: text, className });
}
