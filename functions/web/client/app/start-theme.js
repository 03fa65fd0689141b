// The theme, before the page is shown: else it would be seen to change its colours.
import { startTheme } from "./theme.js";

startTheme();
