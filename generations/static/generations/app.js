// What pages do better with a script. Everything works without one.
import { watchCopying } from "./copying.js";
import { watchFilters } from "./filters.js";
import { watchKeys } from "./keys.js";
import { watchMenus } from "./menus.js";
import { watchSelection } from "./selection.js";

watchCopying();
watchFilters();
watchKeys();
watchMenus();
watchSelection();

// What a link asks for by its query is shown even where the link names no place on the page.
if (!location.hash) document.getElementById("current")?.scrollIntoView({ block: "center" });
