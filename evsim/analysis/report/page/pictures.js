/* Small pictures side by side: grey, coloured, or from blue over nothing to red. */

const WIDTH = 330;

class Pictures {
  constructor(figure) {
    this.canvas = figure.querySelector("canvas");
    this.spec = JSON.parse(figure.querySelector("script").textContent);
    this.values = unpack(this.spec.values);
    this.draw();
  }

  draw() {
    const [number, height, width, colours = 1] = this.spec.shape;
    const { columns, scale } = this.arranged(number, height, width);
    const rows = Math.ceil(number / columns);
    const across = columns * (width + 1) - 1, down = rows * (height + 1) - 1;
    const picture = new ImageData(across, down);
    const ends = ["--negative", "--nothing", "--positive"].map((name) => rgb(colour(name)));
    for (let n = 0; n < number; n++) {
      const left = (n % columns) * (width + 1), top = Math.floor(n / columns) * (height + 1);
      for (let row = 0; row < height; row++) {
        for (let column = 0; column < width; column++) {
          const from = ((n * height + row) * width + column) * colours;
          const to = 4 * ((top + row) * across + left + column);
          picture.data.set([...this.pixel(from, colours, ends), 255], to);
        }
      }
    }
    [this.canvas.width, this.canvas.height] = [across, down];
    this.canvas.style.width = `${across * scale}px`;
    this.canvas.getContext("2d").putImageData(picture, 0, 0);
  }

  /* Returns how many pictures stand in a row, and the size of their pixels: kernels fill a square,
     samples are large enough to be read. */
  arranged(number, height, width) {
    if (this.spec.signed) {
      const columns = Math.min(number, Math.max(8, Math.ceil(Math.sqrt(number * height / width))));
      const scale = Math.min(Math.floor(WIDTH / columns / (width + 1)), Math.round(84 / width), 12);
      return { columns, scale: Math.max(1, scale) };
    }
    const scale = Math.max(1, Math.round(64 / width));
    return { columns: Math.min(number, Math.max(1, Math.floor(WIDTH / scale / (width + 1)))), scale };
  }

  pixel(from, colours, [negative, nothing, positive]) {
    if (colours === 3) return this.values.slice(from, from + 3);
    const value = this.values[from];
    if (!this.spec.signed) return [value, value, value];
    const share = Math.min(1, Math.abs(value) / 127), end = value < 0 ? negative : positive;
    return nothing.map((part, n) => Math.round(part + share * (end[n] - part)));
  }
}
