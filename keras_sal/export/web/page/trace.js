/** The moving trace: scores over time, thresholds, detections, drawn on a canvas. */

const HEIGHT_PX = 220;
const MARGIN = { left: 30, right: 8, top: 8, bottom: 20 };
const TICKS_S = [1, 2, 5, 10, 30, 60, 120, 300, 600, 1800, 3600];
const DASHES = [[], [6, 3], [2, 3], [8, 3, 2, 3]];

export class Trace {
  /**
   * @param {HTMLCanvasElement} canvas Is drawn on when something changes.
   * @param {number[]} thresholds Of each class.
   */
  constructor(canvas, thresholds) {
    this.canvas = canvas;
    this.thresholds = thresholds;
    this.calm = matchMedia("(prefers-reduced-motion: reduce)");
    this.begin(10);
    new ResizeObserver(() => this.draw()).observe(canvas.parentElement);
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => this.draw());
  }

  /** Starts again at time 0, with so many seconds in view. */
  begin(span_s) {
    this.span_s = span_s;
    this.outputs = [];
    this.draw();
  }

  /** Adds an output of the detector. */
  add(output) {
    this.outputs.push(output);
    if (this.timer) return;
    const redraw = () => {
      this.timer = null;
      this.draw();
    };
    this.timer = this.calm.matches ? setTimeout(redraw, 1000) : requestAnimationFrame(redraw);
  }

  /** Draws what is known by now. */
  draw() {
    const { outputs, span_s, canvas } = this;
    const end_s = Math.max(outputs.at(-1)?.time_s ?? 0, span_s);
    const begin_s = end_s - span_s;
    const gone = outputs.findIndex((output) => output.time_s >= begin_s);
    if (gone > 256) outputs.splice(0, gone); // not each time, which would move all the others

    const width = canvas.parentElement.clientWidth;
    const density = devicePixelRatio || 1;
    Object.assign(canvas, { width: width * density, height: HEIGHT_PX * density });
    canvas.style.height = `${HEIGHT_PX}px`;
    const pen = canvas.getContext("2d");
    pen.scale(density, density);
    const style = getComputedStyle(canvas);
    const plot = {
      pen,
      colour: (name) => style.getPropertyValue(`--${name}`),
      width,
      x: (s) => MARGIN.left + ((s - begin_s) / span_s) * (width - MARGIN.left - MARGIN.right),
      y: (p) => MARGIN.top + (1 - p) * (HEIGHT_PX - MARGIN.top - MARGIN.bottom),
    };
    this.#drawAxes(plot, begin_s, end_s);
    this.thresholds.forEach((threshold, index) => this.#drawThreshold(plot, threshold, index));
    pen.save();
    pen.beginPath();
    pen.rect(MARGIN.left, 0, width - MARGIN.left - MARGIN.right, HEIGHT_PX);
    pen.clip();
    this.thresholds.forEach((_, index) => this.#drawScores(plot, index));
    this.#drawDetections(plot);
    pen.restore();
  }

  #drawAxes({ pen, colour, width, x, y }, begin_s, end_s) {
    pen.font = "12px system-ui, sans-serif";
    pen.fillStyle = colour("soft");
    pen.strokeStyle = colour("line");
    pen.lineWidth = 1;
    pen.textAlign = "right";
    pen.textBaseline = "middle";
    for (const posterior of [0, 0.5, 1]) {
      line(pen, MARGIN.left, y(posterior), width - MARGIN.right, y(posterior));
      pen.fillText(String(posterior), MARGIN.left - 5, y(posterior));
    }
    pen.textAlign = "center";
    pen.textBaseline = "top";
    const tick_s = TICKS_S.find((s) => ((end_s - begin_s) / s) * 55 < width) ?? TICKS_S.at(-1);
    for (let s = Math.ceil(begin_s / tick_s) * tick_s; s <= end_s; s += tick_s) {
      const label = `${s} s`;
      const half = pen.measureText(label).width / 2;
      if (x(s) + half <= width) pen.fillText(label, x(s), y(0) + 5);
    }
  }

  #drawThreshold({ pen, colour, width, y }, threshold, index) {
    pen.save();
    pen.strokeStyle = colour(`class-${index % 6}`);
    pen.globalAlpha = 0.8;
    pen.setLineDash([4, 4]);
    line(pen, MARGIN.left, y(threshold), width - MARGIN.right, y(threshold));
    pen.restore();
  }

  /** Draws the greatest score of each pixel: a long file takes no longer than a short one. */
  #drawScores({ pen, colour, x, y }, index) {
    const tops = new Map();
    for (const { time_s, scores } of this.outputs) {
      const pixel = Math.round(x(time_s) * 2) / 2;
      tops.set(pixel, Math.max(tops.get(pixel) ?? 0, scores[index]));
    }
    pen.strokeStyle = colour(`class-${index % 6}`);
    pen.lineWidth = 2;
    pen.lineJoin = "round";
    pen.setLineDash(DASHES[index % DASHES.length]);
    pen.beginPath();
    for (const [pixel, score] of tops) pen.lineTo(pixel, y(score));
    pen.stroke();
    pen.setLineDash([]);
  }

  #drawDetections({ pen, colour, x, y }) {
    for (const { detections } of this.outputs) {
      for (const { time_s, score, class_index } of detections) {
        pen.strokeStyle = pen.fillStyle = colour(`class-${class_index % 6}`);
        pen.lineWidth = 1;
        line(pen, x(time_s), y(0), x(time_s), y(score));
        pen.beginPath();
        pen.arc(x(time_s), y(score), 5, 0, 2 * Math.PI);
        pen.fill();
      }
    }
  }
}

function line(pen, fromX, fromY, toX, toY) {
  pen.beginPath();
  pen.moveTo(fromX, fromY);
  pen.lineTo(toX, toY);
  pen.stroke();
}
