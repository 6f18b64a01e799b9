/* Draws everything, and again when the colours of the page change. */

const KINDS = { chart: Chart, raster: Raster, pictures: Pictures };
const drawn = Object.entries(KINDS).flatMap(([name, Kind]) =>
  [...document.querySelectorAll(`figure.${name}`)].map((figure) => new Kind(figure)));

function redraw() {
  for (const one of drawn) one.draw();
}

matchMedia("(prefers-color-scheme: dark)").addEventListener("change", redraw);
addEventListener("beforeprint", () => { document.documentElement.dataset.print = ""; redraw(); });
addEventListener("afterprint", () => { delete document.documentElement.dataset.print; redraw(); });
