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
