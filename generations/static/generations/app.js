// What pages do better with a script. Everything works without one.
import { watchCharts } from "./charts.js";
import { watchCopying } from "./copying.js";
import { watchDashboard } from "./dashboard.js";
import { watchFailures } from "./failing.js";
import { watchFiles } from "./files.js";
import { watchFilters } from "./filters.js";
import { watchFocus } from "./focus.js";
import { watchKeys } from "./keys.js";
import { watchMenus } from "./menus.js";
import { watchOutlines } from "./outline.js";
import { watchNames } from "./naming.js";
import { watchPalette } from "./palette.js";
import { watchReview } from "./review.js";
import { watchScrolling } from "./scrolling.js";
import { watchSelection } from "./selection.js";
import { watchSending } from "./sending.js";
import { watchTimes } from "./times.js";
import { watchTokens } from "./tokens.js";

watchCharts();
watchCopying();
watchDashboard();
watchFailures();
watchFiles();
watchFilters();
watchNames(); // before the focus, which goes by names
watchFocus();
watchKeys();
watchMenus();
watchOutlines();
watchPalette();
watchReview();
watchScrolling();
watchSelection();
watchSending();
watchTimes();
watchTokens();

// What works with a script alone is not shown to those who have none.
document.querySelectorAll("[data-scripted]").forEach((element) => (element.hidden = false));

// What a link asks for by its query is shown even where the link names no place on the page.
if (!location.hash) document.getElementById("current")?.scrollIntoView({ block: "center" });
