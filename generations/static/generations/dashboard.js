// The charts of the dashboard: bars stacked or beside each other's lines, with a legend; a click on a point opens the
// list of what it counts, dragging narrows the whole dashboard to that time.
import { toldBy } from "./failing.js";
import { colour, dots, money, moment, plain, seconds, themed, under, whole } from "./charts.js";

const COLOURS = ["--c1", "--c2", "--c3", "--c4", "--c5", "--c6"];

export function watchDashboard() {
  const seen = new IntersectionObserver((entries) => {
    for (const entry of entries) {
      if (!entry.isIntersecting) continue;
      seen.unobserve(entry.target);
      load(entry.target);
    }
  }, { rootMargin: "300px" });
  document.querySelectorAll("[data-chart]").forEach((place) => seen.observe(place));
}

async function load(place) {
  place.setAttribute("aria-busy", "true");
  const said = await asked(place.dataset.chart);
  place.removeAttribute("aria-busy");
  place.replaceChildren();
  const isEmpty = !said.problem && !said.lines.some((line) => line.values.some((value) => value));
  if (said.problem || isEmpty) {
    const words = text("p", "quiet nothing-here", said.problem || (said.unit === "money" && said.note) || "Nothing in this time.");
    place.append(words);
    if (said.isLost) {
      const again = text("button", "ghost", "Try again");
      again.type = "button";
      again.addEventListener("click", () => load(place));
      words.append(" ", again);
    }
    return;
  }
  draw(place, said);
}

// The numbers of a chart, or why there are none; what was lost on the way may be there when it is asked for again.
async function asked(address) {
  const lost = { problem: "The server cannot be reached.", isLost: true };
  const answer = await fetch(address, { credentials: "same-origin", headers: { Accept: "application/json" } }).catch(() => null);
  if (!answer) return lost;
  const told = (answer.headers.get("Content-Type") ?? "").startsWith("application/json");
  if (told) return answer.json().catch(() => lost);
  if (answer.redirected) return { problem: "You are signed out: sign in in another tab.", isLost: true };
  return { problem: toldBy(await answer.text().catch(() => ""), answer.status), isLost: true };
}

// Steps of an axis that counts: nothing happens half a time.
const WHOLE = Array.from({ length: 16 }, (_, n) => [1, 2, 5].map((step) => step * 10 ** n)).flat();

// The colours of a chart's lines. Of a breakdown a group has the same one in each chart, whatever its rank there: it
// follows from its name. Two of one chart that would have the same are told apart in the order of their names.
function named(lines) {
  if (!lines.some((line) => line.query)) return lines.map((_, n) => COLOURS[n % COLOURS.length]);
  const free = [...COLOURS];
  const chosen = new Map();
  for (const line of [...lines].sort((a, b) => (a.label < b.label ? -1 : 1))) {
    if (/__exists=false(&|$)/.test(line.query)) {
      chosen.set(line, "--quiet");
      continue;
    }
    const wish = [...line.label].reduce((sum, letter) => (sum * 31 + letter.codePointAt(0)) % 9973, 7) % COLOURS.length;
    const at = free.includes(COLOURS[wish]) ? free.indexOf(COLOURS[wish]) : 0;
    chosen.set(line, free.length ? free.splice(at, 1)[0] : COLOURS[wish]);
  }
  return lines.map((line) => chosen.get(line));
}

function draw(place, said) {
  const names = said.isBad ? ["--bad"] : named(said.lines);
  const colours = names.map(colour);
  const show = unit(said);
  const isCount = !["seconds", "money", "score"].includes(said.unit);
  const canvas = document.createElement("div");
  const legend = document.createElement("ul");
  legend.className = "legend";
  place.append(canvas, legend);
  const told = said.lines.map((line, n) => {
    const item = document.createElement("li");
    const swatch = text("span", "legend-mark", "");
    swatch.style.background = `var(${names[n]})`;
    const value = text("b", "", "");
    item.append(swatch, text("span", "truncate", line.label), value);
    legend.append(item);
    return value;
  });
  const when = text("li", "quiet", "");
  legend.append(when);
  if (said.note) place.append(text("p", "quiet note", said.note));

  const isLone = said.time.length === 1;
  const times = isLone ? [...said.time, said.end] : said.time;
  const heights = said.isStacked ? stacked(said.lines) : said.lines.map((line) => line.values);
  // What is stacked highest is drawn first, so that each part shows above the one below it.
  const order = said.lines.map((_, n) => n);
  if (said.isStacked) order.reverse();
  const isBars = said.style === "bars" && said.time.length <= 240 && (said.isStacked || said.lines.length === 1);
  const paths = isBars ? window.uPlot.paths.bars({ size: [0.82, 48], align: 1 }) : undefined;
  const axis = { stroke: colour("--quiet"), grid: { stroke: colour("--line"), width: 1 }, ticks: { show: false }, font: "11px system-ui, sans-serif" };
  const plotted = themed(
    {
      width: canvas.clientWidth,
      height: 190,
      padding: [8, 26, 0, 0],
      legend: { show: false },
      tzDate: (stamp) => window.uPlot.tzDate(new Date(stamp * 1e3), said.zone),
      cursor: { y: false, drag: { x: true, y: false, setScale: false }, points: { show: !isBars, size: 6 } },
      scales: { x: { time: true, range: (_, low, high) => [low, isBars ? Math.max(high, said.end) : high] }, y: { range: (_, low, high) => [Math.min(0, low), high || 1] } },
      axes: [{ ...axis, grid: { show: false }, size: 30, values: (_, ticks) => days(ticks, said) }, { ...axis, size: 58, ...(isCount ? { incrs: WHOLE } : {}), values: (_, ticks) => ticks.map((tick) => show(tick)) }],
      series: [
        {},
        ...order.map((n) =>
          isBars
            ? { stroke: colours[n], fill: colours[n], width: 0, paths, points: { show: false } }
            : { stroke: colours[n], width: 1.75, spanGaps: true, points: dots(heights[n], canvas, { size: 4, fill: colours[n] }) },
        ),
      ],
      hooks: {
        setCursor: [(u) => tell(under(u, said.time, isBars))],
        setSelect: [(u) => zoom(u, said)],
      },
    },
    [times, ...order.map((n) => (isLone ? [...heights[n], null] : heights[n]))],
    canvas,
  );
  function tell(at) {
    const isThere = at != null;
    when.textContent = isThere ? moment(said.time[at], said.zone, said.grain) : "";
    told.forEach((value, n) => {
      const counted = isThere ? said.lines[n].values[at] : sum(said, n);
      value.textContent = counted === undefined ? "" : counted === null ? "—" : show(counted);
    });
  }
  tell(null);
  plotted.over.classList.add("clickable");
  plotted.over.addEventListener("click", () => {
    const at = under(plotted, said.time, isBars);
    if (at != null && plotted.select.width < 4) location.assign(behind(plotted, said, heights, at));
  });
  new ResizeObserver(() => {
    if (canvas.clientWidth) plotted.setSize({ width: canvas.clientWidth, height: 190 });
  }).observe(canvas);
}

// The list of exactly what the point counts: that of the part of the bar, or of the line, that was clicked.
function behind(plotted, said, heights, at) {
  const y = plotted.posToVal(plotted.cursor.top, "y");
  let line = said.lines[0];
  if (said.isStacked) {
    line = said.lines.find((_, n) => (heights[n][at] ?? 0) >= y) ?? said.lines[0];
  } else {
    const far = (n) => Math.abs((said.lines[n].values[at] ?? Infinity) - y);
    line = said.lines[said.lines.map((_, n) => n).reduce((best, n) => (far(n) < far(best) ? n : best), 0)];
  }
  const address = new URL(said.list, location.href);
  const end = at + 1 < said.time.length ? said.time[at + 1] : said.end;
  for (const [name, value] of new URLSearchParams(line.query)) address.searchParams.append(name, value);
  address.searchParams.set("from", plain(new Date(said.time[at] * 1e3)));
  address.searchParams.set("timestamp__lt", plain(new Date(end * 1e3)));
  return address.href;
}

function zoom(u, said) {
  if (u.select.width < 4) return;
  const at = (left) => new Date(Math.round(Math.min(u.posToVal(left, "x"), said.end)) * 1e3);
  const address = new URL(location.href);
  address.searchParams.set("from", plain(at(u.select.left)));
  address.searchParams.set("to", plain(at(u.select.left + u.select.width)));
  location.assign(address.href);
}

function stacked(lines) {
  const below = lines[0].values.map(() => 0);
  return lines.map((line) => line.values.map((value, n) => (below[n] += value ?? 0)));
}

// Undefined where a sum says nothing, null where none of what it is made of is known.
function sum(said, n) {
  if (said.style !== "bars" || !said.isStacked) return undefined;
  const values = said.lines[n].values;
  if (values.some((value) => value == null) && !values.some((value) => value)) return null;
  return values.reduce((all, value) => all + (value ?? 0), 0);
}

// The day at its first tick and the hour at the others, as the project's zone has them.
function days(ticks, said) {
  let last = "";
  let hour = "";
  return ticks.map((tick) => {
    const day = moment(tick, said.zone, "day");
    const before = hour;
    hour = new Date(tick * 1e3).toLocaleTimeString("en-GB", { timeZone: said.zone, hour: "2-digit", minute: "2-digit" });
    if (day !== last) return (last = day);
    // Within one minute there are ticks, too, which would all be called the same.
    return hour === before ? "" : hour;
  });
}

function unit(said) {
  if (said.unit === "seconds") return seconds;
  if (said.unit === "money") return (value) => money(value, said.currency);
  if (said.unit === "score") return (value) => Number(value.toPrecision(3)).toString();
  return (value) => (value >= 1e6 ? `${Number((value / 1e6).toPrecision(3))} M` : whole(value));
}

function text(tag, className, content) {
  return Object.assign(document.createElement(tag), { className, textContent: content });
}
