/* Spikes of a trial, pixel by pixel: the time to draw follows the spikes that are in view. A mark
   begins where its step begins. */

const NAMES = { 2: ["row", "column"], 3: ["channel", "row", "column"] };
const REACH = 8;

class Raster extends Plot {
  constructor(figure) {
    super(figure);
    this.zoomsBoth = true;
    this.axis = { label: `time (${this.spec.unit})`, log: false, whole: false };
    this.population = -1;
    this.trials = new Map();
    for (const select of figure.querySelectorAll("select")) {
      select.addEventListener("change", () => {
        if (select.dataset.choose === "trial") this.choose(Number(select.value));
        else this.population = Number(select.value);
        this.vertical = null;
        this.draw();
      });
    }
    this.choose(0);
    this.draw();
  }

  choose(number) {
    const trial = this.spec.trials[number];
    if (!this.trials.has(number)) {
      this.trials.set(number, trial.populations.map((one) => ({
        ...one, step: unpack(one.step), neuron: unpack(one.neuron),
        size: one.shape.reduce((a, b) => a * b, 1),
      })));
    }
    const before = this.full?.[1];
    this.full = [0, trial.steps * this.spec.step];
    if (before !== this.full[1]) this.zoomed = null;
    this.least = Math.min(this.full[1], 2 * this.spec.step);
    this.trial = trial;
    this.populations = this.trials.get(number);
    const width = this.spec.step;
    this.phases = trial.phases.map(([name, begin, end]) => [name, begin * width, end * width]);
  }

  panels() {
    const one = this.population >= 0;
    const shown = one ? [this.populations[this.population]] : this.populations;
    return shown.map((population) => {
      const { total, shown } = population, all = total.toLocaleString("en");
      const part = shown < total ? `${shown.toLocaleString("en")} of ${all}` : all;
      const name = `${population.population}, ${population.shape.join(" × ")}`;
      const title = `${name}: ${part} spike${total === 1 ? "" : "s"}`;
      return {
        title, down: true, whole: true,
        height: one ? 400 : Math.round(Math.min(260, 44 + 16 * Math.log2(population.size))),
        range: this.vertical?.[title] ?? [-0.5, population.size - 0.5],
        draw: (context, x, y, area) => this.drawSpikes(context, population, x, y, area),
        near: (x, y, px, py) => this.near(population, x, y, px, py),
      };
    });
  }

  /* Counts spikes in a bitmap at the screen's own resolution, then colours it. */
  drawSpikes(context, population, x, y, area) {
    const { ratio } = area;
    const width = Math.ceil((area.right - area.left) * ratio);
    const height = Math.ceil((area.bottom - area.top) * ratio);
    const { step, neuron } = population;
    const begin = lowerBound(step, Math.floor(x.low / this.spec.step));
    const end = lowerBound(step, x.high / this.spec.step);
    const across = this.spec.step * x.pixels * ratio, down = y.pixels * ratio;
    const cover = (end - begin) * ratio ** 2 / (width * height);
    const least = (cover > 0.12 ? 1 : cover > 0.01 ? 1.6 : 3) * ratio;
    const gap = down < 1 ? 1 : 0.8;
    const markWidth = Math.max(1, Math.round(Math.min(Math.max(across * gap, least), 8 * ratio)));
    const markHeight = Math.max(1, Math.round(Math.min(Math.max(down * 0.8, least), 14 * ratio)));
    const left = -x.low * x.pixels * ratio, top = (y.at(0) - area.top) * ratio - markHeight / 2;
    const counts = new Uint16Array(width * height);
    for (let n = begin; n < end; n++) {
      const px = Math.round(left + step[n] * across), py = Math.round(top + neuron[n] * down);
      if (py <= -markHeight || py >= height) continue;
      const [px0, px1] = [Math.max(px, 0), Math.min(px + markWidth, width)];
      const py1 = Math.min(py + markHeight, height);
      for (let row = Math.max(py, 0); row < py1; row++) {
        for (let column = px0; column < px1; column++) counts[row * width + column]++;
      }
    }
    const picture = new ImageData(width, height);
    const shades = this.shades(counts), pixels = new Uint32Array(picture.data.buffer);
    const tint = rgb(seriesColour(this.populations.indexOf(population)));
    const word = (tint[2] << 16) | (tint[1] << 8) | tint[0];
    for (let n = 0; n < counts.length; n++) {
      if (counts[n]) pixels[n] = ((shades[Math.min(counts[n], shades.length - 1)] << 24) | word) >>> 0;
    }
    const layer = document.createElement("canvas");
    [layer.width, layer.height] = [width, height];
    layer.getContext("2d").putImageData(picture, 0, 0);
    context.drawImage(layer, area.left, area.top, width / ratio, height / ratio);
  }

  /* Returns how opaque pixels with 0, 1, 2, ... spikes are: the denser all, the fainter one. */
  shades(counts) {
    let inked = 0, sum = 0;
    for (const count of counts) if (count) { inked++; sum += count; }
    const one = Math.min(1, Math.max(0.12, 1.5 * inked / (sum || 1)));
    return Array.from({ length: 64 }, (_, n) => Math.round(255 * (1 - (1 - one) ** n)));
  }

  /* Returns the spike nearest to a place, if there is one within a few pixels. */
  near(population, x, y, px, py) {
    const { step, neuron, shape } = population;
    const width = this.spec.step, reach = REACH / x.pixels, half = Math.min(width * x.pixels / 2, 4);
    const begin = lowerBound(step, (x.value(px) - reach) / width - 1);
    const end = lowerBound(step, (x.value(px) + reach) / width + 1);
    let best = null, least = REACH;
    for (let n = begin; n < end; n++) {
      const gap = Math.hypot(x.at(step[n] * width) + half - px, y.at(neuron[n]) - py);
      const inView = neuron[n] >= y.low && neuron[n] <= y.high;
      if (gap < least && inView) [best, least] = [n, gap];
    }
    if (best === null) return null;
    const [when, who] = [step[best], neuron[best]];
    const phase = this.trial.phases.find(([, from, to]) => when >= from && when < to);
    const named = this.phases.length > 1 ? `, ${phase[0]}` : "";
    const place = coordinates(who, shape);
    return {
      x: this.clamped(x.at(when * width) + half), y: y.at(who),
      texts: [
        `${population.population}, neuron ${who}`, ...(place ? [place] : []),
        `step ${when}, ${rounded(when * width)} ${this.spec.unit}${named}`,
      ],
    };
  }
}

/* Returns where a neuron lies in its population's shape, in C order; empty for one dimension. */
function coordinates(index, shape) {
  if (shape.length < 2) return "";
  const found = [];
  for (const length of [...shape].reverse()) {
    found.unshift(index % length);
    index = Math.floor(index / length);
  }
  const names = NAMES[shape.length] ?? [];
  return found.map((value, n) => `${names[n] ?? `axis ${n}`} ${value}`).join(", ");
}

/* Returns the parts of a colour that is written as # and six digits. */
function rgb(text) {
  return [1, 3, 5].map((at) => parseInt(text.slice(at, at + 2), 16));
}
