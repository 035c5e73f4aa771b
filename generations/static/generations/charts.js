// The strip of charts above a list. Dragging over one narrows the list to that time.

const SHOWN = [
  { name: "count", title: "Volume", kind: "bars", colour: "--accent-fill", sum: true },
  { name: "calls", title: "Generations", kind: "bars", colour: "--c6", sum: true },
  { name: "errors", title: "Errors", kind: "bars", colour: "--bad", sum: true },
  { name: "p95", title: "Latency p95, p50", kind: "line", colour: "--warn", also: "p50", unit: seconds },
  { name: "cost", title: "Cost", kind: "bars", colour: "--good", sum: true, unit: money },
];

export function watchCharts() {
  const draw = () => document.querySelectorAll("[data-charts]:not([data-drawn])").forEach(load);
  document.addEventListener("htmx:afterSettle", draw);
  draw();
}

async function load(strip) {
  strip.dataset.drawn = "";
  strip.hidden = false;
  strip.setAttribute("aria-busy", "true");
  const answer = await fetch(strip.dataset.charts, { credentials: "same-origin", headers: { Accept: "application/json" } }).catch(() => null);
  const told = (answer?.headers.get("Content-Type") ?? "").startsWith("application/json");
  const said = told ? await answer.json() : { problem: "The charts could not be drawn." };
  strip.removeAttribute("aria-busy");
  if (!strip.isConnected) return;
  if (said.problem || !said.time.length) {
    strip.hidden = !said.problem;
    strip.textContent = said.problem ?? "";
    return;
  }
  strip.replaceChildren();
  for (const one of SHOWN) {
    if (said[one.name]) strip.append(chart(strip, one, said));
  }
}

function chart(strip, one, said) {
  const box = document.createElement("figure");
  const caption = document.createElement("figcaption");
  const values = said[one.name];
  const unit = one.unit ?? whole;
  const isKnown = values.some((value) => value != null);
  const total = !one.sum ? "" : isKnown ? unit(values.reduce((sum, value) => sum + (value ?? 0), 0), said.currency) : "—";
  const left = one.name === "cost" && said.others?.length ? `, without ${said.others.join(", ")}` : "";
  const title = Object.assign(document.createElement("span"), { textContent: (said.calls && one.name === "count" ? capital(said.noun) : one.title) + left });
  const figure = Object.assign(document.createElement("b"), { textContent: total });
  caption.append(title, figure);
  const place = document.createElement("div");
  box.append(caption, place);
  requestAnimationFrame(() => plot(strip, place, figure, total, one, said, unit));
  return box;
}

function plot(strip, place, figure, total, one, said, unit) {
  const times = said.time.length > 1 ? said.time : [...said.time, said.end];
  const fit = (values) => (said.time.length > 1 ? values : [...values, null]);
  const series = [{}, mark(one, colour(one.colour), said, place)];
  const data = [times, fit(said[one.name])];
  if (one.also) {
    series.push({ stroke: colour("--quiet"), width: 1, points: dots(said[one.also], place, { size: 4 }), spanGaps: true });
    data.push(fit(said[one.also]));
  }
  const plotted = themed(
    {
      width: place.clientWidth,
      height: 54,
      padding: [4, 0, 0, 0],
      legend: { show: false },
      tzDate: (seconds) => window.uPlot.tzDate(new Date(seconds * 1e3), said.zone),
      cursor: { y: false, drag: { x: true, y: false, setScale: false }, points: { size: 5 }, sync: { key: strip.id } },
      scales: { x: { time: true, range: (_, low, high) => [low, Math.max(high, said.end ?? high)] }, y: { range: (_, low, high) => [0, high || 1] } },
      axes: [{ show: false }, { show: false }],
      series,
      hooks: {
        setCursor: [(u) => tell(u, figure, total, one, said, unit)],
        setSelect: [(u) => select(strip, u, said)],
      },
    },
    data,
    place,
  );
  new ResizeObserver(() => {
    if (place.clientWidth) plotted.setSize({ width: place.clientWidth, height: 54 });
  }).observe(place);
}

function mark(one, ink, said, place) {
  if (one.kind === "line" || said.time.length > 200) return { stroke: ink, width: 1.5, points: dots(said[one.name], place, { size: 4 }), spanGaps: true };
  // Each bar stands over the time that it counts.
  return { stroke: ink, fill: ink, width: 0, points: { show: false }, paths: window.uPlot.paths.bars({ size: [0.8, 96], align: 1 }) };
}

// The points of a line: shown while those that are known have room, however many units have none. One alone has no line.
export function dots(values, place, options) {
  const known = values.filter((value) => value != null).length;
  return { ...options, size: known < 2 ? 8 : options.size, show: () => known < 2 || known * 8 <= place.clientWidth };
}

function tell(u, figure, total, one, said, unit) {
  const at = under(u, said.time, one.kind === "bars");
  if (at == null) {
    figure.textContent = total;
    return;
  }
  const value = said[one.name][at];
  figure.textContent = `${moment(said.time[at], said.zone, said.unit)}: ${value == null ? "—" : unit(value, said.currency)}`;
}

// The unit of time below the pointer; of lines the nearest point.
export function under(u, times, isBars) {
  if (u.cursor.left == null || u.cursor.left < 0 || u.cursor.idx == null) return null;
  if (!isBars) return u.cursor.idx < times.length ? u.cursor.idx : null;
  const moment = u.posToVal(u.cursor.left, "x");
  const after = times.findIndex((time) => time > moment);
  return after === 0 ? null : after < 0 ? times.length - 1 : after - 1;
}

function select(strip, u, said) {
  const { left, width } = u.select;
  // The charts of a strip move together: each of them tells of the same stretch.
  if (width < 4 || "narrowed" in strip.dataset) return;
  strip.dataset.narrowed = "";
  setTimeout(() => delete strip.dataset.narrowed);
  const from = new Date(Math.round(u.posToVal(left, "x")) * 1e3);
  const to = new Date(Math.round(Math.min(u.posToVal(left + width, "x"), said.end ?? Infinity)) * 1e3);
  const address = new URL(location.href);
  for (const name of ["from", "to", "after", "before"]) address.searchParams.delete(name);
  address.searchParams.set("from", plain(from));
  address.searchParams.set("to", plain(to));
  const link = Object.assign(document.createElement("a"), { href: address.pathname + address.search, hidden: true });
  strip.closest("#list").append(link);
  window.htmx.process(link);
  link.click();
}

export function plain(date) {
  return date.toISOString().replace(/\.\d+Z$/, "Z");
}

// A colour of the page, for a canvas: it knows no light-dark(), so that the browser is asked each time it is drawn.
export function colour(name) {
  return () => {
    const probe = document.createElement("span");
    probe.hidden = true;
    document.body.append(probe);
    probe.style.color = `var(${name})`;
    const found = getComputedStyle(probe).color;
    probe.remove();
    return found;
  };
}

const drawn = new Set();

// A plot that is drawn anew when the system goes from light to dark, or back.
export function themed(options, data, place) {
  const plotted = new window.uPlot(options, data, place);
  drawn.add(plotted);
  return plotted;
}

matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => {
  for (const plotted of drawn) {
    if (plotted.root.isConnected) plotted.redraw();
    else drawn.delete(plotted);
  }
});

export function moment(stamp, zone, grain) {
  const options = { timeZone: zone, month: "short", day: "numeric" };
  if (grain === "hour" || grain === "minute") Object.assign(options, { hour: "2-digit", minute: "2-digit", hourCycle: "h23" });
  return new Date(stamp * 1e3).toLocaleString("en-US", options);
}

function capital(word) {
  return word[0].toUpperCase() + word.slice(1);
}

export function whole(value) {
  return Math.round(value).toLocaleString("en-US");
}

export function seconds(value) {
  return value < 1 ? `${Math.round(value * 1000)} ms` : `${value.toFixed(2)} s`;
}

export function money(value, currency) {
  const options = { style: "currency", currency: currency ?? "USD", currencyDisplay: "narrowSymbol" };
  if (value && value < 1) options.maximumSignificantDigits = 3;
  return value.toLocaleString("en-US", options);
}
