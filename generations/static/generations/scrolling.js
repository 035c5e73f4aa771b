// What scrolls by itself can be reached by the keyboard, so that it can be scrolled by it.

export function watchScrolling() {
  const reach = () => {
    for (const element of document.querySelectorAll(".snippet pre, .block > pre, .table-wrap, .prose pre, .prose table, .tree")) {
      if (element.scrollWidth > element.clientWidth || element.scrollHeight > element.clientHeight) element.tabIndex = 0;
    }
  };
  document.addEventListener("htmx:afterSettle", reach);
  addEventListener("resize", reach);
  reach();
}
