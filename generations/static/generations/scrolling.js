// What scrolls by itself can be reached by the keyboard, so that it can be scrolled by it.

const SCROLLING = ".snippet pre, .block > pre, .table-wrap, .prose pre, .prose table, .tree-rows, .operations > .card";

export function watchScrolling() {
  const reach = () => {
    for (const element of document.querySelectorAll(SCROLLING)) {
      if (element.scrollWidth > element.clientWidth || element.scrollHeight > element.clientHeight) element.tabIndex = 0;
    }
  };
  document.addEventListener("htmx:afterSettle", reach);
  addEventListener("resize", reach);
  reach();
}
