// The theme, before the page is shown: what follows is long, and would be seen to change its colours.
import { startTheme } from "../app/theme.js";

startTheme();
