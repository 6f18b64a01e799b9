/* Lines over an axis. A line with one value less than edges is drawn as steps. */

const DASH = [[], [6, 4], [2, 3]];

class Chart extends Plot {
  constructor(figure) {
    super(figure);
    const { x, phases, lines } = this.spec;
    this.axis = x;
    this.phases = phases;
    this.hidden = new Set();
    const [low, high] = bounds(lines.flatMap((line) => bounds(line.x)));
    const pad = x.whole ? 0.25 : 0;
    this.full = phases.length ? [phases[0][1], phases.at(-1)[2]] : [low - pad, high + pad];
    if (this.full[0] === this.full[1]) this.full = [low - 0.5, high + 0.5];
    this.least = (this.full[1] - this.full[0]) / 1e4;
    this.lines = lines.map((line) => this.prepared(line));
    this.makeLegend();
    this.draw();
  }

  prepared(line) {
    const steps = line.y.length < line.x.length;
    const centre = steps ? line.y.map((_, n) => (line.x[n] + line.x[n + 1]) / 2) : line.x;
    return { ...line, steps, centre };
  }

  makeLegend() {
    const legend = this.figure.querySelector(".legend");
    this.lines.forEach((line, number) => {
      const button = element("button", `dash${line.dash}`, line.name);
      button.type = "button";
      button.style.setProperty("--own", `var(--c${line.colour % 6})`);
      button.setAttribute("aria-pressed", "true");
      button.addEventListener("click", () => {
        if (!this.hidden.delete(number)) this.hidden.add(number);
        button.setAttribute("aria-pressed", String(!this.hidden.has(number)));
        this.draw();
      });
      legend.append(button);
    });
  }

  get visible() {
    return this.lines.filter((_, number) => !this.hidden.has(number));
  }

  panels() {
    const { y } = this.spec;
    const [first, last] = this.range;
    const values = this.visible.flatMap((line) => line.y.filter((value, n) => {
      const x = line.steps ? line.x[n + 1] : line.x[n];
      return value !== null && x >= first && (line.steps ? line.x[n] : x) <= last;
    }));
    let [low, high] = bounds(values);
    if (y.log) [low, high] = [(low || high / 10) / 1.3, high * 1.3];
    else {
      if (y.zero) low = Math.min(0, low);
      if (high === low) high = low + 1;
      const pad = (high - low) * 0.06;
      [low, high] = [y.zero && low === 0 ? 0 : low - pad, high + pad];
    }
    return [{
      title: y.label, height: 210, range: [low, high], log: y.log, whole: y.whole,
      draw: (context, x, scale) => this.visible.forEach((line) => this.drawLine(context, line, x, scale)),
      near: (x, scale, px) => this.near(x, scale, px),
    }];
  }

  drawLine(context, line, x, y) {
    context.strokeStyle = context.fillStyle = seriesColour(line.colour);
    context.lineWidth = 1.8;
    context.lineJoin = "round";
    context.setLineDash(DASH[line.dash]);
    context.beginPath();
    let drawing = false, phase = -1;
    line.y.forEach((value, n) => {
      if (value === null) { drawing = false; return; }
      const now = this.phases.findIndex(([, begin, end]) => line.centre[n] >= begin && line.centre[n] < end);
      const height = y.at(value);
      if (line.steps) {
        context.lineTo(x.at(line.x[n]), height);
        context.lineTo(x.at(line.x[n + 1]), height);
      } else if (drawing && now === phase) context.lineTo(x.at(line.x[n]), height);
      else context.moveTo(x.at(line.x[n]), height);
      [drawing, phase] = [true, now];
    });
    context.stroke();
    context.setLineDash([]);
    if (!line.dots || line.y.length > 60) return;
    line.y.forEach((value, n) => {
      if (value === null) return;
      context.beginPath();
      context.arc(x.at(line.x[n]), y.at(value), 3, 0, 2 * Math.PI);
      context.fill();
    });
  }

  /* Returns the values nearest to a place, of all lines that have one there. */
  near(x, y, px) {
    const found = this.visible.flatMap((line) => {
      const nearest = this.nearest(line, x.value(px));
      return nearest === null ? [] : [{ line, n: nearest, gap: Math.abs(x.at(line.centre[nearest]) - px) }];
    });
    if (!found.length) return null;
    const least = Math.min(...found.map(({ gap }) => gap));
    const close = found.filter(({ gap }) => gap <= least + 1);
    const [{ line, n }] = close;
    const head = line.steps ? `${rounded(line.x[n])} to ${rounded(line.x[n + 1])}` : rounded(line.centre[n]);
    const values = close.map((one) => ({
      text: `${one.line.name}: ${rounded(one.line.y[one.n])}`, colour: seriesColour(one.line.colour),
    }));
    return { x: x.at(line.centre[n]), y: y.at(line.y[n]), texts: [`${this.axis.label} ${head}`, ...values] };
  }

  nearest(line, value) {
    let best = null;
    line.centre.forEach((x, n) => {
      if (line.y[n] === null || x < this.range[0] || x > this.range[1]) return;
      if (best === null || Math.abs(x - value) < Math.abs(line.centre[best] - value)) best = n;
    });
    return best;
  }
}
