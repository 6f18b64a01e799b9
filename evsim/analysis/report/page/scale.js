/* Numbers: unpacked, on axes, as text. */

const TYPES = { uint8: Uint8Array, uint16: Uint16Array, uint32: Uint32Array, int8: Int8Array };

function unpack(packed) {
  const bytes = Uint8Array.from(atob(packed.data), (letter) => letter.charCodeAt(0));
  return new TYPES[packed.type](bytes.buffer);
}

/* Returns the first index whose value is not below `wanted`; values ascend. */
function lowerBound(values, wanted) {
  let low = 0, high = values.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (values[middle] < wanted) low = middle + 1;
    else high = middle;
  }
  return low;
}

function bounds(values) {
  let low = Infinity, high = -Infinity;
  for (const value of values) {
    if (value === null) continue;
    if (value < low) low = value;
    if (value > high) high = value;
  }
  return low <= high ? [low, high] : [0, 1];
}

/* Values from `low` to `high` along pixels from `from` to `to`. */
class Scale {
  constructor([low, high], from, to, log = false) {
    this.warp = log ? Math.log10 : (value) => value;
    this.unwarp = log ? (value) => 10 ** value : (value) => value;
    Object.assign(this, { low, high, from, log });
    this.start = this.warp(low);
    this.pixels = (to - from) / (this.warp(high) - this.start || 1);
  }

  at(value) {
    return this.from + (this.warp(value) - this.start) * this.pixels;
  }

  value(pixel) {
    return this.unwarp(this.start + (pixel - this.from) / this.pixels);
  }

  /* Returns about `count` round values inside. */
  ticks(count, whole = false) {
    if (this.log && this.high / this.low > 5) return this.logTicks(count);
    const rough = (this.high - this.low) / Math.max(count, 1);
    const power = 10 ** Math.floor(Math.log10(rough));
    let step = [1, 2, 5, 10].find((factor) => factor * power >= 0.7 * rough) * power;
    if (whole) step = Math.max(1, Math.round(step));
    const found = [];
    const first = Math.ceil(this.low / step - 1e-9);
    for (let n = first; n * step <= this.high + step * 1e-9; n++) found.push(n * step);
    return found.map((value) => ({ value, text: format(value, step) }));
  }

  logTicks(count) {
    const decades = Math.log10(this.high / this.low);
    const factors = decades < count / 3 ? [1, 2, 5] : [1];
    const every = Math.max(1, Math.ceil(decades / count));
    const found = [];
    for (let n = Math.floor(Math.log10(this.low)); n <= Math.ceil(Math.log10(this.high)); n++) {
      if (n % every) continue;
      for (const factor of factors) {
        const value = Number(`${factor}e${n}`);
        if (value >= this.low && value <= this.high) found.push({ value, text: format(value, value) });
      }
    }
    return found;
  }
}

/* Returns a value as text, as exact as steps of `step` need; with a power of ten where `short`. */
function format(value, step, short = step < 1e-4 || Math.abs(value) >= 1e6) {
  if (value === 0) return "0";
  const size = Math.abs(value);
  if (short) {
    const digits = Math.max(0, Math.floor(Math.log10(size) + 1e-9) - Math.floor(Math.log10(step) + 1e-9));
    const [front, power] = value.toExponential(Math.min(digits, 6)).split("e");
    return `${front}e${Number(power)}`.replace("-", "−").replace("e-", "e−");
  }
  const digits = Math.max(0, -Math.floor(Math.log10(step) + 1e-9));
  return value.toLocaleString("en", { minimumFractionDigits: digits, maximumFractionDigits: digits })
    .replace("-", "−");
}

/* Returns a value with four digits that count. */
function rounded(value) {
  if (value === 0) return "0";
  const size = Math.abs(value), step = 10 ** (Math.floor(Math.log10(size) + 1e-9) - 3);
  return format(value, step, size < 1e-3 || size >= 1e6).replace(/(\.\d*?)0+(?=e|$)/, "$1").replace(/\.(?=e|$)/, "");
}
