// Moments stand in the project's zone, so that everybody reads the same. Pointed at, they say what a clock on the wall
// of whoever points shows, where that is another time.

// All hours have two digits: some browsers leave out the first of those before ten.
const TWO = { month: "2-digit", day: "2-digit", hour: "2-digit", minute: "2-digit", second: "2-digit" };
const DIGITS = { year: "numeric", ...TWO, timeZoneName: "short" };

export function watchTimes() {
  document.addEventListener("pointerover", (event) => {
    const time = event.target.closest?.("time[datetime][title]");
    if (!time || time.dataset.isHere) return;
    time.dataset.isHere = "true";
    const here = new Date(time.dateTime).toLocaleString("sv-SE", DIGITS);
    const wall = here.slice(0, 19);
    if (!time.title.includes(wall)) time.title += `, ${here} where you are`;
  });
}
