/* What charts and rasters share: panels over one horizontal axis, zoom, the tip at the pointer. */

const SMALL = "12px system-ui, sans-serif";
const GAP = 12, TITLE = 20, BELOW = 40;
const KEYS = {
  "+": "in", "=": "in", "-": "out", ArrowLeft: "left", ArrowRight: "right", 0: "all", Home: "all",
};

function colour(name) {
  return getComputedStyle(document.documentElement).getPropertyValue(name).trim();
}

function seriesColour(number) {
  return colour(`--c${number % 6}`);
}

function element(tag, className, text = "") {
  const made = document.createElement(tag);
  made.className = className;
  made.textContent = text;
  return made;
}

/* A subclass gives `full` (the range of x), `axis` (label, log, whole), `phases`, and
   `panels()`: {title, height, range, log, whole, draw(context, x, y, area), near(x, y, px, py)}. */
class Plot {
  constructor(figure) {
    this.figure = figure;
    this.spec = JSON.parse(figure.querySelector("script").textContent);
    this.box = figure.querySelector(".plot");
    this.canvas = this.box.querySelector("canvas");
    this.context = this.canvas.getContext("2d");
    for (const name of ["brush", "spot", "tip"]) this[name] = this.box.querySelector(`.${name}`);
    this.zoomed = null;
    this.vertical = null;
    this.laid = [];
    this.listen();
    new ResizeObserver(() => this.draw()).observe(this.box);
  }

  get range() {
    return this.zoomed ?? this.full;
  }

  listen() {
    const at = (event) => {
      const frame = this.canvas.getBoundingClientRect();
      return [event.clientX - frame.left, event.clientY - frame.top];
    };
    const fingers = new Map();
    let begun = null, pinched = null;
    this.canvas.addEventListener("pointerdown", (event) => {
      const [x, y] = at(event);
      fingers.set(event.pointerId, x);
      if (fingers.size === 2) {
        pinched = this.grasp([...fingers.values()]);
        begun = null;
        this.brush.hidden = true;
      }
      if (pinched) return;
      begun = { x, y, panel: this.panelAt(y) };
      if (event.pointerType !== "touch") this.canvas.setPointerCapture(event.pointerId);
    });
    this.canvas.addEventListener("pointermove", (event) => {
      const [x, y] = at(event);
      if (fingers.has(event.pointerId)) fingers.set(event.pointerId, x);
      if (pinched) {
        if (fingers.size === 2) this.pinch(pinched, [...fingers.values()]);
        return;
      }
      if (begun && Math.hypot(x - begun.x, y - begun.y) > 5) this.showBrush(begun, x, y);
      else if (!begun) this.point(x, y);
    });
    const lifted = (event) => {
      fingers.delete(event.pointerId);
      const was = pinched;
      if (!fingers.size) pinched = null;
      return was;
    };
    this.canvas.addEventListener("pointerup", (event) => {
      if (lifted(event)) return;
      const [x, y] = at(event);
      if (begun && !this.brush.hidden) this.zoomTo(begun, x, y);
      else this.point(x, y);
      begun = null;
      this.brush.hidden = true;
    });
    this.canvas.addEventListener("pointercancel", (event) => {
      lifted(event);
      begun = null;
      this.brush.hidden = true;
    });
    this.canvas.addEventListener("pointerleave", (event) => {
      if (event.pointerType !== "touch") this.hideTip();
    });
    this.canvas.addEventListener("blur", () => this.hideTip());
    this.canvas.addEventListener("dblclick", () => this.act("all"));
    this.canvas.addEventListener("keydown", (event) => {
      if (!(event.key in KEYS) || event.ctrlKey || event.metaKey || event.altKey) return;
      event.preventDefault();
      this.act(KEYS[event.key]);
    });
    for (const button of this.figure.querySelectorAll("[data-do]")) {
      button.addEventListener("click", () => this.act(button.dataset.do));
    }
  }

  panelAt(y) {
    return this.laid.find((panel) => y >= panel.top - TITLE && y <= panel.bottom + GAP) ?? this.laid[0];
  }

  clamped(x) {
    return Math.min(Math.max(x, this.left), this.right);
  }

  showBrush(begun, x, y) {
    this.hideTip();
    const { panel } = begun;
    const [x0, x1] = [this.clamped(begun.x), this.clamped(x)].sort((a, b) => a - b);
    let [y0, y1] = [panel.top, panel.bottom];
    if (this.zoomsBoth && Math.abs(y - begun.y) > 12) {
      [y0, y1] = [begun.y, y].map((v) => Math.min(Math.max(v, y0), y1)).sort((a, b) => a - b);
    }
    const place = { left: x0, top: y0, width: x1 - x0, height: y1 - y0 };
    for (const [side, pixels] of Object.entries(place)) this.brush.style[side] = `${pixels}px`;
    this.brush.hidden = false;
  }

  zoomTo(begun, x, y) {
    const { panel } = begun;
    const [x0, x1] = [this.clamped(begun.x), this.clamped(x)].sort((a, b) => a - b);
    if (this.zoomsBoth && Math.abs(y - begun.y) > 12) {
      const [low, high] = [begun.y, y].sort((a, b) => a - b)
        .map((v) => Math.min(Math.max(v, panel.top), panel.bottom))
        .map((v) => Math.round(panel.y.value(v) - 0.5) + 0.5);
      this.vertical = { ...this.vertical, [panel.title]: [low, Math.max(high, low + 1)] };
    }
    if (x1 - x0 > 5) this.setRange(this.x.value(x0), this.x.value(x1));
    else this.setRange(...this.range);
  }

  /* Returns what two fingers hold: their places on the axis as it is now. */
  grasp(pixels) {
    const places = pixels.map((x) => (x - this.left) / (this.right - this.left));
    return { scale: new Scale(this.range, 0, 1, this.axis.log), places };
  }

  /* Moves and stretches the axis so that what was grasped stays below the fingers. */
  pinch({ scale, places }, pixels) {
    const now = this.grasp(pixels).places;
    const apart = now[1] - now[0];
    if (Math.abs(apart) < 0.01 || apart * (places[1] - places[0]) <= 0) return;
    const wide = (places[1] - places[0]) / apart;
    const begin = places[0] - now[0] * wide;
    this.setRange(scale.value(begin), scale.value(begin + wide));
  }

  /* Zooms or moves: in, out, left, right, or all. */
  act(what) {
    if (what === "all") {
      this.zoomed = this.vertical = null;
      this.draw();
      return;
    }
    const scale = new Scale(this.range, 0, 1, this.axis.log);
    const [from, to] = { in: [0.25, 0.75], out: [-0.5, 1.5], left: [-0.25, 0.75], right: [0.25, 1.25] }[what];
    this.setRange(scale.value(from), scale.value(to), what === "left" || what === "right");
  }

  /* Shows a range, at least as wide as can be told apart, cut to what there is; `keep` its width
     at the ends. */
  setRange(low, high, keep = false) {
    const [first, last] = this.full, lack = this.least - (high - low);
    if (lack > 0) [low, high] = [low - lack / 2, high + lack / 2];
    if (keep || lack > 0) {
      const shift = Math.max(first - low, 0) - Math.max(high - last, 0);
      [low, high] = [low + shift, high + shift];
    }
    [low, high] = [Math.max(low, first), Math.min(high, last)];
    this.zoomed = low <= first && high >= last ? null : [low, high];
    this.draw();
  }

  draw() {
    const width = this.box.clientWidth;
    if (!width) return;
    const panels = this.panels();
    const named = this.phases.length > 1;
    this.context.font = SMALL;
    const wide = panels.flatMap((panel) => new Scale(panel.range, 0, 1, panel.log).ticks(4, panel.whole))
      .map((tick) => this.context.measureText(tick.text).width);
    this.left = Math.ceil(Math.max(20, ...wide)) + 10;
    this.right = width - 10;
    const height = panels.reduce((sum, panel) => sum + TITLE + panel.height + GAP, 0)
      + (named ? TITLE : 0) + BELOW - GAP;
    const ratio = window.devicePixelRatio || 1;
    this.canvas.width = Math.round(width * ratio);
    this.canvas.height = Math.round(height * ratio);
    this.canvas.style.height = `${height}px`;
    this.context.setTransform(ratio, 0, 0, ratio, 0, 0);
    this.context.font = SMALL;
    this.x = new Scale(this.range, this.left, this.right, this.axis.log);
    let top = named ? TITLE : 0;
    this.laid = panels.map((panel) => {
      const place = { ...panel, top: top + TITLE, bottom: top + TITLE + panel.height };
      top = place.bottom + GAP;
      const [from, to] = panel.down ? [place.top, place.bottom] : [place.bottom, place.top];
      return { ...place, y: new Scale(panel.range, from, to, panel.log) };
    });
    this.drawPhases(named);
    for (const panel of this.laid) this.drawPanel(panel, ratio);
    this.drawAxis();
    this.hideTip();
    this.tell();
  }

  drawPhases(named) {
    const { context } = this;
    this.phases.forEach(([name, begin, end], number) => {
      const [from, to] = [begin, end].map((value) => this.clamped(this.x.at(value)));
      if (to <= from) return;
      if (number % 2) {
        context.fillStyle = colour("--shade");
        for (const { top, bottom } of this.laid) context.fillRect(from, top, to - from, bottom - top);
      }
      if (!named) return;
      context.fillStyle = colour("--line-strong");
      for (const { top, bottom } of from > this.left ? this.laid : []) {
        context.fillRect(from - 0.5, top, 1, bottom - top);
      }
      context.fillStyle = colour("--soft");
      context.textAlign = "center";
      context.textBaseline = "middle";
      if (context.measureText(name).width < to - from) context.fillText(name, (from + to) / 2, TITLE / 2);
    });
  }

  drawPanel(panel, ratio) {
    const { context } = this;
    const area = { left: this.left, right: this.right, top: panel.top, bottom: panel.bottom, ratio };
    context.textBaseline = "middle";
    context.textAlign = "right";
    for (const { value, text } of panel.y.ticks(Math.max(2, panel.height / 45), panel.whole)) {
      const y = panel.y.at(value);
      context.fillStyle = colour("--line");
      if (!panel.down) context.fillRect(this.left, Math.round(y) - 0.5, this.right - this.left, 1);
      context.fillStyle = colour("--soft");
      context.fillText(text, this.left - 6, y);
    }
    context.fillStyle = colour("--soft");
    context.textAlign = "left";
    context.fillText(panel.title, this.left, panel.top - TITLE / 2 + 1, this.right - this.left);
    context.save();
    context.beginPath();
    context.rect(area.left, area.top, area.right - area.left, area.bottom - area.top);
    context.clip();
    panel.draw(context, this.x, panel.y, area);
    context.restore();
    context.fillStyle = colour("--line-strong");
    context.fillRect(this.left - 1, panel.top, 1, panel.height + 1);
    context.fillRect(this.left - 1, panel.bottom, this.right - this.left + 1, 1);
  }

  drawAxis() {
    const { context } = this;
    const { bottom } = this.laid.at(-1);
    context.fillStyle = colour("--soft");
    context.textAlign = "center";
    context.textBaseline = "top";
    for (const { value, text } of this.fittingTicks()) {
      const x = this.x.at(value);
      context.fillRect(Math.round(x) - 0.5, bottom, 1, 4);
      const half = context.measureText(text).width / 2;
      context.fillText(text, Math.min(x, this.right + 10 - half), bottom + 7);
    }
    context.fillText(this.axis.label, (this.left + this.right) / 2, bottom + 24);
  }

  /* Returns as many ticks of the horizontal axis as have room for their texts. */
  fittingTicks() {
    const width = this.right - this.left;
    for (let count = Math.floor(width / 64); ; count--) {
      const ticks = this.x.ticks(count, this.axis.whole);
      const widest = Math.max(0, ...ticks.map(({ text }) => this.context.measureText(text).width));
      if (count <= 2 || (widest + 16) * (ticks.length - 1) < width) return ticks;
    }
  }

  /* Says which range is shown, where it is not all. */
  tell() {
    const line = this.figure.querySelector(".range");
    const [low, high] = this.range.map(rounded);
    const parts = [`${this.axis.label}: ${low} to ${high}`];
    for (const [title, [first, last]] of Object.entries(this.vertical ?? {})) {
      parts.push(`${title.split(",")[0]}: ${first + 0.5} to ${last - 0.5}`);
    }
    line.hidden = !this.zoomed && !this.vertical;
    line.querySelector("span").textContent = `Shown: ${parts.join("; ")}.`;
    [this.figure.dataset.low, this.figure.dataset.high] = this.range;
  }

  point(px, py) {
    const panel = this.panelAt(py);
    const inside = panel && px >= this.left - 4 && px <= this.right + 4;
    const found = inside ? panel.near(this.x, panel.y, px, py) : null;
    if (!found) {
      this.hideTip();
      return;
    }
    const [head, ...rest] = found.texts;
    this.tip.replaceChildren(element("strong", "", head), ...rest.map((line) => {
      const made = element("span", "", line.text ?? line);
      if (line.colour) made.style.setProperty("--own", line.colour);
      made.classList.toggle("keyed", Boolean(line.colour));
      return made;
    }));
    this.tip.hidden = false;
    const most = this.box.clientWidth - this.tip.offsetWidth;
    const left = Math.min(Math.max(found.x - this.tip.offsetWidth / 2, 0), most);
    const above = found.y - this.tip.offsetHeight - 12;
    Object.assign(this.tip.style, { left: `${left}px`, top: `${above > -40 ? above : found.y + 14}px` });
    Object.assign(this.spot.style, { left: `${found.x}px`, top: `${found.y}px` });
    this.spot.hidden = false;
  }

  hideTip() {
    this.tip.hidden = this.spot.hidden = true;
  }
}
